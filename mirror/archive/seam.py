"""What the rooms above may expect of an archive, wherever it lies."""

import mmap
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from pathlib import Path
from typing import Never, Protocol, TypeVar

from mirror.archive.nouns import Entry, Expected, Inspection, KeptDraft, Publication

__all__ = ["Archive", "Bytes", "Draft", "Entry", "Expected", "Inspection", "KeptDraft", "Publication"]

T = TypeVar("T")
Bytes = bytes | mmap.mmap
"""A whole body: in memory, or mapped from its draft."""


class Draft(Protocol):
    """Bytes of one asset on their way to a final name. One task at a time uses it.

    Every method may be cancelled at any point: what was begun ends by itself, and the next method waits for it.
    Whatever the disk refuses is an ``ArchiveError``, possibly raised by the method after the one that was refused.
    """

    @property
    def name(self) -> str:
        """Name in the archive's drafts; it changes when the draft is checked or kept."""

    @property
    def size_bytes(self) -> int:
        """Bytes taken so far."""

    async def write_whole(self, body: bytes, examine: Callable[[Bytes], T]) -> tuple[bytes, T]:
        """Take a whole small body in one go; afterwards the draft is checked.

        Returns:
            SHA-256 of the body (32 bytes) and what ``examine`` said of it.
        Raises:
            Exception: Whatever ``examine`` raised; then the draft holds nothing.
        """

    async def write(self, chunk: bytes) -> None:
        """Append a piece. It may still be on its way when this returns; at most one piece is."""

    async def finish(self, examine: Callable[[Bytes], T]) -> tuple[bytes, T]:
        """End a body that came in pieces; afterwards the draft is checked.

        Returns:
            SHA-256 of all pieces (32 bytes) and what ``examine`` said of them.
        Raises:
            Exception: Whatever ``examine`` raised; then the draft holds its bytes still and can be restarted.
        """

    async def restart(self) -> None:
        """Forget all bytes; the draft is as new."""

    async def discard(self) -> None:
        """Delete the draft. A second time does nothing."""

    async def keep(self, label: str) -> None:
        """Flush what came so far and name it so that a later run can go on from it.

        An empty draft vanishes, a checked one stays what it is: a later run finds that too.

        Args:
            label: What proves the bytes to be the same later; letters, digits, ``-`` and ``_``, at most 180.
        """


