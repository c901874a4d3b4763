"""Every kind of export, from a manifest that is open for reading to a file or folder that is whole."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from mirror.archive import How, new_file, stored_files
from mirror.archive.neighbour import writing
from mirror.errors import ConfigError, DamagedError
from mirror.export.bagit import Bagger
from mirror.export.checksums import write_checksums
from mirror.export.columns import photos_table
from mirror.export.datapackage import write_package
from mirror.export.sidecars import Sidecars
from mirror.export.tables import CsvFile, JsonLinesFile, ParquetFile, TableFile
from mirror.manifest import ExportDay, ExportPhoto, ManifestReader
from mirror.model import VARIANTS
from mirror.root import ArchiveRoot

TableKind = Literal["csv", "jsonl", "parquet"]
XmpKind = Literal["sidecars", "beside", "embedded"]
STANDARD_OUTPUT = Path("-")

Tick = Callable[[], None]
"""Called after each file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What an export is about.

    Args:
        root: Where the archive lies.
        days: The race days that are meant.
        is_all: Whether there are no others.
        variants: Which to export; empty leaves it to the kind of export.
    """

    reader: ManifestReader
    root: ArchiveRoot
    days: tuple[ExportDay, ...]
    is_all: bool = True
    variants: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many photos that is."""
        return sum(day.photos for day in self.days)

    def photos(self) -> Iterator[ExportPhoto]:
        """Stream the photos of these days."""
        race_days = None if self.is_all else [(day.race_id, day.race_day_id) for day in self.days]
        return self.reader.export_photos(race_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What one file or folder came to be."""

    to: Path
    photos: int
    files: int = 0
    """Pictures in it, lines about them, or sidecars written."""
    unchanged: int = 0
    """Pictures, or their sidecars, that were there already."""
    beside: int = 0
    """Copies whose format takes no metadata here: it lies beside them."""
    left: tuple[str, ...] = ()
    """Files that another program wrote or changed: they stay as they are."""
    wrong: tuple[str, ...] = ()
    """What could not be exported, each with the reason."""


def choose(days: Sequence[ExportDay], race_days: Sequence[str]) -> tuple[ExportDay, ...]:
    """Keep the race days that are named by id or date; all where none is.

    Raises:
        ConfigError: There is no such race day; the message says which there are.
    """
    for text in race_days:
        if not any(_is_named(day, text) for day in days):
            known = ", ".join(f"{day.starts_on or 'no date'} ({day.race_day_id})" for day in days) or "none"
            raise ConfigError(f"--race-day {text}: no photo belongs to it; there are: {known}")
    return tuple(day for day in days if not race_days or any(_is_named(day, text) for text in race_days))


def _is_named(day: ExportDay, text: str) -> bool:
    return text in {str(day.race_day_id), day.starts_on}


# -- files ------------------------------------------------------------------------------------------------------------


def export_table(export: Export, kind: TableKind, to: Path, *, for_excel: bool = False) -> Exported:
    """Write one row for each photo.

    Args:
        to: A file, or ``-`` for standard output.
        for_excel: Make CSV that Excel opens without a question.
    """
    table = photos_table(export.variants or VARIANTS)
    with export.reader.one_moment(), _opened(to) as file:
        rows: TableFile
        match kind:
            case "csv":
                rows = CsvFile(file, table, for_excel=for_excel)
            case "jsonl":
                rows = JsonLinesFile(file, table)
            case "parquet":
                rows = ParquetFile(file, table)
        for photo in export.photos():
            rows.add(photo)
        rows.finish()
    return Exported(to=to, photos=rows.rows)


def export_checksums(export: Export, to: Path) -> Exported:
    """Write what ``sha256sum -c`` reads in the archive's folder."""
    with export.reader.one_moment(), _opened(to) as file:
        files = write_checksums(file, export.photos(), variants=export.variants or VARIANTS)
    return Exported(to=to, photos=export.count, files=files)


@contextlib.contextmanager
def _opened(to: Path) -> Iterator[BinaryIO]:
    if to == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with writing(to):
        to.parent.mkdir(parents=True, exist_ok=True)
    with new_file(to) as file:
        yield file


# -- folders ----------------------------------------------------------------------------------------------------------


def export_package(export: Export, to: Path) -> Exported:
    """Write tables and their descriptor into a folder."""
    _make_outside(export, to)
    with export.reader.one_moment():
        count, _ = write_package(to, export.photos(), days=export.days, variants=export.variants or VARIANTS)
    return Exported(to=to, photos=count)


def export_bags(
    export: Export, to: Path, *, how: How = "copy", info: Sequence[str] = (), date: str | None = None,
    on_file: Tick = lambda: None,
) -> Iterator[Exported]:  # fmt: skip
    """Make a bag of each race day, one after the other.

    Args:
        info: Lines for ``bag-info.txt``: ``Source-Organization: Camden Runners``.
        date: ``Bagging-Date``.
    Raises:
        ConfigError: A line is none, or something else lies where a bag goes.
    """
    lines = [_info_line(text) for text in info]
    if date is not None and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):
        raise ConfigError(f"--date {date}: expected a date such as 2026-05-17")
    if how == "link" and not export.root.is_local:
        raise ConfigError(
            f"--link makes links to files of this machine, and {export.root} lies in a bucket: leave it out"
        )
    _make_outside(export, to)
    with stored_files(export.root) as files:
        bagger = Bagger(
            export.reader, files, variants=export.variants or VARIANTS, how=how, info=lines, date=date,
            on_file=lambda _: on_file(),
        )  # fmt: skip
        for day in export.days:
            if day.folder is None or not day.stored_bytes:
                continue
            folder = to / day.folder
            try:
                bag = bagger.make(day, folder)
            except DamagedError as error:
                why = f"no bag of race day {day.starts_on or day.race_day_id}: {error} ('mirror verify' tells more)"
                yield Exported(to=folder, photos=0, wrong=(why,))
                continue
            done = Exported(to=folder, photos=bag.photos, files=bag.files)
            yield replace(done, files=0, unchanged=bag.files) if bag.is_unchanged else done


