"""Earlier bytes of pictures that changed at the source: kept, kept within bounds, or not kept."""

from pathlib import Path

from mirror import run_sync
from mirror.model import RunReport
from tests.simulator import SourceSimulator
from tests.test_sync import assert_agrees, rows, tree


def kept(root: Path) -> dict[str, int]:
    """The files of the store of versions, with their sizes."""
    return {path.name: path.stat().st_size for path in (root / ".mirror/versions").rglob("*") if path.is_file()}


async def render_again_and_sync(source: SourceSimulator, folder: Path, versions: str, times: int) -> RunReport:
    """Archive a race whose first photo gets new bytes again and again."""
    config = source.config(folder, ARCHIVE__VERSIONS=versions)
    report = await run_sync(config)
    for _ in range(times):
        source.race.render_again(next(p.photo_id for p in source.race.photos.values() if p.race_day_id == 34168))
        report = await run_sync(config, is_recheck=True)
        assert report.exit_code == 0
        assert report.stored > 0
    return report


async def test_all_versions_are_kept(tmp_path: Path) -> None:
    """Each earlier picture lies under a name that holds its hash, and has a row."""
    async with SourceSimulator(photos=3) as source:
        report = await render_again_and_sync(source, tmp_path, "all", 2)
    assert len(kept(tmp_path / "photos")) == 2 * report.stored
    assert rows(tmp_path / "photos", "SELECT count(*) FROM version") == [(2 * report.stored,)]
    assert_agrees(tmp_path / "photos")


async def test_no_version_is_kept_when_switched_off(tmp_path: Path) -> None:
    """With 0 the new bytes take the name in one step, and the history alone knows of the old ones."""
    async with SourceSimulator(photos=3) as source:
        before = set()
        config = source.config(tmp_path, ARCHIVE__VERSIONS="0")
        await run_sync(config)
        before = set(tree(tmp_path / "photos").values())
        report = await render_again_and_sync(source, tmp_path, "0", 1)
    assert kept(tmp_path / "photos") == {}
    assert rows(tmp_path / "photos", "SELECT count(*) FROM version") == [(0,)]
    replaced = {digest for (digest,) in rows(tmp_path / "photos", "SELECT before FROM history WHERE what = 'replaced'")}
    assert len(replaced) == report.stored
    assert replaced < before
    assert_agrees(tmp_path / "photos")


async def test_oldest_versions_go_when_the_store_is_full(tmp_path: Path) -> None:
    """A bound on the bytes keeps the newest versions; what goes has no row any more."""
    async with SourceSimulator(photos=3) as source:
        report = await render_again_and_sync(source, tmp_path, "all", 3)
        newest = rows(tmp_path / "photos", "SELECT key, size_bytes FROM version ORDER BY version_id DESC")[
            : report.stored
        ]
        room = sum(int(str(size)) for _, size in newest)
        await run_sync(source.config(tmp_path, ARCHIVE__VERSIONS=str(room)))
    assert set(kept(tmp_path / "photos")) == {str(key).rpartition("/")[2] for key, _ in newest}
    assert len(rows(tmp_path / "photos", "SELECT * FROM version")) == report.stored
    assert_agrees(tmp_path / "photos")


async def test_foreign_files_are_never_dropped(tmp_path: Path) -> None:
    """What lay under a key and was not ours is kept whatever the bound: nobody else has it."""
    async with SourceSimulator(photos=3) as source:
        config = source.config(tmp_path, ARCHIVE__VERSIONS="0")
        await run_sync(config)
        path = next((tmp_path / "photos").rglob("*.jpg"))
        path.unlink()
        path.write_text("somebody's notes")
        await run_sync(config, is_full=True)
        await run_sync(config, is_full=True)
    (name,) = kept(tmp_path / "photos")
    assert name.startswith(path.name)
    assert_agrees(tmp_path / "photos")
