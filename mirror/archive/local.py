"""An archive in a folder of this machine."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Never, Self, TypeVar

from mirror.archive import names
from mirror.archive.drafts import Drafts
from mirror.archive.flush import Flusher, System
from mirror.archive.growing import DraftRoom
from mirror.archive.inspecting import Inspector
from mirror.archive.nouns import Entry, Expected, Inspection, KeptDraft, Publication
from mirror.archive.opening import OpenFolder
from mirror.archive.removing import Remover
from mirror.archive.seam import Bytes, Draft
from mirror.archive.survey import Survey
from mirror.archive.tree import Tree
from mirror.archive.writer import Here, Writer, WriterHere
from mirror.errors import ArchiveError

T = TypeVar("T")
_THREADS = 4
_MOST_AT_A_GLANCE = 64


class LocalArchive:
    """An archive in a folder, on whatever disk it lies; see ``seam.Archive`` for the promises."""

    def __init__(
        self, folder: OpenFolder, pool: Executor, writer: Writer | WriterHere, *, is_shared: bool = False
    ) -> None:
        self._folder = folder
        self._pool = pool
        self._writer = writer
        disk, system = folder.disk, folder.system
        self._flusher = Flusher(system, disk.folder)
        self._tree = Tree(disk, system, self._flusher, folder.drafts)
        self._inspector = Inspector(disk)
        self._remover = Remover(disk, self._flusher, folder.drafts)
        self._room = DraftRoom(
            disk=disk, system=system, folder=folder.drafts, writer=self._writer, pool=pool, is_shared=is_shared
        )
        self._all_drafts = Drafts(self._room, self._flusher)
        self._survey = Survey(disk, self._flusher)

    @classmethod
    async def open(
        cls,
        root: Path,
        *,
        create: bool,
        min_free_bytes: int = 0,
        is_read_only: bool = False,
        system: System | None = None,
        is_shared: bool = False,
        has_threads: bool = True,
    ) -> Self:
        """Open the archive in a folder.

        Args:
            create: Make what is missing; otherwise a folder that holds no archive is refused.
            min_free_bytes: What must stay free on its disk.
            is_read_only: Only read, from media that cannot be written too; whatever writes is refused.
            system: What the operating system offers, where that must not be found out.
            is_shared: Other processes write drafts of the same assets: no two of them ever bear one name.
            has_threads: Otherwise this thread waits for the disk: for a process that does nothing else.
        Raises:
            ArchiveError: Not there, not a folder, not writable, too full, a link or another disk inside.
        """
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="mirror-disk") if has_threads else Here()
        opening = partial(
            OpenFolder,
            root,
            create=create and not is_read_only,
            min_free_bytes=min_free_bytes,
            is_read_only=is_read_only,
            system=system,
            is_shared=is_shared,
        )
        try:
            folder = await asyncio.get_running_loop().run_in_executor(pool, opening)
        except BaseException:
            pool.shutdown(wait=False)
            raise
        return cls(folder, pool, Writer() if has_threads else WriterHere(), is_shared=is_shared)

    @property
    def root(self) -> Path:
        """The folder of the tree."""
        return self._folder.disk.root

    @property
    def state(self) -> Path:
        """Folder inside the tree for what is no asset."""
        return self.root / names.STATE

    @property
    def place(self) -> str:
        """The folder, as people write it."""
        return str(self.root)

    def own_file(self, name: str) -> Path:
        """Say where one of our own files lies: in the tree."""
        return self.state / name

    async def send_own(self, name: str) -> None:
        """Do nothing: what is written to its place is in the archive."""

    async def is_own_current(self, name: str) -> bool:  # noqa: ARG002 - the seam asks for one file
        """Say yes: a lock on the manifest sees to that."""
        return True

    async def fetch_own(self, name: str) -> bool:
        """Say whether there is such a file; it lies where it is read."""
        return await self._room.begin(self.own_file(name).is_file)

    @property
    def filesystem(self) -> str:
        """Type of the file system, as the mount table names it; empty where nobody says."""
        return self._folder.system.filesystem

    @property
    def has_labels(self) -> bool:
        """A file has a name, and nothing beside it."""
        return False

    @property
    def is_on_network(self) -> bool:
        """Whether its disk is another machine's, as the type of the file system tells."""
        return self._folder.system.is_on_network

    @property
    def device(self) -> str:
        """The disk as this machine knows it."""
        return self._folder.device

    @property
    def flush_kind(self) -> str:
        """How bytes get to the disk: ``syncfs``, ``fsync`` or ``F_FULLFSYNC``."""
        return self._flusher.kind

    async def archive_id(self) -> str | None:
        """Read the id of the manifest that this tree belongs to."""
        return await self._room.begin(self._folder.read_id)

    async def leave_token(self, token: str | None) -> None:
        """Write a word for whoever opens this archive elsewhere, or take it away."""
        await self._room.begin(self._folder.write_token, token)

    async def token(self) -> str | None:
        """Read the word that another process has left."""
        return await self._room.begin(self._folder.read_token)

    async def set_archive_id(self, archive_id: str) -> None:
        """Write that id."""
        self._drafts  # noqa: B018 - refuses when only reading
        await self._room.begin(self._folder.write_id, archive_id)

    async def open_draft(self, asset_id: int, *, address: str) -> Draft:
        """Begin an empty draft."""
        return self._drafts.open(asset_id, address)

    async def resume_draft(self, name: str) -> Draft:
        """Take up a kept draft at its end."""
        return await self._drafts.resume(name)

    async def check_draft(self, name: str, examine: Callable[[Bytes], T]) -> T | None:
        """Hash a checked draft of an earlier run again."""
        return await self._room.begin(self._drafts.check, name, examine)

    async def kept_drafts(self) -> list[KeptDraft]:
        """List the drafts that a run may claim."""
        return await self._room.begin(self._drafts.kept)

    async def clean_drafts(self, keep: Collection[str]) -> int:
        """Delete all drafts but these."""
        return await self._room.begin(self._drafts.clean, keep)

    async def discard_drafts(self, names: Collection[str]) -> None:
        """Delete these drafts."""
        if names:
            await self._room.begin(self._drafts.discard, names)

    async def flush_drafts(self, names: Collection[str]) -> None:
        """Bring the bytes of these drafts to the disk."""
        await self._room.begin(self._drafts.flush, names)

    async def publish(self, group: Sequence[Publication]) -> list[tuple[str, str]]:
        """Give flushed drafts their keys."""
        self._drafts  # noqa: B018 - refuses when only reading
        return await self._room.begin(self._tree.publish, group) if group else []

    async def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Measure stored files."""
        return await self._room.begin(self._tree.sizes, keys)

    async def digest(self, key: str) -> tuple[int, bytes] | None:
        """Hash a stored file."""
        return await self._room.begin(self._tree.digest, key)

    async def read(self, key: str) -> bytes:
        """Read a stored file."""
        return await self._room.begin(self._tree.read, key)

    async def inspect(self, keys: Sequence[str], examine: Callable[[bytes], T] | None = None) -> list[Inspection[T]]:
        """Hash stored files in one hop."""
        return await self._room.begin(self._inspector.inspect, keys, examine)

    @property
    def most_at_a_glance(self) -> int:
        """So many files as one thread reads in about a moment."""
        return _MOST_AT_A_GLANCE

    async def glance(self, files: Sequence[Expected]) -> list[Inspection[Never]]:
        """Hash files: a disk keeps no digest of them."""
        return await self.inspect([each.key for each in files])

    async def keeps_deleted(self) -> bool | None:
        """Say no: what a file system keeps beside itself is nothing of ours."""
        return False

    async def walk(self) -> AsyncGenerator[list[str], None]:
        """Name all that lies in the tree and is no folder, folder by folder."""
        folders = self._inspector.walk()
        while (files := await self._room.begin(next, folders, None)) is not None:
            yield files

    async def relatives(self, keys: Sequence[str]) -> list[str]:
        """Find versions of these files, and foreign things that lay under their keys."""
        return await self._room.begin(self._remover.relatives, keys)

    async def remove(self, keys: Sequence[str]) -> list[int | None]:
        """Delete files of the tree or versions."""
        self._drafts  # noqa: B018 - refuses when only reading
        return await self._room.begin(self._remover.remove, keys)

    async def remove_drafts(self, asset_ids: Collection[int]) -> int:
        """Delete every draft of these assets."""
        self._drafts  # noqa: B018 - refuses when only reading
        return await self._room.begin(self._remover.remove_drafts, asset_ids)

    async def move_out(self, keys: Sequence[str], to: Path) -> list[int | None]:
        """Move files under the same names into another folder."""
        self._drafts  # noqa: B018 - refuses when only reading
        return await self._room.begin(self._remover.move_out, keys, to)

    async def survey(self, below: str = "", *, batch: int = 1000) -> AsyncGenerator[list[Entry], None]:
        """Name everything below a folder of the tree, whatever it is, in an order that does not change."""
        entries = self._survey.walk(below)
        found: list[Entry]
        while found := await self._room.begin(list, islice(entries, batch)):
            yield found

    async def flush_files(self, keys: Sequence[str]) -> None:
        """Bring files that somebody else wrote to the disk, if `flush_folders` alone would not."""
        await self._room.begin(self._survey.flush_files, keys)

    async def flush_folders(self, folders: Collection[tuple[str, ...]]) -> None:
        """Bring the names in these folders to the disk."""
        await self._room.begin(self._survey.flush_folders, tuple(folders))

    def free_bytes(self) -> int:
        """Measure what the disk still takes."""
        return self._folder.disk.free_bytes()

    async def aclose(self) -> None:
        """Finish what was begun and let go of everything. A second time does nothing."""
        if not self._writer.is_open:
            return
        await self._writer.aclose()
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        for file in tuple(self._room.growing):
            file.close()
        self._folder.close()

    @property
    def _drafts(self) -> Drafts:
        if self._folder.drafts < 0:
            raise ArchiveError(f"{self.root}: opened for reading only")
        return self._all_drafts
