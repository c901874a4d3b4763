"""Giving checked drafts their keys in a bucket: conditional, whole, and nothing is lost that lay there."""

import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from mirror.archive import names
from mirror.archive.disk import READ_FLAGS
from mirror.archive.growing import mapped
from mirror.archive.objects.facts import ObjectFacts
from mirror.archive.objects.labels import labels_of, sha256_in
from mirror.archive.objects.parallel import for_each
from mirror.archive.objects.shelf import Shelf
from mirror.archive.objects.staging import Staging
from mirror.archive.seam import KeptDraft, Publication
from mirror.errors import ArchiveError, ChangedError, OccupiedError

_LARGE_BYTES = 32 * 1024 * 1024
"""Above, a body goes in parts to a draft in the bucket, and gets its key by a copy there."""
_TRIES = 5


class Publisher:
    """Brings drafts under their keys, several at once.

    Args:
        drafts: The folder of drafts on this machine.
    """

    def __init__(self, shelf: Shelf, staging: Staging, drafts: Path) -> None:
        self._shelf = shelf
        self._bucket = shelf.bucket
        self._staging = staging
        self._drafts = drafts

    async def publish(self, group: Sequence[Publication]) -> list[tuple[str, str]]:
        """Put all; says what foreign things had to be moved."""
        for each in group:
            if names.is_state(each.key) or not names.is_draft(each.draft):
                raise ArchiveError(f"no key for an asset, or no draft: {each.key!r}, {each.draft!r}")
            if each.keep_as is not None and not each.keep_as.startswith(names.VERSIONS + "/"):
                raise ArchiveError(f"no key for a version: {each.keep_as!r}")
            names.split_key(each.key)
        staged = set(await self._staging.staged_among([each.draft for each in group]))
        moved = await for_each(group, lambda each: self._publish(each, is_staged=each.draft in staged))
        return [pair for pairs in moved for pair in pairs]

    async def _publish(self, each: Publication, *, is_staged: bool) -> list[tuple[str, str]]:
        draft = names.parse_draft(each.draft, 0)
        if draft is None or draft.sha256 is None:
            raise ArchiveError(f"not a checked draft: {each.draft!r}")
        moved: list[tuple[str, str]] = []
        there = await self._bucket.find(each.key) if each.is_ours_there else None
        if there is not None and each.keep_as is not None:
            if await self._is_as_recorded(each, there):
                moved += await self._keep(each.key, there, each.keep_as)
            else:
                moved.append((each.key, await self._move_away(each.key)))
        if not is_staged and draft.size_bytes <= _LARGE_BYTES:
            moved += await self._give_key(each, draft, there, partial(self._put, each, draft))
            return moved
        if not is_staged:
            await self._stage(each, draft.sha256)
        moved += await self._give_key(each, draft, there, partial(self._copy_in, each, draft))
        await self._staging.discard([each.draft])
        return moved

    async def _give_key(
        self, each: Publication, draft: KeptDraft, there: ObjectFacts | None, write: Callable[..., Awaitable[None]]
    ) -> list[tuple[str, str]]:
        """Write until it is there, each time only over what was seen; says what had to be moved."""
        moved: list[tuple[str, str]] = []
        for _ in range(_TRIES):
            try:
                await write(there)
            except (OccupiedError, ChangedError):
                there = await self._bucket.find(each.key)
                if there is None:
                    continue
                if await self._shelf.holds(there, draft.size_bytes, draft.sha256 or b""):
                    return moved  # an earlier try arrived, and only its answer was lost
                moved.append((each.key, await self._move_away(each.key)))
            else:
                return moved
        raise ArchiveError(f"{self._bucket.place}: cannot store {each.key}: somebody else keeps writing it")

    async def _put(self, each: Publication, draft: KeptDraft, there: ObjectFacts | None) -> None:
        with self._body(each.draft, draft.size_bytes) as body:
            labels = labels_of(draft.sha256 or b"", body[:16], photo_id=each.photo_id, bibs=each.bibs)
            etag = there.etag if there is not None else None
            await self._bucket.put(each.key, body, labels=labels, is_new=there is None, if_etag=etag)

    async def _stage(self, each: Publication, sha256: bytes) -> None:
        with (self._drafts / each.draft).open("rb") as file:
            labels = labels_of(sha256, file.read(16), photo_id=each.photo_id, bibs=each.bibs)
        await self._staging.send(self._drafts / each.draft, labels)

    async def _copy_in(self, each: Publication, draft: KeptDraft, there: ObjectFacts | None) -> None:
        """Copy to the key, if what lies there is what was seen: not every store heeds a condition on a copy.

        Raises:
            OccupiedError: Something else lies there.
        """
        key = each.key
        found = await self._bucket.find(key)
        if (found and found.etag) != (there and there.etag):
            raise OccupiedError(f"{self._bucket.place}: {key} is not what it was")
        await self._bucket.copy(self._staging.key(each.draft), key, is_new=found is None, size_bytes=draft.size_bytes)
        # A store may answer a copy with a good status and an error behind it.
        copied = await self._bucket.head(key)
        if copied.size_bytes != draft.size_bytes:
            raise OccupiedError(f"{self._bucket.place}: {key} has {copied.size_bytes:,} bytes after a copy")

    @contextlib.contextmanager
    def _body(self, name: str, size_bytes: int) -> Iterator[bytes]:
        with self._staging.saying("read", name):
            descriptor = os.open(self._drafts / name, READ_FLAGS)
        try:
            with mapped(descriptor, size_bytes) as body:
                yield body  # type: ignore[misc]  # a map is as good as bytes to whoever only reads
        finally:
            os.close(descriptor)

    # -- what lay there -----------------------------------------------------------------------------------------

    async def _is_as_recorded(self, each: Publication, there: ObjectFacts) -> bool:
        """Whether the bytes to be kept are still what they were: no version may claim their hash otherwise."""
        return each.sha256_there is None or (await self._shelf.read_back(there.key))[1] == each.sha256_there

    async def _keep(self, key: str, ours: ObjectFacts, version: str) -> list[tuple[str, str]]:
        """Copy what is replaced; what lies under the version's name and is something else gives way."""
        moved = []
        kept = await self._bucket.find(version)
        if kept is not None:
            digest = sha256_in(ours.labels)
            if digest is not None and await self._shelf.holds(kept, ours.size_bytes, digest):
                return []
            moved.append((version, await self._move_away(version)))
        await self._bucket.copy(key, version, is_new=False, size_bytes=ours.size_bytes)
        return moved

    async def _move_away(self, key: str) -> str:
        """Copy what is not ours where nothing overwrites it; the caller replaces it then, if nobody touched it."""
        place = f"{names.FOREIGN}/{key.removeprefix(names.VERSIONS + '/')}.{secrets.token_hex(4)}"
        await self._bucket.copy(key, place, is_new=False)
        return place
