"""The columns of every table, once: help, descriptor, Parquet and README say the same. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from mirror.manifest import ExportAsset, ExportPhoto
from mirror.model import VARIANTS

Kind = Literal["integer", "text", "date", "moment", "list"]
"""``moment`` is an aware time in UTC, ``list`` a list of texts."""

_TIMES = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Args:
        what: What it says, for people.
        is_required: Whether every row has a value.
    """

    name: str
    kind: Kind
    what: str
    is_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: its columns, and how a photo becomes rows of it.

    Args:
        key: Names of the columns that tell rows apart.
    """

    name: str
    what: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rows: Callable[[ExportPhoto], Iterable[tuple[Any, ...]]]


_RACE_ID = Column(name="race_id", kind="integer", what="the race's number at the source", is_required=True)
_PHOTO_ID = Column(
    name="photo_id", kind="integer", what="the photo's number at the source, unique within the race", is_required=True
)
_VARIANT = Column(name="variant", kind="text", what=f"the rendition: {', '.join(VARIANTS)}", is_required=True)

_PHOTO = (
    _RACE_ID,
    Column(name="race", kind="text", what="the race's name"),
    Column(name="race_day_id", kind="integer", what="the race day's number at the source", is_required=True),
    Column(name="race_day", kind="date", what="its date, in the race's time zone"),
    _PHOTO_ID,
    Column(name="bibs", kind="list", what="bibs on the photo, text; in CSV with ; between them"),
    Column(name="album_id", kind="text", what="the album's id at the source"),
    Column(name="album", kind="text", what="the album's name"),
    Column(name="uploaded_filename", kind="text", what="the uploader's name for the file"),
    Column(name="uploaded_at", kind="moment", what="when it was uploaded, by the source's clock, UTC"),
    Column(
        name="taken_at",
        kind="text",
        what="when it was taken, by the camera's clock: local time, with an offset where the camera recorded one",
    ),
    Column(name="unlisted_at", kind="moment", what="since when the source no longer lists it, UTC; empty: it does"),
)
_ASSET = (
    Column(name="state", kind="text", what="stored, wanted (still missing) or gone; empty: never asked for"),
    Column(name="path", kind="text", what="where it lies below the archive's root, with / between folders"),
    Column(name="sha256", kind="text", what="SHA-256 of the stored file, 64 hex digits"),
    Column(name="bytes", kind="integer", what="its size in bytes"),
    Column(name="width_px", kind="integer", what="its width in pixels"),
    Column(name="height_px", kind="integer", what="its height in pixels"),
)


def explained_columns() -> list[Column]:
    """Explain the columns of photos for people: those that each variant has stand there once, as ``VARIANT_path``."""
    each_variant = [Column(name=f"VARIANT_{each.name}", kind=each.kind, what=each.what) for each in _ASSET]
    return [*_PHOTO, *each_variant]


def photos_table(variants: Sequence[str] = VARIANTS) -> Table:
    """One row for each photo, with the columns of each variant side by side."""

    def rows(photo: ExportPhoto) -> Iterator[tuple[Any, ...]]:
        day, assets = photo.day, {each.variant: each for each in photo.assets}
        row = [
            day.race_id, day.race, day.race_day_id, _day(day.starts_on), photo.photo_id, photo.bibs, photo.album_id,
            photo.album, photo.uploaded_filename, uploaded_at(photo), taken_at(photo), _moment(photo.unlisted_at),
        ]  # fmt: skip
        for variant in variants:
            row += _asset(assets[variant]) if variant in assets else _NO_ASSET
        yield tuple(row)

    beside = tuple(
        Column(name=f"{variant}_{each.name}", kind=each.kind, what=f"{variant}: {each.what}")
        for variant in variants
        for each in _ASSET
    )
    return Table(
        name="photos", what="One row for each photo.", columns=_PHOTO + beside, key=("race_id", "photo_id"), rows=rows
    )


def bibs_table() -> Table:
    """One row for each bib of each photo."""

    def rows(photo: ExportPhoto) -> Iterator[tuple[Any, ...]]:
        return ((photo.day.race_id, photo.photo_id, bib) for bib in photo.bibs)

    columns = (_RACE_ID, _PHOTO_ID, Column(name="bib", kind="text", what="a bib on the photo", is_required=True))
    return Table(
        name="bibs", what="One row for each bib on each photo.", columns=columns,
        key=("race_id", "photo_id", "bib"), rows=rows,
    )  # fmt: skip


def assets_table(variants: Sequence[str] = VARIANTS) -> Table:
    """One row for each variant of each photo that the archive wants or holds."""

    def rows(photo: ExportPhoto) -> Iterator[tuple[Any, ...]]:
        return (
            (photo.day.race_id, photo.photo_id, each.variant, *_asset(each))
            for each in photo.assets
            if each.variant in variants
        )

    return Table(
        name="assets", what="One row for each variant of each photo that the archive wants or holds.",
        columns=(_RACE_ID, _PHOTO_ID, _VARIANT, *_ASSET), key=("race_id", "photo_id", "variant"), rows=rows,
    )  # fmt: skip


_NO_ASSET: list[Any] = [None] * len(_ASSET)


def _asset(asset: ExportAsset) -> list[Any]:
    return [asset.state, asset.key, asset.sha256, asset.size_bytes, asset.width_px, asset.height_px]


def taken_at(photo: ExportPhoto) -> str | None:
    """When the photo was taken, as the best variant that knows it says."""
    known = {each.variant: each.taken_at for each in photo.assets if each.taken_at}
    return next((known[variant] for variant in VARIANTS if variant in known), None)


def uploaded_at(photo: ExportPhoto) -> datetime | None:
    """When the photo was uploaded; None for a stamp that is no time of this calendar."""
    try:
        return datetime.fromtimestamp(photo.uploaded_ts, UTC) if photo.uploaded_ts is not None else None
    except (OverflowError, ValueError, OSError):
        return None


def moment_text(moment: datetime) -> str:
    """Write an aware UTC time: ``2026-05-17T14:03:22Z``."""
    # Not strftime: for years before 1000 it leaves out zeros.
    return f"{moment.replace(tzinfo=None, microsecond=0).isoformat()}Z"


def _moment(text: str | None) -> datetime | None:
    return datetime.strptime(text, _TIMES).replace(tzinfo=UTC) if text else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
