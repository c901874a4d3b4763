"""What an archive in a folder promises beyond the seam: links, strangers, versions, and the order of flushes."""

import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mirror.archive import LocalArchive, Publication
from mirror.archive.flush import Flusher, System
from mirror.errors import ArchiveError
from tests.test_archive import ADDRESS, BODY, KEY, LARGE, VERSION, drafted, length, store, stream


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[LocalArchive]:
    """An empty archive in a folder that did not exist."""
    archive = await LocalArchive.open(tmp_path / "archive", create=True)
    yield archive
    await archive.aclose()


class Watched:
    """Flush calls that note what they found."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: list[list[bytes | None]] = []
        self.flushed: list[str] = []

    def flush_all(self, _descriptor: int) -> None:
        """Stand in for syncfs."""
        places = [self.root / KEY, self.root / VERSION]
        self.seen.append([each.read_bytes() if each.exists() else None for each in places])

    def flush_one(self, descriptor: int) -> None:
        """Stand in for fsync."""
        number = os.fstat(descriptor).st_ino
        places = [self.root, *self.root.rglob("*")]
        self.flushed += [each.relative_to(self.root).as_posix() for each in places if each.stat().st_ino == number]


async def publish(archive: LocalArchive, key: str = KEY, *, replaces: str | None = None) -> list[tuple[str, str]]:
    """Take a body all the way."""
    name = await drafted(archive)
    await archive.flush_drafts([name])
    return await archive.publish(
        [Publication(draft=name, key=key, is_ours_there=replaces is not None, keep_as=replaces)]
    )


async def test_stored_file_cannot_be_written_to(archive: LocalArchive) -> None:
    """Stored files are read-only for everybody, whichever way they came."""
    await publish(archive)
    draft = await archive.open_draft(2, address=ADDRESS)
    await stream(draft, LARGE)
    await draft.finish(length)
    await archive.publish([Publication(draft=draft.name, key="b.jpg")])
    for key in (KEY, "b.jpg"):
        assert (archive.root / key).stat().st_mode & 0o333 == 0


async def test_nothing_is_written_through_a_linked_folder(archive: LocalArchive, tmp_path: Path) -> None:
    """A link where a folder should be ends the run; what it points to stays empty."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (archive.root / KEY.split("/", maxsplit=1)[0]).symlink_to(outside, target_is_directory=True)
    with pytest.raises(ArchiveError, match="a link or a file lies where a folder should be"):
        await publish(archive)
    assert list(outside.iterdir()) == []
    assert await archive.sizes([KEY]) == [None]
    assert await archive.digest(KEY) is None


@pytest.mark.parametrize("replaces", [None, VERSION])
async def test_link_under_a_key_gives_way(archive: LocalArchive, tmp_path: Path, replaces: str | None) -> None:
    """A link in place of a file is moved away as it is; the file it points to is not touched."""
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    place = archive.root / KEY
    place.parent.mkdir(parents=True)
    place.symlink_to(target)
    ((_, moved),) = await publish(archive, replaces=replaces)
    assert (archive.root / moved).readlink() == target
    assert target.read_bytes() == b"precious"
    assert not place.is_symlink()


async def test_folder_under_a_key_gives_way_with_all_it_holds(archive: LocalArchive) -> None:
    """Even a folder that lies where a file belongs is kept."""
    (archive.root / KEY).mkdir(parents=True)
    (archive.root / KEY / "letter.txt").write_text("dear")
    ((_, moved),) = await publish(archive)
    assert (archive.root / moved / "letter.txt").read_text() == "dear"


async def test_stored_pipe_is_not_waited_for(archive: LocalArchive) -> None:
    """A pipe under a key holds nobody up."""
    os.mkfifo(archive.root / "pipe.jpg")
    assert await archive.digest("pipe.jpg") is None
    with pytest.raises(ArchiveError, match="not a regular file"):
        await archive.read("pipe.jpg")


async def test_sweep_leaves_what_is_not_ours(archive: LocalArchive) -> None:
    """A file that somebody put among the drafts stays there."""
    note = archive.state / "drafts" / "notes.txt"
    note.write_text("mine")
    await drafted(archive)
    assert await archive.clean_drafts([]) == 1
    assert note.exists()


async def test_half_file_of_a_killed_run_is_written_anew(archive: LocalArchive) -> None:
    """A checked name is no proof: a half file under it fails its check, and the same body replaces it."""
    name = await drafted(archive)
    place = archive.state / "drafts" / name
    place.unlink()
    place.write_bytes(BODY[:10])
    place.chmod(0o444)
    assert await archive.check_draft(name, length) is None
    assert await drafted(archive) == name
    assert await archive.check_draft(name, length) == len(BODY)


