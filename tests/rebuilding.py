"""What the tests of a rebuild share: archives to lose the manifest of, and questions to the one that was made again."""

import os
import sqlite3
from pathlib import Path
from typing import Any

from mirror import run_sync
from mirror.config import Config
from mirror.rebuild import RebuildReport, run_rebuild
from tests.simulator import SmallRace, SourceSimulator
from tests.test_sync import tree

HELD = "SELECT race_id, photo_id, variant, state, key, hex(sha256), size_bytes, width_px, taken_at FROM asset JOIN photo USING (photo_no) ORDER BY 1, 2, 3"


def manifest_of(root: Path) -> Path:
    """Where the manifest lies inside an archive."""
    return root / ".mirror/manifest.sqlite"


def bytes_of(name: str) -> bytes:
    """What lies in a file that a report names."""
    return Path(name).read_bytes()


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask a manifest."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def change(path: Path, sql: str) -> None:
    """Change a manifest behind everybody's back."""
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()


def held(root: Path) -> list[tuple[Any, ...]]:
    """All that the manifest knows of the assets."""
    return ask(manifest_of(root), HELD)


def stats(root: Path) -> dict[str, tuple[int, ...]]:
    """Everything that shows whether somebody touched a file of the tree, or moved or made one."""
    return {
        str(path.relative_to(root)): (now.st_ino, now.st_mode, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
        for path in root.rglob("*")
        if ".mirror" not in path.relative_to(root).parts and (now := os.lstat(path))
    }


async def rebuilt_without_a_picture(source: SourceSimulator, config: Config, **more: Any) -> RebuildReport:
    """Rebuild, and make sure that no picture was asked for and nothing in the tree was touched."""
    before = stats(config.archive.root.path)
    source.requests.clear()
    report = await run_rebuild(config, **more)
    assert source.pictures_asked() == 0
    assert stats(config.archive.root.path) == before
    return report


async def sync_fetches(source: SourceSimulator, config: Config, pictures: int) -> None:
    """The next sync asks for so many pictures and ends well; tree and manifest agree afterwards."""
    source.requests.clear()
    report = await run_sync(config)
    assert report.exit_code == 0
    assert source.pictures_asked() == report.stored == pictures
    found = ask(manifest_path(config), "SELECT key, hex(sha256) FROM asset WHERE state = 'stored'")
    there = tree(config.archive.root.path)
    for key, digest in found:
        assert there[key] == digest.lower()


def manifest_path(config: Config) -> Path:
    """Where a configuration's manifest lies."""
    return (config.archive.state_dir or config.archive.root.path / ".mirror") / "manifest.sqlite"


class OtherRace(SmallRace):
    """A second race with the same photo ids."""

    name = "Lake Half"
    slug = "NJ/Camden/LakeHalf"


def other_source() -> SourceSimulator:
    """A service with that race."""
    source = SourceSimulator(photos=0)
    source.race = OtherRace(photos=20, seed=8, race_id=50001)
    return source
