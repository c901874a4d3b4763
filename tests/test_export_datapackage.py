"""Data packages: accepted by the reference library, with hashes that are true."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from mirror.export.exports import export_package
from tests.export_archive import HOSTILE, Shelf, both, hostile_photos, needs_module, shelf, tree

__all__ = ["shelf"]

FILES = ["assets.csv", "bibs.csv", "datapackage.json", "photos.csv"]


def package(shelf: Shelf, to: Path, **options: Any) -> dict[str, Any]:
    """Export everything and read the descriptor."""
    with shelf.export(**options) as export:
        export_package(export, to)
    descriptor: dict[str, Any] = json.loads((to / "datapackage.json").read_text())
    return descriptor


def frictionless(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Have the reference library validate a package: structure, types, keys, hashes."""
    needs_module("frictionless")
    command = [sys.executable, "-m", "frictionless", "validate", "datapackage.json"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


async def test_package_is_valid_to_the_reference_library(shelf: Shelf, tmp_path: Path) -> None:
    """With hostile names, photos without anything, and an empty archive; a changed cell is found."""
    package(shelf, tmp_path / "empty")
    await shelf.store([*hostile_photos(), both(900, bibs=(), album_id=None, uploaded_filename=None, uploaded_ts=None)])
    package(shelf, tmp_path / "full")
    for folder in ("empty", "full"):
        done = frictionless(tmp_path / folder)
        assert done.returncode == 0, done.stdout + done.stderr
    table = tmp_path / "full" / "bibs.csv"
    table.write_bytes(table.read_bytes().replace(b'"1179"', b'"1180"', 1))
    assert frictionless(tmp_path / "full").returncode != 0


async def test_descriptor_tells_sizes_and_hashes(shelf: Shelf, tmp_path: Path) -> None:
    """Of each table, as it lies there; and what each column means."""
    await shelf.store([both(1)])
    descriptor = package(shelf, tmp_path / "out")
    assert [each["name"] for each in descriptor["resources"]] == ["photos", "bibs", "assets"]
    for each in descriptor["resources"]:
        body = (tmp_path / "out" / each["path"]).read_bytes()
        assert (each["bytes"], each["hash"]) == (len(body), f"sha256:{hashlib.sha256(body).hexdigest()}")
        assert all(field["description"] for field in each["schema"]["fields"])
    assert descriptor["title"] == "Photos of Harbour 10K 2025-05-17"


async def test_bibs_and_files_have_a_row_each(shelf: Shelf, tmp_path: Path) -> None:
    """What stands in one cell of the photos has rows of its own beside them."""
    await shelf.store(hostile_photos())
    package(shelf, tmp_path / "out", variants=("original",))
    lines = (tmp_path / "out" / "assets.csv").read_text().splitlines()
    assert (len(lines), '"original"' in lines[1]) == (len(HOSTILE) + 1, True)
    assert (tmp_path / "out" / "bibs.csv").read_text().count('"1179"') == len(HOSTILE)


async def test_second_package_is_the_first_byte_for_byte(shelf: Shelf, tmp_path: Path) -> None:
    """Into another folder, and over the first; other files there are left alone."""
    await shelf.store([both(2), both(1)])
    package(shelf, tmp_path / "one")
    package(shelf, tmp_path / "other")
    (tmp_path / "one" / "notes.txt").write_text("mine")
    package(shelf, tmp_path / "one")
    assert sorted(tree(tmp_path / "other")) == FILES
    assert tree(tmp_path / "one") == {**tree(tmp_path / "other"), "notes.txt": b"mine"}
