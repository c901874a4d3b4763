"""Does a store keep its promises? Asked once, before anything rests on it."""

import secrets
from typing import TYPE_CHECKING

from mirror.archive import names
from mirror.errors import ArchiveError, ChangedError, OccupiedError

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket


async def try_store(bucket: "Bucket") -> None:
    """Find out now whether the store takes objects, heeds conditions, and deletes: everything else rests on that."""
    key = f"{names.STATE}/trial-{secrets.token_hex(8)}"
    etag = await bucket.put(key, b"first", is_new=True)
    try:
        for condition in ({"is_new": True}, {"if_etag": f'"{secrets.token_hex(16)}"'}):
            try:
                await bucket.put(key, b"second", **condition)
            except (OccupiedError, ChangedError):
                continue
            raise ArchiveError(
                f"{bucket.place}: this store replaces objects although a condition forbids it (If-None-Match, "
                "If-Match): nothing would be safe in it"
            )
    finally:
        await bucket.delete([key])
    if not etag:
        raise ArchiveError(f"{bucket.place}: this store gives its objects no ETag")