class Archive(Protocol):
    """The tree of assets.

    A key holds a whole, flushed, checked draft or what was there before, at every instant. Nothing is written or
    read through a symbolic link inside the tree. Files are never changed, only replaced; what is replaced is kept.
    Blocking work happens off the event loop. Whatever the disk or the store refuses is an ``ArchiveError``.
    """

    @property
    def place(self) -> str:
        """Where it lies, as people write it: a folder, or an address."""

    @property
    def filesystem(self) -> str:
        """What it lies on: the type of the file system as the mount table names it, or the kind of store."""

    @property
    def has_labels(self) -> bool:
        """Whether it keeps photo id and bibs beside the bytes."""

    @property
    def is_on_network(self) -> bool:
        """Whether a manifest inside it would lie on another machine's disk."""

    def own_file(self, name: str) -> Path:
        """Say where on this machine one of our own files is written, the manifest's snapshot for one."""

    async def send_own(self, name: str) -> None:
        """Bring that file into the archive, as a whole or not at all, if it does not lie there already.

        Raises:
            ManifestError: Somebody else has written it since we last did.
        """

    async def is_own_current(self, name: str) -> bool:
        """Whether nobody on another machine has written that file in the archive since we did."""

    async def fetch_own(self, name: str) -> bool:
        """Bring that file from the archive to its place on this machine; says whether there is one."""

    async def archive_id(self) -> str | None:
        """Read the id of the manifest that this tree belongs to; None for a new tree."""

    async def set_archive_id(self, archive_id: str) -> None:
        """Write that id, durably and in one step."""

    @property
    def device(self) -> str:
        """The disk as this machine knows it: two processes that say the same need one flush for what both wrote."""

    async def leave_token(self, token: str | None) -> None:
        """Write a word that whoever opens this archive elsewhere can read, or take it away."""

    async def token(self) -> str | None:
        """Read the word that another process has left."""

    async def open_draft(self, asset_id: int, *, address: str) -> Draft:
        """Begin an empty draft; nothing lies on disk before its first byte.

        Args:
            address: Short hex hash of the host and path that the bytes come from.
        """

    async def resume_draft(self, name: str) -> Draft:
        """Take up a kept draft at its end; its bytes are hashed again. One that vanished is empty."""

    async def check_draft(self, name: str, examine: Callable[[Bytes], T]) -> T | None:
        """Hash a checked draft of an earlier run again.

        Returns:
            What ``examine`` says of it, or None when size or digest differ from what the name promises.
        Raises:
            Exception: Whatever ``examine`` raised.
        """

    async def kept_drafts(self) -> list[KeptDraft]:
        """List the drafts that a run may claim: to be resumed, or checked."""

    async def clean_drafts(self, keep: Collection[str]) -> int:
        """Delete all drafts but those in ``keep``, and say how many. Nothing may be in flight."""

    async def discard_drafts(self, names: Collection[str]) -> None:
        """Delete these drafts; one that is not there is no matter."""

    async def flush_drafts(self, names: Collection[str]) -> None:
        """Bring the bytes of these drafts to the disk.

        Raises:
            ArchiveError: Nobody can say which bytes arrived; discard all of them.
        """

    async def publish(self, group: Sequence[Publication]) -> list[tuple[str, str]]:
        """Give flushed drafts their keys and bring the names to the disk.

        What is replaced is kept and flushed before the first rename. Something else that lies under a key is moved
        into the versions as it is. After an ``ArchiveError`` some keys may hold their new bytes.

        Returns:
            Key and new key of each thing that was not ours and had to be moved.
        """

    async def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Measure stored files, in bytes and in order; None where no regular file lies."""

    async def digest(self, key: str) -> tuple[int, bytes] | None:
        """Read a stored file and say its size in bytes and SHA-256; None where none lies or it is unreadable."""

    async def read(self, key: str) -> bytes:
        """Read a whole stored file.

        Raises:
            ArchiveError: It is not there.
        """

    async def inspect(self, keys: Sequence[str], examine: Callable[[bytes], T] | None = None) -> list[Inspection[T]]:
        """Hash stored files in one hop; several hops may be under way at once.

        Args:
            examine: Is shown each file as a whole, in the same thread.
        """

    @property
    def most_at_a_glance(self) -> int:
        """How many files one `glance` takes best."""

    async def glance(self, files: Sequence[Expected]) -> list[Inspection[Never]]:
        """Look whether files are what they should be, in the cheapest way that can be trusted; several may be on.

        Where a store keeps size, time and digest of what it holds, nothing is read but what it cannot say that of;
        where none does, everything is.
        """

    async def keeps_deleted(self) -> bool | None:
        """Say whether what is deleted here can still be had by whoever knows how; None where nobody can know."""

    def walk(self) -> AsyncGenerator[list[str], None]:
        """Name all that lies in the tree and is no folder, some at a time, but for our own state folder."""

    def survey(self, below: str = "", *, batch: int = 1000) -> AsyncGenerator[list[Entry], None]:
        """Name everything below a folder of the tree, whatever it is, in an order that does not change."""

    async def flush_files(self, keys: Sequence[str]) -> None:
        """Bring files that somebody else wrote to the disk, if `flush_folders` alone would not."""

    async def flush_folders(self, folders: Collection[tuple[str, ...]]) -> None:
        """Bring the names in these folders to the disk."""

    async def relatives(self, keys: Sequence[str]) -> list[str]:
        """Find versions of these files, and foreign things that lay under their keys, whether recorded or not."""

    async def remove(self, keys: Sequence[str]) -> list[int | None]:
        """Delete files of the tree or versions, durably.

        Returns:
            The size of each in bytes; None for what was not there.
        """

    async def remove_drafts(self, asset_ids: Collection[int]) -> int:
        """Delete every draft of these assets, durably, and say how many."""

    async def move_out(self, keys: Sequence[str], to: Path) -> list[int | None]:
        """Move files under the same names into another folder, on any disk; flushed there before they go here.

        Returns:
            The size of each in bytes; None for what was not there.
        """

    def free_bytes(self) -> int:
        """Measure what the disk still takes."""

    async def aclose(self) -> None:
        """Finish what was begun and let go of everything; afterwards no thread of the archive runs."""
