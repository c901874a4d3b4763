"""An export that ends in the middle, by a signal or by kill -9, leaves the earlier one whole."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mirror.export.exports import Export, export_bags, export_checksums, export_package, export_table, export_xmp
from tests.export_archive import Shelf, both, shelf, tree

__all__ = ["shelf"]

PROGRAM = """
import os, signal, sys
from pathlib import Path
from mirror.export.exports import Export
from mirror.manifest import ManifestReader
from mirror.root import ArchiveRoot
from tests.test_export_stop import make

class Dying(ManifestReader):
    def export_photos(self, race_days=None):
        for at, photo in enumerate(super().export_photos(race_days)):
            if at == 2:
                if sys.argv[4] == "KILL":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise KeyboardInterrupt
            yield photo

root = Path(sys.argv[1])
with Dying(root / ".mirror" / "manifest.sqlite") as reader:
    make(Export(reader=reader, root=ArchiveRoot(root), days=tuple(reader.export_days())), sys.argv[2], Path(sys.argv[3]))
"""


def make(export: Export, kind: str, to: Path) -> None:
    """Make an export in a folder."""
    to.mkdir(exist_ok=True)
    match kind:
        case "csv":
            export_table(export, "csv", to / "table")
        case "sha256":
            export_checksums(export, to / "sums")
        case "datapackage":
            export_package(export, to)
        case "bagit":
            list(export_bags(export, to))
        case _:
            export_xmp(export, "embedded", to)


def stopped(*arguments: object) -> "subprocess.CompletedProcess[bytes]":
    """Run the program that ends in the middle."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.run(command, cwd=Path(__file__).parent.parent, check=False, capture_output=True)


@pytest.mark.parametrize("how", ["KILL", "INT"])
@pytest.mark.parametrize("kind", ["csv", "sha256", "datapackage", "bagit", "embedded"])
async def test_stopped_export_leaves_the_earlier_one_whole(shelf: Shelf, tmp_path: Path, kind: str, how: str) -> None:
    """Every file of it is there, byte for byte; after a signal nothing lies beside it; the next one is as if nothing had been."""
    to = tmp_path / "out"
    await shelf.store([both(1), both(2)])
    with shelf.export() as export:
        make(export, kind, to)
    before = tree(to)
    await shelf.store([both(1), both(2), both(3), both(4)])
    done = stopped(shelf.root, kind, to, how)
    assert done.returncode == -signal.SIGKILL if how == "KILL" else b"KeyboardInterrupt" in done.stderr
    after = tree(to)
    assert {name: after.get(name) for name in before} == before
    if how == "INT" and kind != "embedded":  # there every file is an export of its own
        assert after == before
    with shelf.export() as export:
        make(export, kind, to)
        make(export, kind, tmp_path / "other")
    assert {name: body for name, body in tree(to).items() if ".mirror-" not in name} == tree(tmp_path / "other")
