"""Start lists and results as timers export them."""

from pathlib import Path

import pytest

from mirror.errors import ConfigError
from mirror.report import read_start_list


def listed(folder: Path, body: str | bytes, column: str = "") -> tuple[str, tuple[str, ...]]:
    """The column that was found, and its bibs."""
    file = folder / "list.csv"
    file.write_bytes(body if isinstance(body, bytes) else body.encode())
    found = read_start_list(file, column=column)
    return found.column, found.bibs


@pytest.mark.parametrize(
    ("body", "column", "bibs"),
    [
        ("Place,Bib,Name\n1,1179,Ann\n2,007,Bo\n", "Bib", ("1179", "007")),
        ("Platz;Startnummer;Zeit\r\n1;12;0:40:01,5\r\n2;13;0:41:00,1\r\n", "Startnummer", ("12", "13")),
        ("No.\tName\n4\tAnn\n4\tAnn\n\t\n5\tBo\n", "No.", ("4", "5")),
        ("Harbour 10K results\n\nPos,Race No,Bib #,Name\n1,9,17,Ann\n", "Bib #", ("17",)),
        ("Paid,Number,Name\nNo,21,Ann\nNo,22,Bo\n", "Number", ("21", "22")),
        ("#|Name\n3|Ann\n", "#", ("3",)),
        ("101\n102\n\n103\n", "column 1", ("101", "102", "103")),
        ("A12,Ann\nB7,Bo\n", "column 1", ("A12", "B7")),
        ('Bib,Name\n"=""0012""",Ann\n17.0,Bo\n,Cy\n', "Bib", ("0012", "17")),
        ('Bib,Name\n5,"Ann, the\nquick"\n6,Bo\n', "Bib", ("5", "6")),
        ("\ufeffBib;Name\n8;Ann\n", "Bib", ("8",)),
        ("Bib;Name\n8;Läufer\n".encode("cp1252"), "Bib", ("8",)),
        ("Bib\tName\n8\tLäufer\n".encode("utf-16"), "Bib", ("8",)),
    ],
)  # fmt: skip
def test_bibs_are_found_whatever_program_wrote_the_list(
    tmp_path: Path, body: str | bytes, column: str, bibs: tuple[str, ...]
) -> None:
    """Delimiter, encoding, titles above the head, what spreadsheets put around numbers; as text, each once."""
    assert listed(tmp_path, body) == (column, bibs)


def test_column_can_be_named(tmp_path: Path) -> None:
    """By its name in any case, or by its number, with or without a head."""
    body = "Bib,Chip Code\n1,A1\n2,A2\n"
    assert listed(tmp_path, body, "chip code") == ("Chip Code", ("A1", "A2"))
    assert listed(tmp_path, body, "1") == ("Bib", ("1", "2"))
    assert listed(tmp_path, "Ann,5\nBo,6\n", "2") == ("column 2", ("5", "6"))


@pytest.mark.parametrize(
    ("body", "column", "message"),
    [
        ("Name,Club\nAnn,X\n", "", "which column holds the bibs.*there are: Name, Club"),
        ("Paid,Starter\nNo,21\nNo,22\n", "", "which column holds the bibs"),
        ("Bib,Club\n1,X\n", "chip", "no column 'chip'; there are: Bib, Club"),
        ("Bib,Club\n1,X\n", "3", "no column '3'"),
        ("", "", "empty"),
        ("Bib,Name\n,Ann\n", "", "no bib stands in 'Bib'"),
        (b"PK\x03\x04rest", "", "save it as CSV first"),
        (b"\xff\xfe\x00", "", "no text|empty"),
    ],
)
def test_list_without_bibs_is_refused(tmp_path: Path, body: str | bytes, column: str, message: str) -> None:
    """The message says what is there and what to do."""
    with pytest.raises(ConfigError, match=message):
        listed(tmp_path, body, column)


def test_absent_list_is_named(tmp_path: Path) -> None:
    """With what the disk says."""
    with pytest.raises(ConfigError, match=r"absent\.csv: cannot be read"):
        read_start_list(tmp_path / "absent.csv")
