"""Are objects what they should be, without reading them: by listings, and by labels where a listing does not do."""

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Never

from mirror.archive import names
from mirror.archive.nouns import Expected, Inspection
from mirror.archive.objects.facts import ObjectFacts
from mirror.archive.objects.labels import sha256_in
from mirror.archive.objects.parallel import for_each
from mirror.archive.objects.shelf import Shelf
from mirror.errors import AbsentError

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket

MOST = 2000
"""So many at a time cost two or three listings, where they lie side by side."""
_CLOCKS_AGREE_S = 900.0
"""Stores refuse a caller whose clock differs by more. Source: Amazon S3, RequestTimeTooSkewed."""
_WORTH = 16
"""Objects that one page of a listing must settle to be worth its price, and its time, in single questions."""


class Glancer:
    """Compares objects with what is expected of them.

    An object never changes, it is only replaced, and then its time is a new one. So one that was not replaced since
    it was known to be right needs no question of its own, and a listing tells size and time of a thousand.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._bucket: Bucket = shelf.bucket

    async def glance(self, files: Sequence[Expected]) -> list[Inspection[Never]]:
        """Look at objects, in order."""
        there = await self.find(sorted({each.key for each in files}))
        return await for_each(files, partial(self._judge, there))

    async def _judge(self, there: dict[str, ObjectFacts], file: Expected) -> Inspection[Never]:
        facts = there.get(file.key)
        if facts is None:
            return Inspection(is_there=False, is_read=False)
        digest = None
        if file.sha256 is not None and facts.size_bytes == file.size_bytes:
            if file.right_ts is not None and facts.modified_ts <= file.right_ts + _CLOCKS_AGREE_S:
                digest = file.sha256
            else:
                return await self._ask(file)
        return Inspection(is_there=True, size_bytes=facts.size_bytes, sha256=digest, is_read=False)

    async def _ask(self, file: Expected) -> Inspection[Never]:
        """Look at the label of one object; one that somebody put there without is read."""
        try:
            facts = await self._bucket.head(file.key)
            if (digest := sha256_in(facts.labels)) is not None:
                return Inspection(is_there=True, size_bytes=facts.size_bytes, sha256=digest, is_read=False)
            size_bytes, digest = await self._shelf.read_back(file.key)
        except AbsentError:
            return Inspection(is_there=False, is_read=False)
        return Inspection(is_there=True, size_bytes=size_bytes, sha256=digest)

    async def find(self, keys: Sequence[str]) -> dict[str, ObjectFacts]:
        """Find objects, by listing from the first to the last while they lie close enough, else one by one."""
        for key in keys:
            names.split_key(key)
        found: dict[str, ObjectFacts] = {}
        rest = keys
        if len(keys) > _WORTH:
            first = keys[0][:-1]
            # What a key begins with comes before it.
            listing = self._bucket.list_below(_common_folder(keys), after="" if first.endswith("/") else first)
            async with contextlib.aclosing(listing) as pages:
                count = 0
                async for page in pages:
                    count += 1
                    found |= {each.key: each for each in page}
                    rest = [key for key in keys if key > page[-1].key]
                    if not rest or len(keys) - len(rest) < count * _WORTH:
                        break
                else:
                    rest = ()
        return found | {each.key: each for each in await for_each(rest, self._bucket.find) if each is not None}


def _common_folder(keys: Sequence[str]) -> str:
    """The deepest folder that all of these lie in; of keys in order the first and the last say it."""
    parts = []
    for one, other in zip(keys[0].split("/")[:-1], keys[-1].split("/")[:-1], strict=False):
        if one != other:
            break
        parts.append(one)
    return "/".join(parts)
