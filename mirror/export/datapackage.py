"""The tables as a Frictionless data package: CSV files and a descriptor that says what is in them."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mirror.archive import new_file
from mirror.export.columns import Column, Kind, Table, assets_table, bibs_table, photos_table
from mirror.export.tables import CsvFile
from mirror.manifest import ExportDay, ExportPhoto

_CHUNK_BYTES = 1 << 20
DESCRIPTOR = "datapackage.json"
_TYPES: dict[Kind, str] = {
    "integer": "integer", "text": "string", "date": "date", "moment": "datetime", "list": "string",
}  # fmt: skip
_DIALECT = {"delimiter": ",", "quoteChar": '"', "doubleQuote": True, "lineTerminator": "\r\n", "header": True}
_ABOUT = (
    "Photos as the archive of the program mirror knows them. Paths begin at the archive's root. "
    "Text that a spreadsheet would take for a formula has an apostrophe before it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """One file of a package."""

    name: str
    size_bytes: int
    sha256: str
    """64 hex digits."""


def write_package(
    folder: Path, photos: Iterable[ExportPhoto], *, days: Sequence[ExportDay], variants: Sequence[str]
) -> tuple[int, list[PackageFile]]:
    """Write ``photos.csv``, ``bibs.csv``, ``assets.csv`` and ``datapackage.json`` into a folder.

    All are written beside their names first; the descriptor, which holds the others' hashes, gets its name last.

    Args:
        days: What the package is about, for its title.
    Returns:
        How many photos, and the files, the descriptor last.
    """
    tables = (photos_table(variants), bibs_table(), assets_table(variants))
    with contextlib.ExitStack() as opened:
        descriptor = opened.enter_context(new_file(folder / DESCRIPTOR))
        files = [opened.enter_context(new_file(folder / f"{table.name}.csv")) for table in tables]
        writers = [CsvFile(file, table) for file, table in zip(files, tables, strict=True)]
        for photo in photos:
            for writer in writers:
                writer.add(photo)
        written = []
        for writer, file, table in zip(writers, files, tables, strict=True):
            writer.finish()
            written.append(_described(f"{table.name}.csv", file))
        text = json.dumps(_descriptor(days, tables, written), indent=2, ensure_ascii=False).encode() + b"\n"
        descriptor.write(text)
    written.append(PackageFile(name=DESCRIPTOR, size_bytes=len(text), sha256=hashlib.sha256(text).hexdigest()))
    return writers[0].rows, written


def _described(name: str, file: BinaryIO) -> PackageFile:
    file.seek(0)
    digest, size_bytes = hashlib.sha256(), 0
    while piece := file.read(_CHUNK_BYTES):
        digest.update(piece)
        size_bytes += len(piece)
    return PackageFile(name=name, size_bytes=size_bytes, sha256=digest.hexdigest())


def _descriptor(days: Sequence[ExportDay], tables: Sequence[Table], files: Sequence[PackageFile]) -> dict[str, Any]:
    races = {day.race_id: day for day in days}
    title = ", ".join(f"{day.race} {day.starts_on or day.race_day_id}" for day in days) or "No photos"
    return {
        "profile": "tabular-data-package",
        "name": "-".join(["photos", *(str(race_id) for race_id in races)]),
        "title": f"Photos of {title}",
        "description": _ABOUT,
        "sources": [
            {"title": day.race, **({"path": day.race_url} if _is_address(day.race_url) else {})}
            for day in races.values()
        ],
        "resources": [_resource(table, file) for table, file in zip(tables, files, strict=True)],
    }


def _is_address(url: str | None) -> bool:
    return bool(url and re.fullmatch(r"https?://[^\s?#]+", url))


def _resource(table: Table, file: PackageFile) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "fields": [_field(each) for each in table.columns],
        "missingValues": [""],
        "primaryKey": list(table.key),
    }
    if table.name != "photos":
        photo = ["race_id", "photo_id"]
        schema["foreignKeys"] = [{"fields": photo, "reference": {"resource": "photos", "fields": photo}}]
    return {
        "profile": "tabular-data-resource",
        "name": table.name,
        "path": file.name,
        "title": table.what,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "dialect": _DIALECT,
        "bytes": file.size_bytes,
        "hash": f"sha256:{file.sha256}",
        "schema": schema,
    }


def _field(column: Column) -> dict[str, Any]:
    field: dict[str, Any] = {"name": column.name, "type": _TYPES[column.kind], "description": column.what}
    if column.is_required:
        field["constraints"] = {"required": True}
    return field
