"""Our own files in a bucket: which archive it is, and the manifest's snapshot, which one machine writes at a time."""

import asyncio
import hashlib
import mmap
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.archive import names
from mirror.archive.disk import in_plain_words
from mirror.archive.neighbour import new_file, writing
from mirror.archive.objects.labels import SHA256, sha256_in
from mirror.errors import AbsentError, ArchiveError, ChangedError, ManifestError, OccupiedError

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket

_ID = f"{names.STATE}/archive-id"
_CLUSTER = f"{names.STATE}/cluster-token"
_README = f"{names.STATE}/README.txt"
_LARGE_BYTES = 5 * 10**9
"""S3 takes no more in one request; of several, none can be made to depend on what lies there."""
_ABOUT = b"""\
What lies below .mirror belongs to the program `mirror`, which made the tree of photos around it.
  manifest.sqlite   a copy of the manifest: what is wanted and stored, with all that the source said of it
  drafts            bytes on their way to their names
  versions          earlier bytes of files that the source replaced, and what lay in the way of files
  archive-id        which manifest this tree belongs to
"""


class OwnFiles:
    """Sends and fetches our own files, and notices when another machine has done so.

    Args:
        folder: Where they lie on this machine. ``NAME.sent`` beside each says what this machine last sent, or was
            about to send when it was killed.
    """

    def __init__(self, bucket: "Bucket", folder: Path) -> None:
        self._bucket = bucket
        self.folder = folder

    async def read_id(self) -> str | None:
        """Read the archive's id."""
        return await self._read(_ID)

    async def _read(self, key: str) -> str | None:
        try:
            body, _ = await self._bucket.get(key)
        except AbsentError:
            return None
        return body.decode("utf-8", "replace").strip() or None

    async def read_token(self) -> str | None:
        """Read what the client of a cluster left for its workers."""
        return await self._read(_CLUSTER)

    async def write_token(self, token: str | None) -> None:
        """Leave it, or take it away."""
        if token is None:
            await self._bucket.delete([_CLUSTER])
        else:
            await self._bucket.put(_CLUSTER, f"{token}\n".encode())

    async def write_id(self, archive_id: str) -> None:
        """Write the archive's id, if none is there.

        Raises:
            ManifestError: Another archive was begun there at the same moment.
        """
        try:
            await self._bucket.put(_ID, f"{archive_id}\n".encode(), is_new=True)
        except OccupiedError:
            if (found := await self.read_id()) != archive_id:
                raise ManifestError(f"{self._bucket.place}: another archive ({found}) was begun here") from None
        await self._bucket.put(_README, _ABOUT)

    async def is_current(self, name: str) -> bool:
        """Whether the file in the bucket is what this machine last saw there; also where there is none."""
        there = await self._bucket.find(f"{names.STATE}/{name}")
        return there is None or sha256_in(there.labels) in await asyncio.to_thread(self._seen, name)

    async def send(self, name: str) -> None:
        """Put a file of this machine into the bucket, unless it lies there already."""
        key, file = f"{names.STATE}/{name}", self.folder / name
        digest, size_bytes = await asyncio.to_thread(_measure, file)
        there = await self._bucket.find(key)
        found = None if there is None else sha256_in(there.labels)
        if there is not None and found == digest:
            await asyncio.to_thread(self._see, name, [digest])
            return
        if there is not None and found not in await asyncio.to_thread(self._seen, name):
            raise ManifestError(self._told(name))
        # Known before it is sent: if the answer is lost, or we are killed, we know it again.
        await asyncio.to_thread(self._see, name, [digest, *([found] if found else [])])
        labels = {SHA256: digest.hex()}
        if size_bytes > _LARGE_BYTES:
            await self._bucket.put_file(key, file, labels=labels)
        else:
            etag = None if there is None else there.etag
            await self._put(name, await asyncio.to_thread(_mapped, file), labels, etag)
        await asyncio.to_thread(self._see, name, [digest])

    async def _put(self, name: str, body: mmap.mmap, labels: dict[str, str], etag: str | None) -> None:
        key = f"{names.STATE}/{name}"
        try:
            await self._bucket.put(key, body, labels=labels, is_new=etag is None, if_etag=etag)
        except (OccupiedError, ChangedError):
            there = await self._bucket.find(key)
            if there is None or there.labels.get(SHA256) != labels[SHA256]:
                raise ManifestError(self._told(name)) from None

    async def fetch(self, name: str) -> bool:
        """Bring a file from the bucket to this machine; says whether there is one."""
        key = f"{names.STATE}/{name}"
        if await self._bucket.find(key) is None:
            return False
        with new_file(self.folder / name) as file:

            def take(piece: bytes) -> None:
                # In our words here: the bucket would take it for the store's refusal, and ask again.
                with writing(self.folder / name):
                    file.write(piece)

            facts = await self._bucket.read(key, take)
        digest, _ = await asyncio.to_thread(_measure, self.folder / name)
        if sha256_in(facts.labels) not in {None, digest}:
            raise ArchiveError(f"{self._bucket.place}: {key} is not what was put there: it is damaged")
        await asyncio.to_thread(self._see, name, [digest])
        return True

    def _told(self, name: str) -> str:
        return (
            f"{self._bucket.place}: another machine has left its {name} here since this one last did: let one machine "
            "at a time write an archive. 'mirror rebuild' goes on from what lies there"
        )

    def _seen(self, name: str) -> set[bytes | None]:
        try:
            return {bytes.fromhex(line) for line in (self.folder / f"{name}.sent").read_text("ascii").split()}
        except FileNotFoundError:
            return set()
        except (OSError, ValueError) as error:
            raise ArchiveError(f"{self.folder / name}.sent: cannot be read: {error}") from None

    def _see(self, name: str, digests: list[bytes]) -> None:
        with new_file(self.folder / f"{name}.sent") as file:
            file.write("\n".join(each.hex() for each in digests).encode())


def _mapped(file: Path) -> mmap.mmap:
    """Map a file, so that a manifest of a million photos needs no memory of this process.

    It is not closed, but let go: a request that was cancelled may hold it for a moment longer.
    """
    with file.open("rb") as opened:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)


def _measure(file: Path) -> tuple[bytes, int]:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").digest(), opened.tell()
    except OSError as error:
        raise ArchiveError(f"{file}: cannot be read: {in_plain_words(error)}") from error
