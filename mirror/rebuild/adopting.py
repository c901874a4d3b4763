"""Files of a tree are taken for what assets hold: matched by name, read to the end, hashed, and never touched."""

import logging
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mirror.archive import Archive, Entry
from mirror.archive.names import is_text
from mirror.asset_ref import AssetNames, AssetRef
from mirror.errors import ArchiveError
from mirror.imagecheck import Picture
from mirror.layout import version_key
from mirror.manifest import Claim, Found, Owner, RebuiltManifest
from mirror.model import Content
from mirror.rebuild.findings import Findings, printable
from mirror.rebuild.reading import Read, Reader
from mirror.records import variants_of
from mirror.tally import Tally

log = logging.getLogger(__name__)

_BATCH = 1000
_LITTER = {"thumbs.db", "desktop.ini", "lost+found", "system volume information", "$recycle.bin"}
"""What systems leave in folders by themselves. So is every name that begins with a dot: no key does."""


@dataclass(slots=True, kw_only=True)
class Glance:
    """What the names alone tell of a tree."""

    files: int = 0
    """All but litter."""
    race_days: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Files that name this race and race day."""


def is_litter(key: str) -> bool:
    """Whether a name is none that anybody would miss."""
    return any(part.startswith(".") or part.lower() in _LITTER for part in key.split("/"))


@dataclass(slots=True, kw_only=True)
class Adoption:
    """Goes through a tree and writes down in a manifest what its assets hold.

    Args:
        own: Keys of our own files that lie between the photos, such as the configuration.
        stamp: When this rebuild began, as the manifest writes moments.
        reader: Reads the files that may be what an asset holds.
    """

    archive: Archive
    manifest: RebuiltManifest
    names: AssetNames
    tally: Tally
    stamp: str
    reader: Reader
    own: frozenset[str] = frozenset()
    findings: Findings = field(default_factory=Findings)
    folders: set[tuple[str, ...]] = field(default_factory=lambda: {()})
    """Where adopted files lie, from the root on."""
    race_folders: Counter[tuple[int, str]] = field(default_factory=Counter)
    day_folders: Counter[tuple[int, int, str]] = field(default_factory=Counter)

    async def glance(self) -> Glance:
        """Read every name once."""
        glance = Glance()
        async for entries in self.archive.survey():
            for each in entries:
                if self._is_ours_to_judge(each):
                    glance.files += 1
                    ref = None if each.trouble else self.names.read(each.key)
                    if ref is not None and ref.race_day_id is not None:
                        glance.race_days[ref.race_id, ref.race_day_id] += 1
        return glance

    def _is_ours_to_judge(self, entry: Entry) -> bool:
        return not is_litter(entry.key) and entry.key not in self.own

    async def adopt_all(self) -> None:
        """Match every file, read what matches, and write down what it means; then want again what was not found.

        Raises:
            ArchiveError: A folder with stored files cannot be looked into, or the disk fails altogether.
        """
        async for entries in self.archive.survey(batch=_BATCH):
            await self._adopt_batch([each for each in entries if self._is_ours_to_judge(each)])
        await self._lose_rest()
        await self._freeze()
        await self.archive.flush_folders(self.folders)

    async def _adopt_batch(self, entries: Sequence[Entry]) -> None:
        for each in entries:
            if each.trouble:
                await self._note_trouble(each)
        readable = [each for each in entries if not each.trouble]
        claims = [_claim(each.key, self.names.read(each.key)) for each in readable]
        owners = await self.manifest.owners(claims, self.stamp, variants_of)
        pairs = await self._candidates([each.key for each in readable], owners)
        inspected = await self.reader.read_all([key for key, _ in pairs], {each.key: each for each in readable})
        await self._judge(pairs, inspected)
        self.tally.stored += len(entries) - len(pairs)

    async def _note_trouble(self, entry: Entry) -> None:
        if is_text(entry.key) and await self.manifest.has_keys_below(entry.key):
            raise ArchiveError(
                f"{self.archive.place}: cannot look into {printable(entry.key)}, where stored files should lie: "
                f"{entry.trouble}"
            )
        self.findings.note("unmatched", entry.key, entry.trouble)

    async def _candidates(self, keys: Sequence[str], owners: Sequence[Owner | str]) -> list[tuple[str, Owner]]:
        """Files that may be what an asset holds: the one under its key, else any that has its name."""
        pairs: list[tuple[str, Owner]] = []
        elsewhere: list[tuple[str, Owner]] = []
        for key, owner in zip(keys, owners, strict=True):
            if isinstance(owner, str):
                self.findings.note("unmatched", key, owner)
            elif owner.is_verified:
                self._note_second(key, owner.key or "")
            elif owner.key is None or owner.key == key:
                pairs.append((key, owner))
            else:
                elsewhere.append((key, owner))
        sizes = await self.archive.sizes([owner.key or "" for _, owner in elsewhere])
        for (key, owner), size in zip(elsewhere, sizes, strict=True):
            if size is None:
                pairs.append((key, owner))
            elif _folded(key) == _folded(owner.key or "") and owner.key not in keys:
                # A disk that writes names in its own way: this is the file on record.
                pairs.append((owner.key or "", owner))
            else:
                self._note_second(key, owner.key or "")
        return sorted(pairs, key=lambda pair: pair[0])

    def _note_second(self, key: str, first: str) -> None:
        self.findings.note("unmatched", key, f"its asset holds {first}", group="a second file of the same asset")

    async def _judge(self, pairs: Sequence[tuple[str, Owner]], inspected: Sequence[Read]) -> None:
        """Sort what was read into held, replaced, damaged and second files, and write it down."""
        held: dict[tuple[int, str], Found] = {}
        lost: list[int] = []
        for (key, owner), found in zip(pairs, inspected, strict=True):
            at = (owner.photo_no, owner.variant)
            if at in held:
                self._note_second(key, held[at].key)
            elif found.picture is not None and await self._is_believable(owner, found):
                held[at] = _found(owner, found, found.picture)
                self._count(held[at], self.names.read(key))
            else:
                self.findings.note("damaged", key, found.fault or _OTHER_BYTES, group=found.group)
                if owner.asset_id is not None and owner.sha256 is not None and owner.key == key:
                    lost.append(owner.asset_id)
        await self.manifest.lose(lost, "damaged")
        await self.manifest.adopt(list(held.values()), self.stamp, variants_of)

    async def _is_believable(self, owner: Owner, found: Read) -> bool:
        """Whether these bytes can be the asset's: those on record, or newer ones that replaced them.

        Where other bytes are on record a whole picture is not enough: a flipped bit leaves it whole. But where the
        recorded ones lie among the versions, it was a sync that put others in their place.
        """
        if owner.sha256 is None or owner.sha256 == found.sha256:
            return True
        kept = await self.archive.sizes([version_key(owner.key or "", owner.sha256.hex())])
        return kept != [None]

    def _count(self, found: Found, ref: AssetRef | None) -> None:
        findings = self.findings
        findings.held_bytes += found.content.size_bytes
        if found.is_known:
            findings.known += 1
            findings.moved += found.owner.key != found.key
        else:
            findings.adopted += 1
            findings.adopted_bytes += found.content.size_bytes
        parts = tuple(found.key.split("/"))
        self.folders.update(parts[:depth] for depth in range(1, len(parts)))
        if ref is not None and ref.race_folder is not None:
            self.race_folders[ref.race_id, ref.race_folder] += 1
        if ref is not None and ref.race_day_folder is not None and ref.race_day_id is not None:
            self.day_folders[ref.race_id, ref.race_day_id, ref.race_day_folder] += 1

    async def _lose_rest(self) -> None:
        """Want again what is on record and was not found."""
        after_id = 0
        while rows := await self.manifest.not_found(self.stamp, after_id, _BATCH):
            after_id = rows[-1][0]
            for _, key in rows:
                log.info("%s: on record as stored, but not there", printable(key))
            self.findings.vanished += len(rows)
            await self.manifest.lose([asset_id for asset_id, _ in rows], "vanished")
            await self.manifest.forget_keys([asset_id for asset_id, key in rows if self._is_deserted(key)])

    def _is_deserted(self, key: str) -> bool:
        """Whether the folders on record have other names by now: what is fetched again belongs with the others."""
        ref = self.names.read(key)
        if ref is None:
            return False
        races = {folder for race_id, folder in self.race_folders if race_id == ref.race_id}
        days = {folder for *day, folder in self.day_folders if day == [ref.race_id, ref.race_day_id]}
        return bool(races and ref.race_folder not in races) or bool(days and ref.race_day_folder not in days)

    async def _freeze(self) -> None:
        """New files shall join those that are there, whatever their folders are called by now."""
        races, days = await self.manifest.folders()
        found_races: dict[int, dict[str, int]] = {}
        for (race_id, folder), count in self.race_folders.items():
            found_races.setdefault(race_id, {})[folder] = count
        found_days: dict[tuple[int, int], dict[str, int]] = {}
        for (race_id, race_day_id, folder), count in self.day_folders.items():
            found_days.setdefault((race_id, race_day_id), {})[folder] = count
        await self.manifest.freeze(
            {race_id: _fullest(found, races.get(race_id)) for race_id, found in found_races.items()},
            {day: _fullest(found, days.get(day)) for day, found in found_days.items()},
        )


_OTHER_BYTES = "a whole picture, but not the one that was stored"


def _folded(key: str) -> str:
    return unicodedata.normalize("NFC", key).casefold()


def _claim(key: str, ref: AssetRef | None) -> Claim:
    if ref is None:
        return Claim(key=key)
    return Claim(key=key, race_id=ref.race_id, photo_id=ref.photo_id, variant=ref.variant)


def _found(owner: Owner, read: Read, picture: Picture) -> Found:
    return Found(
        owner=owner,
        key=read.key,
        content=Content(
            size_bytes=read.size_bytes,
            sha256=read.sha256,
            extension=picture.extension,
            width_px=picture.width_px,
            height_px=picture.height_px,
            taken_at=picture.taken_at,
        ),
        stored_at=datetime.fromtimestamp(max(read.modified_ts, 0.0), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _fullest(found: dict[str, int], recorded: str | None) -> str:
    """The folder on record if files lie in it, else the one with most of them."""
    if recorded in found:
        return recorded
    return min(found, key=lambda folder: (-found[folder], folder))
