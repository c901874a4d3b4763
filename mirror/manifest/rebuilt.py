"""The manifest while it is made again: the writing face with what only a rebuild does."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mirror.manifest import adoption, tree_rows
from mirror.manifest.adoption import Claim, Found, Owner, VariantsOf
from mirror.manifest.snapshot import place_of, write_snapshot
from mirror.manifest.store import Manifest
from mirror.manifest.tree_rows import OldVersion


class RebuiltManifest(Manifest):
    """A manifest that nobody relies on yet; each method is one transaction, as everywhere."""

    async def begin_rebuild(
        self, *, archive_id: str | None, forgotten: Sequence[tuple[int, int, str]], stamp: str
    ) -> None:
        """Take the tree's id, and the photos that were forgotten on request.

        Args:
            archive_id: What the tree carries; None leaves the manifest its own.
            forgotten: Race id, photo id, and when.
            stamp: When this rebuild began: assets with this ``verified_at`` are done.
        """
        await self._write(adoption.begin, archive_id, forgotten, stamp)

    async def snapshot_as(self, to: Path, *, path: Path) -> None:
        """Copy the manifest to another file, as the snapshot of the one that it will be under its path."""
        await self._run(partial(write_snapshot, self._ledger.connection, to, of=place_of(path)))

    async def owners(self, claims: Sequence[Claim], stamp: str, variants_of: VariantsOf) -> list[Owner | str]:
        """For each file the asset it belongs to, or why there is none."""
        return await self._read(adoption.owners, claims, stamp, variants_of)

    async def has_keys_below(self, folder: str) -> bool:
        """Whether any asset is on record as lying below a folder."""
        return await self._read(adoption.has_keys_below, folder)

    async def adopt(self, found: Sequence[Found], stamp: str, variants_of: VariantsOf) -> None:
        """Write down what assets hold."""
        await self._write(adoption.adopt, found, stamp, variants_of)

    async def lose(self, asset_ids: Sequence[int], why: str) -> None:
        """Want again what was on record as held: vanished, damaged."""
        await self._write(adoption.lose, asset_ids, why)

    async def forget_keys(self, asset_ids: Sequence[int]) -> None:
        """Let assets that hold nothing be named anew when they are stored again."""
        await self._write(adoption.forget_keys, asset_ids)

    async def not_found(self, stamp: str, after_id: int, limit: int) -> list[tuple[int, str]]:
        """Assets with a higher id, on record as held, whose bytes were not found: id and key."""
        return await self._read(adoption.not_found, stamp, after_id, limit)

    async def count_all_wanted(self) -> int:
        """How many assets are wanted, selected or not."""
        return await self._read(adoption.count_wanted)

    async def folders(self) -> tuple[dict[int, str], dict[tuple[int, int], str]]:
        """The folders on record, by race, and by race and race day."""
        return await self._read(tree_rows.folders)

    async def freeze(self, races: dict[int, str], race_days: dict[tuple[int, int], str]) -> None:
        """Remember under which names the folders of races and race days lie there."""
        await self._write(tree_rows.freeze, races, race_days)

    async def known_versions(self, keys: Sequence[str]) -> set[str]:
        """Those of the files among the versions that are on record."""
        return await self._read(tree_rows.known_versions, keys)

    async def add_versions(self, found: Sequence[OldVersion]) -> None:
        """Put files among the versions on record again."""
        await self._write(tree_rows.add_versions, found)

    async def versions(self, after_id: int, limit: int) -> list[tuple[int, str]]:
        """Versions on record with a higher id: id and key."""
        return await self._read(tree_rows.versions, after_id, limit)

    async def distrust_listings(self, why: str) -> None:
        """Make the next pass of every race day full."""
        await self._write(tree_rows.distrust_listings, why)
