"""Tables as files: CSV that spreadsheets can open, JSON lines, Parquet; streamed, so that memory stays flat."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, BinaryIO, Protocol

from mirror.errors import ConfigError
from mirror.export.columns import Kind, Table, moment_text
from mirror.export.spreadsheet import defused, kept
from mirror.manifest import ExportPhoto

BIB_SEPARATOR = ";"
_BOM = "\ufeff"
_PARQUET_ROWS = 10_000
"""Rows of one group: what is held in memory."""


class TableFile(Protocol):
    """A table on its way into a file that somebody else opened and closes."""

    rows: int

    def add(self, photo: ExportPhoto) -> None:
        """Write the rows of one photo."""

    def finish(self) -> None:
        """Hand over what is still held back."""


class CsvFile:
    """CSV: UTF-8, commas, every text in quotes, CR LF (RFC 4180).

    Text that a spreadsheet would run as a formula gets an apostrophe before it.

    Args:
        for_excel: Begin with a byte order mark, by which Excel knows UTF-8; and keep texts that look like numbers or
            dates, such as the bib 0117, by an apostrophe.
    """

    def __init__(self, file: BinaryIO, table: Table, *, for_excel: bool = False) -> None:
        self.rows = 0
        self._table = table
        self._text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        # Quoted text splits at no other program's separator; numbers stay bare.
        self._writer = csv.writer(self._text, quoting=csv.QUOTE_NONNUMERIC)
        self._cells = [_cell(each.kind, for_excel=for_excel) for each in table.columns]
        if for_excel:
            self._text.write(_BOM)
        self._writer.writerow(each.name for each in table.columns)

    def add(self, photo: ExportPhoto) -> None:
        """Write the rows of one photo."""
        for row in self._table.rows(photo):
            self._writer.writerow(
                [None if value is None else cell(value) for cell, value in zip(self._cells, row, strict=True)]
            )
            self.rows += 1

    def finish(self) -> None:
        """Hand over what is still held back; the file stays open."""
        self._text.detach()


def _cell(kind: Kind, *, for_excel: bool) -> Callable[[Any], Any]:
    match kind:
        case "integer":
            return int
        case "date":
            return date.isoformat
        case "moment":
            return moment_text
        case "text":
            return (lambda text: kept(defused(text))) if for_excel else defused
        case "list":
            text = _cell("text", for_excel=for_excel)
            return lambda values: text(BIB_SEPARATOR.join(values))


class JsonLinesFile:
    """JSON lines: one object a row, all columns in each."""

    def __init__(self, file: BinaryIO, table: Table) -> None:
        self.rows = 0
        self._file = file
        self._table = table
        self._names = [each.name for each in table.columns]
        self._encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode

    def add(self, photo: ExportPhoto) -> None:
        """Write the rows of one photo."""
        for row in self._table.rows(photo):
            line = self._encode(dict(zip(self._names, row, strict=True)))
            self._file.write(line.encode("utf-8", "backslashreplace") + b"\n")
            self.rows += 1

    def finish(self) -> None:
        """Nothing is held back."""


def _plain(value: date) -> str:
    return moment_text(value) if isinstance(value, datetime) else value.isoformat()


class ParquetFile:
    """Parquet with real types and the columns' descriptions.

    Raises:
        ConfigError: pyarrow is not installed.
    """

    def __init__(self, file: BinaryIO, table: Table) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra, and heavy
            import pyarrow.parquet as pq  # noqa: PLC0415
        except ImportError:
            raise ConfigError("Parquet needs pyarrow: pip install 'mirror[parquet]'") from None
        kinds: dict[Kind, Any] = {
            "integer": pa.int64(), "text": pa.string(), "date": pa.date32(), "moment": pa.timestamp("us", tz="UTC"),
            "list": pa.list_(pa.string()),
        }  # fmt: skip
        self.rows = 0
        self._table = table
        self._held: list[tuple[Any, ...]] = []
        self._schema = pa.schema(
            [
                pa.field(each.name, kinds[each.kind], not each.is_required, metadata={"description": each.what})
                for each in table.columns
            ]
        )
        self._make_array, self._make_batch = pa.array, pa.record_batch
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")

    def add(self, photo: ExportPhoto) -> None:
        """Take the rows of one photo."""
        self._held += self._table.rows(photo)
        if len(self._held) >= _PARQUET_ROWS:
            self._write()

    def _write(self) -> None:
        columns = zip(*self._held, strict=True)
        arrays = [self._make_array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._writer.write_batch(self._make_batch(arrays, schema=self._schema))
        self.rows += len(self._held)
        self._held.clear()

    def finish(self) -> None:
        """Write the last rows and what Parquet has at its end."""
        if self._held:
            self._write()
        self._writer.close()
