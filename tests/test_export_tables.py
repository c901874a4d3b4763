"""Tables that other programs read: safe in a spreadsheet, the same in every format, the same every time."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.export.columns import photos_table
from mirror.export.exports import TableKind, export_table
from mirror.export.spreadsheet import defused, kept
from tests.export_archive import HOSTILE, Shelf, both, hostile_photos, needs_module, shelf
from tests.test_manifest_desk import DAY, RACE

__all__ = ["shelf"]

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"


def looks_like_a_formula(cell: str) -> bool:
    """What a spreadsheet might run: a sign at the beginning, whatever quotes and spaces stand before it."""
    bare = cell.lstrip(" \t\r\n\"'")
    if cell.startswith("'") or cell.strip("+-").replace(".", "", 1).isdigit():
        return False
    return cell.startswith(("\t", "\r")) or bare.startswith(tuple(SIGNS))


def rows_of(text: str) -> list[dict[str, str]]:
    """Read CSV as everybody does."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def write(shelf: Shelf, kind: TableKind, to: Path, **options: Any) -> bytes:
    """Export a table of everything."""
    with shelf.export() as export:
        export_table(export, kind, to, **options)
    return to.read_bytes()


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1", "'=1"), ("+x", "'+x"), ("-x", "'-x"), ("@x", "'@x"), ("\tx", "'\tx"), ("\rx", "'\rx"),
        (' "=1', "' \"=1"), ("'=1", "''=1"), ("\uff1d1", "'\uff1d1"), ("\u201c@x", "'\u201c@x"),
        ("a;=1", "a;'=1"), ("a\n+b", "a\n'+b"), ("a; '=1", "a;' '=1"),
        ("-5", "-5"), ("+5.25", "+5.25"), ("12", "12"), ("a-b", "a-b"), ("", ""), ("a;b", "a;b"), ("x@y", "x@y"),
    ],
)  # fmt: skip
def test_cell_that_begins_like_a_formula_is_defused(text: str, safe: str) -> None:
    """X09: after quotes and white space too, and where a spreadsheet splits cells; numbers stay numbers."""
    assert defused(text) == safe


@given(st.text(alphabet=f"{SIGNS}ab1\t\r\n;,\"' .", max_size=8))
def test_no_text_is_left_that_would_run(text: str) -> None:
    """Whatever the text, no piece of it begins like a formula; and nothing is lost but by added apostrophes."""
    safe = defused(text)
    assert not looks_like_a_formula(safe)
    assert not any(looks_like_a_formula(piece) for piece in re.split("[;\t\r\n]", safe))
    assert safe.replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("text", ["0117", "12E5", "1e3", "5-10", "1/2", "10:30", "TRUE", "12345678901234567"])
def test_text_that_a_spreadsheet_would_change_is_kept(text: str) -> None:
    """Leading zeros, exponents, dates and times stay the text that they are."""
    assert kept(text) == f"'{text}"


@pytest.mark.parametrize("text", ["1179", "0", "-5", "a0117", "1179;1180", "IMG_1.JPG", ""])
def test_other_text_is_not_touched(text: str) -> None:
    """Plain numbers are numbers to a spreadsheet, and no harm is done."""
    assert kept(text) == text


@pytest.mark.parametrize("for_excel", [False, True])
async def test_csv_is_safe_and_whole_with_hostile_names(shelf: Shelf, tmp_path: Path, for_excel: bool) -> None:
    """Every photo is one row, no cell begins like a formula, and without the apostrophes the texts are there."""
    await shelf.store(hostile_photos())
    text = write(shelf, "csv", tmp_path / "photos.csv", for_excel=for_excel).decode()
    assert text.startswith("\ufeff") == for_excel
    rows = rows_of(text.removeprefix("\ufeff"))
    assert [row["photo_id"] for row in rows] == [str(at) for at in range(1, len(HOSTILE) + 1)]
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if looks_like_a_formula(cell)]
    for row, name in zip(rows, HOSTILE, strict=True):
        assert row["uploaded_filename"].replace("'", "") == name.replace("'", "")
        assert row["bibs"].replace("'", "") == f"{name};1179".replace("'", "")


async def test_csv_tells_numbers_from_text(shelf: Shelf, tmp_path: Path) -> None:
    """Numbers stand bare, bibs are text with their leading zeros, times are ISO in UTC."""
    await shelf.store([both(7, bibs=("0117",), uploaded_ts=1_779_026_602, uploaded_filename="-5")])
    head, line, end = write(shelf, "csv", tmp_path / "photos.csv").decode().split("\r\n")
    assert head.startswith('"race_id","race","race_day_id"')
    assert line.startswith(f'{RACE},"Harbour 10K",{DAY},"2025-05-17",7,"0117","311","","-5","2026-05-17T14:03:22Z"')
    assert end == ""


async def test_excel_gets_bibs_that_it_would_change_as_text(shelf: Shelf, tmp_path: Path) -> None:
    """With --excel, 0117 stays 0117."""
    await shelf.store([both(7, bibs=("0117",))])
    (row,) = rows_of(write(shelf, "csv", tmp_path / "photos.csv", for_excel=True).decode("utf-8-sig"))
    assert (row["bibs"], row["photo_id"]) == ("'0117", "7")


