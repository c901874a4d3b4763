"""Drafts that lie in the bucket already: a worker has the bytes, and only the client can give them a key."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mirror.archive import names
from mirror.archive.disk import in_plain_words
from mirror.archive.objects.labels import labels_of
from mirror.archive.seam import Bytes, Draft, KeptDraft
from mirror.errors import AbsentError, ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mirror.archive.objects.bucket import Bucket

T = TypeVar("T")
_SMALL_BYTES = 8 * 1024 * 1024
_HOME = f"{names.STATE}/{names.DRAFTS}"


class Staging:
    """The drafts in the bucket. None is there before it is whole and checked.

    Args:
        drafts: The folder of drafts on this machine.
    """

    def __init__(self, bucket: "Bucket", drafts: Path) -> None:
        self._bucket = bucket
        self._drafts = drafts

    @staticmethod
    def key(name: str) -> str:
        """Name the object of a draft."""
        return f"{_HOME}/{name}"

    async def staged_among(self, names: Collection[str]) -> list[str]:
        """Name the drafts that lie in the bucket, and not on this machine; asks the disk alone."""
        return await asyncio.to_thread(lambda: [name for name in names if not (self._drafts / name).exists()])

    async def send(self, file: Path, labels: Mapping[str, str]) -> None:
        """Bring a checked draft of this machine into the bucket."""
        with self.saying("read", file.name):
            size_bytes = (await asyncio.to_thread(file.stat)).st_size
        if size_bytes > _SMALL_BYTES:
            await self._bucket.put_file(self.key(file.name), file, labels=labels)
        else:
            with self.saying("read", file.name):
                body = await asyncio.to_thread(file.read_bytes)
            await self._bucket.put(self.key(file.name), body, labels=labels)

    async def kept(self) -> list[KeptDraft]:
        """List the drafts in the bucket that are what their names promise, as far as sizes tell."""
        found = []
        async for page in self._bucket.list_below(_HOME):
            for each in page:
                draft = names.parse_draft(each.key.rpartition("/")[2], each.size_bytes)
                if draft is not None and draft.sha256 is not None and draft.size_bytes == each.size_bytes:
                    found.append(draft)
        return found

    async def check(self, name: str, examine: Callable[[Bytes], T]) -> T | None:
        """Read a draft back and examine it; None when it is not what its name says."""
        kept = names.parse_draft(name, 0)
        if kept is None or kept.sha256 is None:
            return None
        try:
            body, _ = await self._bucket.get(self.key(name))
        except AbsentError:
            return None
        return await asyncio.to_thread(_checked, body, kept, examine)

    async def discard(self, doomed: Sequence[str]) -> None:
        """Delete these drafts."""
        await self._bucket.delete([self.key(name) for name in doomed])

    async def clean(self, keep: Collection[str]) -> int:
        """Delete all others, and say how many."""
        kept, count = set(keep), 0
        async for page in self._bucket.list_below(_HOME):
            there = [each.key.rpartition("/")[2] for each in page]
            doomed = [name for name in there if name not in kept and names.is_draft(name)]
            await self.discard(doomed)
            count += len(doomed)
        return count

    async def remove_of(self, asset_ids: Collection[int]) -> int:
        """Delete every draft of these assets, and say how many."""
        prefixes, count = {str(each) for each in asset_ids}, 0
        async for page in self._bucket.list_below(_HOME):
            there = [each.key.rpartition("/")[2] for each in page]
            doomed = [name for name in there if name.partition(".")[0] in prefixes and names.is_draft(name)]
            await self.discard(doomed)
            count += len(doomed)
        return count

    @contextlib.contextmanager
    def saying(self, doing: str, name: str) -> "Iterator[None]":
        """Turn what this machine's disk refuses inside into an ``ArchiveError``."""
        try:
            yield
        except OSError as error:
            raise ArchiveError(f"{self._drafts}: cannot {doing} {name}: {in_plain_words(error)}") from error


def _checked(body: bytes, kept: KeptDraft, examine: Callable[[Bytes], T]) -> T | None:
    is_right = (len(body), hashlib.sha256(body).digest()) == (kept.size_bytes, kept.sha256)
    return examine(body) if is_right else None


class StagedDraft:
    """A draft that is brought into the bucket when it is checked; see ``seam.Draft`` for the promises."""

    def __init__(self, draft: Draft, staging: Staging, drafts: Path) -> None:
        self._draft = draft
        self._staging = staging
        self._drafts = drafts
        self._staged = ""
        self._sent_bytes = 0

    @property
    def name(self) -> str:
        """Name among the drafts."""
        return self._staged or self._draft.name

    @property
    def size_bytes(self) -> int:
        """Bytes taken so far."""
        return self._sent_bytes if self._staged else self._draft.size_bytes

    async def write_whole(self, body: bytes, examine: Callable[[Bytes], T]) -> tuple[bytes, T]:
        """Take a whole small body in one go, and send it."""
        digest, examined = await self._draft.write_whole(body, examine)
        await self._send(digest)
        return digest, examined

    async def write(self, chunk: bytes) -> None:
        """Append a piece."""
        await self._draft.write(chunk)

    async def finish(self, examine: Callable[[Bytes], T]) -> tuple[bytes, T]:
        """End a body that came in pieces, and send it."""
        digest, examined = await self._draft.finish(examine)
        await self._send(digest)
        return digest, examined

    async def _send(self, digest: bytes) -> None:
        file = self._drafts / self._draft.name
        with self._staging.saying("read", file.name), file.open("rb") as opened:
            head = opened.read(16)
        await self._staging.send(file, labels_of(digest, head))
        self._staged, self._sent_bytes = file.name, self._draft.size_bytes
        await self._draft.discard()

    async def restart(self) -> None:
        """Forget all bytes."""
        await self._unsend()
        await self._draft.restart()

    async def discard(self) -> None:
        """Delete the draft."""
        await self._unsend()
        await self._draft.discard()

    async def _unsend(self) -> None:
        if self._staged:
            staged, self._staged = self._staged, ""
            await self._staging.discard([staged])

    async def keep(self, label: str) -> None:
        """Keep what came so far; one that was sent stays what it is."""
        if not self._staged:
            await self._draft.keep(label)
