"""Files of a tree become what assets hold: whose a file is, and what its bytes mean for that asset."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mirror.manifest import recording
from mirror.manifest.changes import FRESH_START
from mirror.manifest.ledger import Ledger
from mirror.manifest.selection import want_new
from mirror.manifest.text import id_list, now_text
from mirror.model import Content, Variant

VariantsOf = Callable[[str], tuple[Variant, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A file, and what its name says of it."""

    key: str
    race_id: int | None = None
    """None: its name says nothing."""
    photo_id: int = 0
    variant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The asset that a file belongs to, as the manifest has it."""

    photo_no: int
    variant: str
    asset_id: int | None = None
    """None: nobody wanted this variant so far; adopting the file makes its row."""
    key: str | None = None
    sha256: bytes | None = None
    """Of the bytes that it is known to hold."""
    is_verified: bool = False
    """Whether this rebuild has found its bytes already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A whole picture that an asset holds from now on."""

    owner: Owner
    key: str
    content: Content
    stored_at: str

    @property
    def is_known(self) -> bool:
        """Whether these very bytes were on record."""
        return self.owner.sha256 == self.content.sha256


# -- whose is it ----------------------------------------------------------------------------------------------------


def owners(ledger: Ledger, claims: Sequence[Claim], stamp: str, variants_of: VariantsOf) -> list[Owner | str]:
    """Find for each file the asset it belongs to, by its key, else by what its name says; or say why there is none."""
    by_key = _owners_by_key(ledger, [each.key for each in claims], stamp)
    by_ref = _owners_by_ref(ledger, [each for each in claims if each.key.lower() not in by_key], stamp, variants_of)
    return [by_key.get(each.key.lower()) or by_ref.get(each.key) or "its name names no photo" for each in claims]


_COLUMNS = "a.asset_id, a.photo_no, a.variant, a.key, a.sha256, a.verified_at IS :stamp"


def _owner(row: tuple[int, int, str, str | None, bytes | None, int]) -> Owner:
    asset_id, photo_no, variant, key, sha256, is_verified = row
    return Owner(
        asset_id=asset_id, photo_no=photo_no, variant=variant, key=key, sha256=sha256, is_verified=bool(is_verified)
    )


def _owners_by_key(ledger: Ledger, keys: Sequence[str], stamp: str) -> dict[str, Owner]:
    rows = ledger.connection.execute(
        f"SELECT {_COLUMNS} FROM json_each(:keys) AS each CROSS JOIN asset AS a ON a.key = each.value",  # noqa: S608
        {"keys": json.dumps(keys), "stamp": stamp},
    )
    # The column compares without case, in ASCII alone.
    return {(owner.key or "").lower(): owner for owner in map(_owner, rows)}


def _owners_by_ref(
    ledger: Ledger, claims: Sequence[Claim], stamp: str, variants_of: VariantsOf
) -> dict[str, Owner | str]:
    photos: dict[tuple[int, int], int] = {}
    for race_id in {each.race_id for each in claims if each.race_id is not None}:
        rows = ledger.connection.execute(
            "SELECT photo_id, photo_no FROM photo WHERE race_id = ? AND photo_id IN (SELECT value FROM json_each(?))",
            (race_id, id_list(each.photo_id for each in claims if each.race_id == race_id)),
        )
        photos |= {(race_id, photo_id): photo_no for photo_id, photo_no in rows}
    assets = _assets_of(ledger, photos.values(), stamp)
    found: dict[str, Owner | str] = {}
    for each in claims:
        if each.race_id is None:
            continue
        photo_no = photos.get((each.race_id, each.photo_id))
        if photo_no is None:
            found[each.key] = _no_photo(ledger, each.race_id)
        else:
            asset = assets.get((photo_no, each.variant))
            found[each.key] = asset or _unwanted(ledger, photo_no, each.variant, variants_of)
    return found


def _assets_of(ledger: Ledger, photo_nos: Iterable[int], stamp: str) -> dict[tuple[int, str], Owner]:
    rows = ledger.connection.execute(
        f"SELECT {_COLUMNS} FROM asset AS a WHERE a.photo_no IN (SELECT value FROM json_each(:ids))",  # noqa: S608
        {"ids": id_list(photo_nos), "stamp": stamp},
    )
    return {(owner.photo_no, owner.variant): owner for owner in map(_owner, rows)}


def _no_photo(ledger: Ledger, race_id: int) -> str:
    has_photos = ledger.connection.execute(
        "SELECT EXISTS (SELECT 1 FROM photo WHERE race_id = ?)", (race_id,)
    ).fetchone()[0]
    return "its photo is not listed" if has_photos else f"no photos of race {race_id} are known: is it configured?"


def _unwanted(ledger: Ledger, photo_no: int, variant: str, variants_of: VariantsOf) -> Owner | str:
    """A variant that is not configured may lie there all the same, from times when it was."""
    record: str = ledger.connection.execute("SELECT json FROM photo_json WHERE photo_no = ?", (photo_no,)).fetchone()[0]
    if any(each.name == variant for each in variants_of(record)):
        return Owner(photo_no=photo_no, variant=variant)
    return "its photo is not offered in this variant"


def has_keys_below(ledger: Ledger, folder: str) -> bool:
    """Whether any asset is on record as lying below a folder."""
    query = "SELECT EXISTS (SELECT 1 FROM asset WHERE key >= ? AND key < ?)"  # '0' follows '/'
    return bool(ledger.connection.execute(query, (f"{folder}/", f"{folder}0")).fetchone()[0])


# -- what it holds --------------------------------------------------------------------------------------------------


def begin(ledger: Ledger, archive_id: str | None, forgotten: Sequence[tuple[int, int, str]], stamp: str) -> None:
    """Make the manifest that of the tree, and take over which photos were forgotten on request."""
    run = ledger.connection
    if archive_id is not None:
        run.execute("UPDATE archive SET archive_id = ?", (archive_id,))
        ledger.archive_id = archive_id
    run.executemany("INSERT OR IGNORE INTO tombstone (race_id, photo_id, forgotten_at) VALUES (?, ?, ?)", forgotten)
    run.execute("UPDATE asset SET verified_at = NULL WHERE verified_at = ?", (stamp,))


def adopt(ledger: Ledger, found: Sequence[Found], stamp: str, variants_of: VariantsOf) -> None:
    """Write down what assets hold.

    Bytes that were on record leave the asset in its state: newer ones may be wanted. Any others are taken for what
    the source shows now, though nobody saw where they came from.
    """
    run = ledger.connection
    known = [(each.key, stamp, each.owner.asset_id) for each in found if each.is_known]
    run.executemany("UPDATE asset SET key = ?, verified_at = ? WHERE asset_id = ?", known)
    new = [(each, _asset_id(ledger, each.owner, variants_of)) for each in found if not each.is_known]
    run.executemany(
        f"UPDATE asset SET state = 'stored', wanted_no = NULL, {FRESH_START}, key = ?, stored_url = NULL, "  # noqa: S608
        "size_bytes = ?, sha256 = ?, width_px = ?, height_px = ?, taken_at = ?, etag = NULL, last_modified = NULL, "
        "stored_at = ?, verified_at = ? WHERE asset_id = ?",
        [
            (
                each.key, each.content.size_bytes, each.content.sha256, each.content.width_px, each.content.height_px,
                each.content.taken_at, each.stored_at, stamp, asset_id,
            )
            for each, asset_id in new
        ],
    )  # fmt: skip
    run.executemany(
        "INSERT INTO history (run_id, at, race_id, photo_id, what, variant, before, after) "
        "SELECT ?, ?, race_id, photo_id, 'replaced', ?, ?, ? FROM photo WHERE photo_no = ?",
        [
            (
                ledger.run_id, now_text(), each.owner.variant, each.owner.sha256.hex(), each.content.sha256.hex(),
                each.owner.photo_no,
            )
            for each, _ in new
            if each.owner.sha256 is not None
        ],
    )  # fmt: skip


def _asset_id(ledger: Ledger, owner: Owner, variants_of: VariantsOf) -> int:
    if owner.asset_id is not None:
        return owner.asset_id
    run = ledger.connection
    record: str = run.execute("SELECT json FROM photo_json WHERE photo_no = ?", (owner.photo_no,)).fetchone()[0]
    want_new(ledger, [(owner.photo_no, each) for each in variants_of(record) if each.name == owner.variant])
    query = "SELECT asset_id FROM asset WHERE photo_no = ? AND variant = ?"
    asset_id: int = run.execute(query, (owner.photo_no, owner.variant)).fetchone()[0]
    return asset_id


def lose(ledger: Ledger, asset_ids: Sequence[int], why: str) -> None:
    """Want again what was on record as held and is not there, or is something else."""
    recording.want_again(ledger, asset_ids, why, is_lost=True)
    # What had been wanted anyway, since newer bytes are listed, has no older ones any more.
    ledger.connection.execute(
        "UPDATE asset SET size_bytes = NULL, sha256 = NULL, etag = NULL, last_modified = NULL, verified_at = NULL "
        "WHERE state <> 'stored' AND asset_id IN (SELECT value FROM json_each(?))",
        (id_list(asset_ids),),
    )


def forget_keys(ledger: Ledger, asset_ids: Sequence[int]) -> None:
    """Take the keys of assets that hold nothing."""
    ledger.connection.execute(
        "UPDATE asset SET key = NULL WHERE sha256 IS NULL AND asset_id IN (SELECT value FROM json_each(?))",
        (id_list(asset_ids),),
    )


def not_found(ledger: Ledger, stamp: str, after_id: int, limit: int) -> list[tuple[int, str]]:
    """Assets that hold bytes by the record, and whose bytes this rebuild did not find: id and key, in order of ids."""
    return ledger.connection.execute(
        "SELECT asset_id, key FROM asset WHERE asset_id > ? AND sha256 IS NOT NULL AND verified_at IS NOT ? "
        "ORDER BY asset_id LIMIT ?",
        (after_id, stamp, limit),
    ).fetchall()


def count_wanted(ledger: Ledger) -> int:
    """How many assets are wanted, whatever is configured."""
    count: int = ledger.connection.execute("SELECT coalesce(sum(wanted), 0) FROM tally").fetchone()[0]
    return count