async def test_no_format_holds_a_signed_address(shelf: Shelf, tmp_path: Path) -> None:
    """The query of a picture's address opens it: it is in the manifest, and in no export."""
    await shelf.store(hostile_photos())
    assert shelf.desk.ask("SELECT count(*) FROM asset WHERE url LIKE '%SECRET%'") == [2 * len(HOSTILE)]
    kinds: tuple[TableKind, ...] = ("csv", "jsonl")
    for kind in kinds:
        assert b"SECRET" not in write(shelf, kind, tmp_path / kind)


async def test_jsonl_says_what_csv_says(shelf: Shelf, tmp_path: Path) -> None:
    """The same columns, with lists, numbers and nulls as JSON has them; line for line."""
    await shelf.store([both(1, bibs=("0117", "9"), uploaded_filename="=x\n"), both(2, bibs=(), uploaded_ts=None)])
    first, second = map(json.loads, write(shelf, "jsonl", tmp_path / "photos.jsonl").decode().splitlines())
    assert tuple(first) == tuple(each.name for each in photos_table().columns)
    assert (first["bibs"], first["uploaded_filename"], first["race_day"]) == (["0117", "9"], "=x\n", "2025-05-17")
    assert (second["bibs"], second["uploaded_at"], second["original_bytes"]) == ([], None, first["original_bytes"])


async def test_every_row_tells_where_the_file_lies_and_its_hash(shelf: Shelf, tmp_path: Path) -> None:
    """A path leads to the bytes that have the hash; a file that is still missing has a state, and no path."""
    (place, *_) = await shelf.store([both(1)])
    await shelf.desk.read_listing(both(1), both(2))
    stored, wanted = map(json.loads, write(shelf, "jsonl", tmp_path / "photos.jsonl").decode().splitlines())
    assert shelf.root / stored["original_path"] == place
    assert stored["original_bytes"] == place.stat().st_size
    assert (wanted["original_state"], wanted["original_path"], wanted["large_state"]) == ("wanted", None, None)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
async def test_second_export_is_the_first_byte_for_byte(shelf: Shelf, tmp_path: Path, kind: TableKind) -> None:
    """Nothing in it depends on when it was made, nor on the order in which photos came."""
    if kind == "parquet":
        needs_module("pyarrow")
    await shelf.store([both(3), both(1, bibs=("2", "1")), both(2)])
    first = write(shelf, kind, tmp_path / "first")
    assert write(shelf, kind, tmp_path / "second") == first
    assert write(shelf, kind, tmp_path / "first") == first


# -- read back --------------------------------------------------------------------------------------------------------


async def three_kinds(shelf: Shelf, tmp_path: Path) -> dict[TableKind, Path]:
    """The same photos in every format."""
    await shelf.store([both(1, bibs=("0117", "9"), uploaded_filename='a,"b"\n;c'), both(2, bibs=(), album_id=None)])
    kinds: tuple[TableKind, ...] = ("csv", "jsonl", "parquet")
    for kind in kinds:
        write(shelf, kind, tmp_path / f"photos.{kind}")
    return {kind: tmp_path / f"photos.{kind}" for kind in kinds}


async def test_pyarrow_reads_parquet_with_types(shelf: Shelf, tmp_path: Path) -> None:
    """Numbers, dates, aware times and lists of bibs; each column says what it means."""
    needs_module("pyarrow")
    import pyarrow.parquet as pq  # noqa: PLC0415

    paths = await three_kinds(shelf, tmp_path)
    table = pq.read_table(paths["parquet"])
    first, second = table.to_pylist()
    assert (first["bibs"], second["bibs"], first["race_day"]) == (["0117", "9"], [], date(2025, 5, 17))
    assert first["uploaded_at"] == datetime.fromtimestamp(1_730_000_000, UTC)
    assert first["original_bytes"] == len((shelf.root / first["original_path"]).read_bytes())
    described = {each.name: each.what for each in photos_table().columns}
    assert {each.name: (each.metadata or {})[b"description"].decode() for each in table.schema} == described


def plain(cell: object) -> str | None:
    """A cell as text, whatever type a format gives it; nothing for nothing."""
    return None if cell in (None, "") else str(cell).replace("+00:00", "").replace("T", " ").rstrip("Z")


async def test_duckdb_reads_equal_rows_from_every_format(shelf: Shelf, tmp_path: Path) -> None:
    """A program that knows nothing of us gets the same rows from CSV, JSON lines and Parquet."""
    needs_module("pyarrow")
    needs_module("duckdb")
    import duckdb  # noqa: PLC0415

    paths = await three_kinds(shelf, tmp_path)
    names = ", ".join(each.name for each in photos_table().columns if each.name != "bibs")
    bibs: Callable[[str], str] = {
        "csv": "coalesce(bibs, '')", "jsonl": "array_to_string(bibs, ';')", "parquet": "array_to_string(bibs, ';')",
    }.__getitem__  # fmt: skip
    read = {
        "csv": f"read_csv('{paths['csv']}', all_varchar = true)", "jsonl": f"read_json('{paths['jsonl']}')",
        "parquet": f"'{paths['parquet']}'",
    }  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        queries = {kind: f"SELECT {bibs(kind)} AS bibs, {names} FROM {read[kind]}" for kind in read}  # noqa: S608 - ours
        found = {
            kind: [list(map(plain, row)) for row in connection.execute(query).fetchall()]
            for kind, query in queries.items()
        }
    assert found["csv"] == found["parquet"]
    assert found["jsonl"] == found["parquet"]
    assert found["csv"][0][0] == "0117;9"
