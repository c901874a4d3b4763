"""Files among the versions are put on record again, and the record of those that are gone is closed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mirror.archive import Archive, Entry, Inspection
from mirror.archive.names import FOREIGN, VERSIONS
from mirror.asset_ref import AssetNames
from mirror.manifest import Claim, OldVersion, Owner, RebuiltManifest
from mirror.rebuild.findings import Findings
from mirror.records import variants_of

_BATCH = 1000
_REPLACED = re.compile(r"(.+)\.([0-9a-f]{16})((?:\.[^./]+)?)")
_FOREIGN = re.compile(r"(.+)\.[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What the name of a file among the versions says."""

    asset_key: str
    mark: str
    """How the SHA-256 of its bytes begins; empty for what is not ours."""


@dataclass(slots=True, kw_only=True)
class VersionFiles:
    """Brings the record of versions and the files among them together; use it after all assets were adopted."""

    archive: Archive
    manifest: RebuiltManifest
    names: AssetNames
    stamp: str
    findings: Findings

    async def register_all(self) -> None:
        """Forget versions whose files are gone, then put on record what lies there and is not."""
        await self._drop_gone()
        async for entries in self.archive.survey(VERSIONS, batch=_BATCH):
            known = await self.manifest.known_versions([each.key for each in entries if not each.trouble])
            await self._register([each for each in entries if each.key not in known])

    async def _drop_gone(self) -> None:
        after_id = 0
        while rows := await self.manifest.versions(after_id, _BATCH):
            after_id = rows[-1][0]
            sizes = await self.archive.sizes([key for _, key in rows])
            await self.manifest.drop_versions([row[0] for row, size in zip(rows, sizes, strict=True) if size is None])

    async def _register(self, entries: Sequence[Entry]) -> None:
        places = {each.key: None if each.trouble else _place(each.key) for each in entries}
        named = {key: place for key, place in places.items() if place is not None}
        claims = [self._claim(place.asset_key) for place in named.values()]
        owners = dict(zip(named, await self.manifest.owners(claims, self.stamp, variants_of), strict=True))
        found = []
        for key, place in places.items():
            owner = owners.get(key)
            if place is None or not isinstance(owner, Owner) or owner.asset_id is None:
                self.findings.note("unmatched", key, "a version of no asset that is known")
            elif (version := await self._version(key, place, owner.asset_id)) is not None:
                found.append(version)
        self.findings.versions += len(found)
        await self.manifest.add_versions(found)

    def _claim(self, asset_key: str) -> Claim:
        ref = self.names.read(asset_key)
        if ref is None:
            return Claim(key=asset_key)
        return Claim(key=asset_key, race_id=ref.race_id, photo_id=ref.photo_id, variant=ref.variant)

    async def _version(self, key: str, place: _Place, asset_id: int) -> OldVersion | None:
        if not place.mark:
            return OldVersion(asset_id=asset_id, key=key, why="foreign")
        read: Inspection[None] = (await self.archive.inspect([key]))[0]
        if read.sha256 is None or not read.sha256.hex().startswith(place.mark):
            fault = "cannot be read to its end" if read.sha256 is None else "not the bytes that its name promises"
            self.findings.note("damaged", key, fault)
            return None
        return OldVersion(asset_id=asset_id, key=key, why="replaced", size_bytes=read.size_bytes, sha256=read.sha256)


def _place(key: str) -> _Place | None:
    if key.startswith(f"{FOREIGN}/"):
        found = _FOREIGN.fullmatch(key.removeprefix(f"{FOREIGN}/"))
        return _Place(asset_key=found[1], mark="") if found else None
    found = _REPLACED.fullmatch(key.removeprefix(f"{VERSIONS}/"))
    return _Place(asset_key=found[1] + found[3], mark=found[2]) if found else None
