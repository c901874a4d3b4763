"""A bucket as the fleet sees it: small objects, each written over what was seen or not at all."""

import asyncio
import secrets
from typing import TYPE_CHECKING

from mirror.errors import AbsentError, ArchiveError, ChangedError, ConfigError, OccupiedError
from mirror.fleet.claims import Found

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket

_IGNORED = "this store ignores conditions on what it writes (If-None-Match, If-Match): --fleet is not safe on it"


class BucketObjects:
    """Objects below the root of a fleet."""

    def __init__(self, bucket: "Bucket") -> None:
        self.bucket = bucket

    async def get(self, name: str) -> Found | None:
        """Read one; None where there is none."""
        try:
            body, facts = await self.bucket.get(name)
        except AbsentError:
            return None
        return Found(body=body, version=facts.etag, modified_ts=facts.modified_ts)

    async def put(self, name: str, body: bytes, *, over: str | None) -> str | None:
        """Write one over the version that was seen, or where none is."""
        try:
            return await self.bucket.put(name, body, is_new=over is None, if_etag=over)
        except (OccupiedError, ChangedError, AbsentError):
            return None

    async def delete(self, name: str) -> None:
        """Delete one."""
        await self.bucket.delete([name])

    async def probe(self) -> float:
        """See whether the store heeds conditions, and what its clock shows.

        Returns:
            Unix seconds, of a moment that has just passed.
        Raises:
            ConfigError: It does not: two machines would both believe that they hold a lease.
            ArchiveError: It cannot be asked.
        """
        name = f"fleet/probe-{secrets.token_hex(8)}"
        version = await self.put(name, b"1", over=None)
        try:
            found = await self.get(name)
            if version is None or found is None:
                raise ArchiveError(f"{self.bucket.place}: {name} was written and is not there")
            answers = await asyncio.gather(
                self.put(name, b"2", over=None), self.put(name, b"3", over=f'"{secrets.token_hex(16)}"')
            )
            if any(each is not None for each in answers):
                raise ConfigError(f"{self.bucket.place}: {_IGNORED}")
            return found.modified_ts
        finally:
            await self.delete(name)
