"""What files handed out of an archive promise: whole or not at all, the archive untouched."""

import os
import shutil
from pathlib import Path

import pytest

from mirror.archive import How, new_file
from mirror.archive import copying as room
from mirror.archive.copying import TreeFiles
from mirror.errors import ArchiveError, DamagedError

KEY = "Race-1/Day-2/original/7_a.jpg"
BODY = os.urandom(2 * room._CHUNK_BYTES + 17)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with one stored file, as old as files in archives are."""
    file = tmp_path / "archive" / KEY
    file.parent.mkdir(parents=True)
    file.write_bytes(BODY)
    file.chmod(0o444)
    os.utime(file, (1_000_000_000, 1_000_000_000))
    return tmp_path / "archive"


def put(root: Path, target: Path, *, how: How = "copy", size_bytes: int | None = None) -> None:
    """Put the file somewhere."""
    with TreeFiles(root) as files:
        files.put(KEY, target, how=how, size_bytes=size_bytes)


def names_in(folder: Path) -> list[str]:
    """What lies there."""
    return sorted(each.name for each in folder.iterdir())


def test_copy_is_a_file_of_its_own(root: Path, tmp_path: Path) -> None:
    """The same bytes and time, but editing the copy leaves the stored file as it was."""
    target = tmp_path / "out.jpg"
    put(root, target, size_bytes=len(BODY))
    assert target.read_bytes() == BODY
    assert target.stat().st_mtime == 1_000_000_000
    target.write_bytes(b"edited")
    assert (root / KEY).read_bytes() == BODY


def test_copy_crosses_file_systems(root: Path) -> None:
    """Where neither blocks nor kernels help, bytes are copied by hand."""
    other = Path("/dev/shm")  # noqa: S108 - a disk that is surely another one
    if not other.is_dir() or other.stat().st_dev == root.stat().st_dev:
        pytest.skip("needs a second file system")
    target = other / f"mirror-test-{os.getpid()}.jpg"
    try:
        put(root, target)
        assert target.read_bytes() == BODY
        with pytest.raises(ArchiveError, match="cannot be a link: that takes a place on the archive's own disk"):
            put(root, target, how="link")
        assert target.read_bytes() == BODY
        assert not list(other.glob(".mirror-*.new"))
    finally:
        target.unlink(missing_ok=True)


def test_link_is_the_very_file(root: Path, tmp_path: Path) -> None:
    """With links nothing is copied; a second time changes nothing and leaves nothing behind."""
    target = tmp_path / "out" / "a.jpg"
    target.parent.mkdir()
    put(root, target, how="link")
    put(root, target, how="link")
    assert target.samefile(root / KEY)
    assert names_in(target.parent) == ["a.jpg"]


@pytest.mark.parametrize("how", ["copy", "link"])
def test_damaged_file_is_named_and_nothing_is_put(root: Path, tmp_path: Path, how: How) -> None:
    """A file of another size is not handed out, and what lay under the name stays."""
    target = tmp_path / "out" / "a.jpg"
    target.parent.mkdir()
    target.write_bytes(b"older")
    with pytest.raises(DamagedError, match=rf"7_a.jpg: {len(BODY)} bytes, expected 5"):
        put(root, target, how=how, size_bytes=5)
    (root / KEY).unlink()
    with pytest.raises(DamagedError, match=r"7_a.jpg: cannot be read: it is not there"):
        put(root, target, how=how)
    assert target.read_bytes() == b"older"
    assert names_in(target.parent) == ["a.jpg"]


def test_nothing_is_read_through_a_link(root: Path, tmp_path: Path) -> None:
    """A link in place of a folder or a file is no way out of the tree."""
    (tmp_path / "secret").write_bytes(b"secret")
    (root / KEY).unlink()
    (root / KEY).symlink_to(tmp_path / "secret")
    with TreeFiles(root) as files, pytest.raises(DamagedError):
        files.read(KEY)
    shutil.rmtree(root / "Race-1")
    (root / "Race-1").symlink_to(tmp_path)
    with pytest.raises(DamagedError):
        put(root, tmp_path / "out.jpg")
    assert not (tmp_path / "out.jpg").exists()


def test_reading_gives_every_byte(root: Path) -> None:
    """Whole, however large."""
    with TreeFiles(root) as files:
        assert files.read(KEY) == BODY


def test_new_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    """While it is written, and after a failure, the older one stands there whole, and nothing beside it."""
    target = tmp_path / "table.csv"
    target.write_bytes(b"older")

    def fail() -> None:
        with new_file(target) as file:
            file.write(b"half")
            file.flush()
            assert target.read_bytes() == b"older"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names_in(tmp_path) == ["table.csv"]
    with new_file(target) as file:
        file.write(b"newer")
    assert (target.read_bytes(), names_in(tmp_path)) == (b"newer", ["table.csv"])


def test_place_that_takes_nothing_is_named(root: Path, tmp_path: Path) -> None:
    """The message names the target and says what is wrong."""
    with pytest.raises(ArchiveError, match=r"absent/a.jpg: cannot be written: it is not there"):
        put(root, tmp_path / "absent" / "a.jpg")