def _info_line(text: str) -> tuple[str, str]:
    label, colon, value = text.partition(":")
    if not colon or not value.strip() or not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", label.strip()):
        raise ConfigError(f"--info '{text}': expected 'Label: value', such as 'Source-Organization: Camden Runners'")
    return label.strip(), value.strip()


def export_xmp(export: Export, kind: XmpKind, to: Path, *, on_file: Tick = lambda: None) -> Exported:
    """Write sidecars, or copies with the metadata inside.

    Args:
        to: A folder; the archive's own for those beside the stored files.
    """
    if kind != "beside":
        _make_outside(export, to)
    with stored_files(export.root) as files:
        sidecars = Sidecars(files, to, variants=export.variants, is_embedding=kind == "embedded", on_file=on_file)
        report = sidecars.write(export.photos())
    if report.written and hasattr(os, "sync"):
        os.sync()  # one flush for all of them
    return Exported(
        to=to, photos=export.count, files=report.written, unchanged=report.unchanged, beside=report.beside,
        left=report.left, wrong=report.missing,
    )  # fmt: skip


def folder_beside(root: ArchiveRoot) -> Path:
    """Say where sidecars go that are to lie beside the stored files.

    Raises:
        ConfigError: Those lie in a bucket.
    """
    if root.folder is None:
        raise ConfigError(
            f"--beside writes into the archive's folder, and {root} lies in a bucket: --to DIR writes sidecars here"
        )
    return root.folder


def _make_outside(export: Export, to: Path) -> None:
    """Make a folder for an export: what lies inside the archive is the archive's."""
    if export.root.holds(to):
        raise ConfigError(f"{to} lies inside the archive: choose a place outside")
    with writing(to):
        to.mkdir(parents=True, exist_ok=True)