async def test_version_is_flushed_before_the_new_bytes_take_the_name(tmp_path: Path) -> None:
    """The order of a replacement: drafts flushed, old bytes linked, flushed, renamed over, flushed."""
    watched = Watched(tmp_path)
    archive = await LocalArchive.open(tmp_path, create=True, system=System(flush_all=watched.flush_all))
    await store(archive, body=b"old")
    before = (tmp_path / KEY).stat().st_ino
    watched.seen.clear()
    await publish(archive, replaces=VERSION)
    assert watched.seen == [[b"old", None], [b"old", b"old"], [BODY, b"old"]]
    assert (tmp_path / VERSION).stat().st_ino == before
    await archive.aclose()


async def test_version_that_is_there_already_is_done(archive: LocalArchive) -> None:
    """A run killed between link and rename is repeated without a fuss; another file in that place is kept."""
    await store(archive)
    (archive.root / VERSION).parent.mkdir(parents=True)
    (archive.root / VERSION).hardlink_to(archive.root / KEY)
    assert await publish(archive, replaces=VERSION) == []
    (archive.root / VERSION).unlink()
    (archive.root / VERSION).write_bytes(b"other")
    ((key, moved),) = await publish(archive, replaces=VERSION)
    assert (key, (archive.root / moved).read_bytes()) == (VERSION, b"other")
    assert await archive.read(VERSION) == BODY


async def test_version_is_copied_where_links_are_unknown(tmp_path: Path) -> None:
    """On a file system without hard links the earlier bytes are copied and flushed."""

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    archive = await LocalArchive.open(tmp_path, create=True, system=System(link=link))
    await store(archive, body=b"old")
    assert await publish(archive, replaces=VERSION) == []
    assert (await archive.read(VERSION), await archive.read(KEY)) == (b"old", BODY)
    assert (tmp_path / VERSION).stat().st_mode & 0o333 == 0
    assert await archive.clean_drafts([]) == 0
    await archive.aclose()


async def test_each_file_and_new_folder_is_flushed_without_syncfs(tmp_path: Path) -> None:
    """Where the whole cannot be flushed at once, each draft is, and each folder from the root to the key."""
    watched = Watched(tmp_path)
    archive = await LocalArchive.open(tmp_path, create=True, system=System(flush_one=watched.flush_one, kind="fsync"))
    assert archive.flush_kind == "fsync"
    names = [await drafted(archive, each, bytes([each])) for each in range(20)]
    watched.flushed.clear()
    await archive.flush_drafts(names)
    assert sorted(watched.flushed) == sorted([".mirror/drafts", *(f".mirror/drafts/{name}" for name in names)])
    watched.flushed.clear()
    await archive.publish([Publication(draft=name, key=f"a/b/{name}.jpg") for name in names])
    assert sorted(watched.flushed) == [".", "a", "a/b"]
    await archive.aclose()


@pytest.mark.parametrize("is_whole", [True, False])
async def test_failed_flush_condemns_the_group(tmp_path: Path, is_whole: bool) -> None:
    """A disk that lost bytes is an archive error, whichever call says so."""

    def lose(_descriptor: int) -> None:
        raise OSError(errno.EIO, "lost")

    (tmp_path / ".mirror").mkdir()
    (tmp_path / ".mirror/README.txt").touch()
    system = System(flush_all=lose) if is_whole else System(flush_one=lose)
    archive = await LocalArchive.open(tmp_path, create=True, system=system)
    with pytest.raises(ArchiveError, match=r"cannot flush .*input/output error"):
        await publish(archive)
    await archive.aclose()


def test_slow_syncfs_gives_way_to_single_flushes(tmp_path: Path) -> None:
    """A flush of everything that took over two seconds carries the writing of others and is not repeated."""
    times = iter([0.0, 0.5, 10.0, 12.5])
    single: list[int] = []
    flusher = Flusher(System(flush_all=lambda _: None, flush_one=single.append, clock=lambda: next(times)), 0)
    for kind in ("syncfs", "fsync", "fsync"):
        flusher.flush([lambda: os.open(tmp_path, os.O_RDONLY)])
        assert flusher.kind == kind
    assert len(single) == 1


async def test_state_folder_explains_itself(archive: LocalArchive) -> None:
    """Whoever finds the folder of state can read what it is; the note is written once and then left alone."""
    note = archive.state / "README.txt"
    assert "mirror" in note.read_text()
    note.write_text("changed")
    again = await LocalArchive.open(archive.root, create=True)
    await again.aclose()
    assert note.read_text() == "changed"
