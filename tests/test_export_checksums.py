"""Checksums: what ``sha256sum -c`` accepts."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from mirror.export.checksums import checksum_line
from mirror.export.exports import export_checksums
from tests.export_archive import Shelf, both, hostile_photos, shelf, tool

__all__ = ["shelf"]


def check(sums: Path, folder: Path) -> int:
    """What the real program says."""
    return subprocess.run(
        [tool("sha256sum"), "--check", "--strict", "--quiet", str(sums)], cwd=folder, check=False
    ).returncode


async def test_sha256sum_accepts_the_archive_and_finds_damage(shelf: Shelf, tmp_path: Path) -> None:
    """Run at the archive's root; a flipped byte is found. The second file is the first byte for byte."""
    place, *_ = await shelf.store(hostile_photos())
    with shelf.export() as export:
        done = export_checksums(export, tmp_path / "SHA256SUMS")
        export_checksums(export, tmp_path / "again")
    assert done.files == 2 * len(hostile_photos())
    assert (tmp_path / "again").read_bytes() == (tmp_path / "SHA256SUMS").read_bytes()
    assert check(tmp_path / "SHA256SUMS", shelf.root) == 0
    place.unlink()
    place.write_bytes(b"damaged")
    assert check(tmp_path / "SHA256SUMS", shelf.root) == 1


async def test_only_the_chosen_and_stored_are_named(shelf: Shelf, tmp_path: Path) -> None:
    """One variant on request; what is still missing has no hash."""
    await shelf.store([both(1)])
    await shelf.desk.read_listing(both(1), both(2))
    with shelf.export(variants=("original",)) as export:
        export_checksums(export, tmp_path / "SHA256SUMS")
    (line,) = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert "/original/1_" in line


@pytest.mark.parametrize("name", ["plain", "with  two spaces", "back\\slash", "line\nend", " *star", "-dash", "ümlaut"])
def test_odd_names_are_escaped_as_coreutils_do(tmp_path: Path, name: str) -> None:
    """Whatever the name, the real program finds the file."""
    (tmp_path / name).write_bytes(b"x")
    sums = tmp_path / "sums"
    sums.write_bytes(checksum_line(hashlib.sha256(b"x").hexdigest(), name).encode())
    assert check(sums, tmp_path) == 0
