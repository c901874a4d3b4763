"""An archive in a bucket, with its drafts on this machine."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Never, Self, TypeVar

from mirror.archive import names
from mirror.archive.local import LocalArchive
from mirror.archive.neighbour import writing
from mirror.archive.nouns import Entry, Expected, Inspection, KeptDraft, Publication
from mirror.archive.objects import glancing
from mirror.archive.objects.own import OwnFiles
from mirror.archive.objects.publishing import Publisher
from mirror.archive.objects.shelf import Shelf
from mirror.archive.objects.staging import StagedDraft, Staging
from mirror.archive.objects.taking import Taker
from mirror.archive.objects.trial import try_store
from mirror.archive.seam import Bytes, Draft
from mirror.archive.writer import CLOSED
from mirror.errors import AbsentError, ArchiveError

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket

T = TypeVar("T")
_SPOOL = "spool"
_OWN = "bucket"
_MAY_KEEP = {"gs", "az"}
"""Stores whose soft delete keeps everything for days and cannot be seen here."""


class ObjectArchive:
    """An archive in a bucket; see ``seam.Archive`` for the promises.

    Drafts are spooled in a folder of this machine, as in any archive there. A put's answer is what a flush is on a
    disk. Nothing is replaced but what was seen, and nothing that lay there is lost.
    """

    def __init__(self, bucket: "Bucket", spool: LocalArchive, folder: Path, *, stage: bool) -> None:
        drafts = spool.state / names.DRAFTS
        self._bucket = bucket
        self._spool = spool
        self._drafts_folder = drafts
        self._is_staging = stage
        self._is_open = True
        self._shelf = Shelf(bucket)
        self._taker = Taker(self._shelf)
        self._staging = Staging(bucket, drafts)
        self._publisher = Publisher(self._shelf, self._staging, drafts)
        self._own = OwnFiles(bucket, folder / _OWN)

    @classmethod
    async def open(
        cls,
        bucket: "Bucket",
        folder: Path,
        *,
        create: bool,
        min_free_bytes: int = 0,
        is_read_only: bool = False,
        stage: bool = False,
    ) -> Self:
        """Open the archive in a place of a bucket.

        Args:
            folder: Of this machine, for drafts and our own files; made if need be.
            create: Begin one where there is none; otherwise such a place is refused.
            min_free_bytes: What must stay free on the folder's disk.
            is_read_only: Only read: the store is not asked whether it keeps its promises.
            stage: Bring each checked draft into the bucket at once: for a worker that gives no keys.
        Raises:
            ArchiveError: No bucket, no archive, no permission, or a store that does not heed conditions.
        """
        is_there = False
        async for page in bucket.list_below(names.STATE):
            is_there = any(each.key == f"{names.STATE}/archive-id" for each in page)
            break
        if not is_there and not create:
            raise ArchiveError(f"{bucket.place}: there is no archive here")
        if not is_read_only:
            await try_store(bucket)
        with writing(folder):
            await asyncio.to_thread((folder / _OWN).mkdir, parents=True, exist_ok=True)
        spool = await LocalArchive.open(folder / _SPOOL, create=True, min_free_bytes=min_free_bytes, is_shared=stage)
        return cls(bucket, spool, folder, stage=stage)

    @property
    def place(self) -> str:
        """The address, as people write it."""
        return self._bucket.place

    @property
    def filesystem(self) -> str:
        """The kind of store."""
        return self.place.partition(":")[0]

    @property
    def has_labels(self) -> bool:
        """Stores keep a few words beside an object."""
        return True

    @property
    def is_on_network(self) -> bool:
        """No manifest lies in a bucket."""
        return False

    def own_file(self, name: str) -> Path:
        """Say where on this machine one of our own files is written."""
        return self._own.folder / name

    async def send_own(self, name: str) -> None:
        """Put that file into the bucket."""
        self._require_open()
        await self._own.send(name)

    async def fetch_own(self, name: str) -> bool:
        """Bring that file from the bucket."""
        self._require_open()
        return await self._own.fetch(name)

    async def is_own_current(self, name: str) -> bool:
        """Whether nobody else has written that file since this machine did."""
        self._require_open()
        return await self._own.is_current(name)

    async def archive_id(self) -> str | None:
        """Read the id of the manifest that this place belongs to."""
        self._require_open()
        return await self._own.read_id()

    async def set_archive_id(self, archive_id: str) -> None:
        """Write that id."""
        self._require_open()
        await self._own.write_id(archive_id)

    @property
    def device(self) -> str:
        """The place itself: a put needs no flush, whoever made it."""
        return self.place

    async def leave_token(self, token: str | None) -> None:
        """Write a word for whoever opens this archive elsewhere, or take it away."""
        self._require_open()
        await self._own.write_token(token)

    async def token(self) -> str | None:
        """Read the word that another process has left."""
        self._require_open()
        return await self._own.read_token()

    # -- drafts -------------------------------------------------------------------------------------------------

    async def open_draft(self, asset_id: int, *, address: str) -> Draft:
        """Begin an empty draft."""
        return self._staged(await self._spool.open_draft(asset_id, address=address))

    async def resume_draft(self, name: str) -> Draft:
        """Take up a kept draft at its end."""
        return self._staged(await self._spool.resume_draft(name))

    def _staged(self, draft: Draft) -> Draft:
        return StagedDraft(draft, self._staging, self._drafts_folder) if self._is_staging else draft

    async def check_draft(self, name: str, examine: Callable[[Bytes], T]) -> T | None:
        """Hash a checked draft of an earlier run again."""
        self._require_open()
        if await self._staging.staged_among([name]):
            return await self._staging.check(name, examine)
        return await self._spool.check_draft(name, examine)

    async def kept_drafts(self) -> list[KeptDraft]:
        """List the drafts that a run may claim, on this machine and in the bucket."""
        self._require_open()
        found = {each.name: each for each in await self._staging.kept()}
        return [*(found | {each.name: each for each in await self._spool.kept_drafts()}).values()]

    async def clean_drafts(self, keep: Collection[str]) -> int:
        """Delete all drafts but these."""
        self._require_open()
        return await self._spool.clean_drafts(keep) + await self._staging.clean(keep)

    async def discard_drafts(self, names: Collection[str]) -> None:
        """Delete these drafts."""
        staged = await self._staging.staged_among(names)
        await self._spool.discard_drafts(names)
        await self._staging.discard(staged)

    async def flush_drafts(self, names: Collection[str]) -> None:
        """Do nothing: the answer to a put says that its bytes are kept."""

    async def publish(self, group: Sequence[Publication]) -> list[tuple[str, str]]:
        """Give drafts their keys."""
        self._require_open()
        moved = await self._publisher.publish(group)
        await self._spool.discard_drafts([each.draft for each in group])
        return moved

    async def remove_drafts(self, asset_ids: Collection[int]) -> int:
        """Delete every draft of these assets."""
        self._require_open()
        return await self._spool.remove_drafts(asset_ids) + await self._staging.remove_of(asset_ids)

    # -- what lies there ----------------------------------------------------------------------------------------

    async def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Measure stored files."""
        self._require_open()
        return await self._shelf.sizes(keys)

    async def digest(self, key: str) -> tuple[int, bytes] | None:
        """Read a stored file back and hash it."""
        self._require_open()
        names.split_key(key)
        try:
            return await self._shelf.read_back(key)
        except AbsentError:
            return None

    async def read(self, key: str) -> bytes:
        """Read a stored file."""
        self._require_open()
        names.split_key(key)
        return (await self._bucket.get(key))[0]

    async def inspect(self, keys: Sequence[str], examine: Callable[[bytes], T] | None = None) -> list[Inspection[T]]:
        """Hash stored files, several at once."""
        self._require_open()
        return await self._shelf.inspect(keys, examine)

    @property
    def most_at_a_glance(self) -> int:
        """So many as a few listings tell of."""
        return glancing.MOST

    async def glance(self, files: Sequence[Expected]) -> list[Inspection[Never]]:
        """Compare what the store says of objects, and read those of which it says too little."""
        self._require_open()
        return await glancing.Glancer(self._shelf).glance(files)

    async def keeps_deleted(self) -> bool | None:
        """Say whether the store keeps earlier objects; only S3's versions can be seen from here."""
        self._require_open()
        facts = await self._bucket.find(f"{names.STATE}/archive-id")
        if self.filesystem in _MAY_KEEP:
            return None
        return facts is not None and bool(facts.version)

    async def walk(self) -> AsyncGenerator[list[str], None]:
        """Name all that lies there, some at a time."""
        async for entries in self.survey():
            yield [each.key for each in entries]

    async def survey(self, below: str = "", *, batch: int = 1000) -> AsyncGenerator[list[Entry], None]:
        """Name everything below a folder, in the order of the keys."""
        self._require_open()
        async for entries in self._shelf.survey(below):
            for start in range(0, len(entries), batch):
                yield entries[start : start + batch]

    async def flush_files(self, keys: Sequence[str]) -> None:
        """Do nothing: what a store names, it keeps."""

    async def flush_folders(self, folders: Collection[tuple[str, ...]]) -> None:
        """Do nothing: a store has no folders."""

    async def relatives(self, keys: Sequence[str]) -> list[str]:
        """Find versions of these files, and foreign things that lay under their keys."""
        self._require_open()
        return await self._taker.relatives(keys)

    async def remove(self, keys: Sequence[str]) -> list[int | None]:
        """Delete files of the tree or versions."""
        self._require_open()
        return await self._taker.remove(keys)

    async def move_out(self, keys: Sequence[str], to: Path) -> list[int | None]:
        """Move files under the same names into a folder of this machine."""
        self._require_open()
        return await self._taker.move_out(keys, to)

    def free_bytes(self) -> int:
        """Measure what the disk of the drafts still takes: a bucket has no end."""
        return self._spool.free_bytes()

    async def aclose(self) -> None:
        """Finish what was begun and let go of everything."""
        self._is_open = False
        await self._spool.aclose()

    def _require_open(self) -> None:
        if not self._is_open:
            raise ArchiveError(CLOSED)
