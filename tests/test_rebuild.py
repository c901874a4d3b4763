"""A manifest made again: from nothing, from an earlier one, for a tree that is as people left it."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.errors import AccessError, ArchiveError, ManifestError, NewerError
from mirror.manifest import Workshop
from mirror.rebuild import run_rebuild
from tests.rebuilding import (
    ask,
    bytes_of,
    change,
    held,
    manifest_of,
    manifest_path,
    other_source,
    rebuilt_without_a_picture,
    stats,
    sync_fetches,
)
from tests.simulator import SourceSimulator
from tests.test_sync import assert_agrees, tree

# -- the manifest is lost, damaged, newer, or another one's ---------------------------------------------------------


async def test_lost_manifest_is_made_again_from_tree_and_listing(tmp_path: Path) -> None:
    """As it was, asset by asset; no picture asked for, no file touched, and the next sync has nothing to do."""
    async with SourceSimulator(photos=60) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = held(tmp_path / "photos")
        manifest_of(tmp_path / "photos").unlink()
        report = await rebuilt_without_a_picture(source, config)
        assert report.exit_code == 0
        assert (report.basis, report.adopted, report.wanted, report.kept) == ("", len(before), 0, ())
        assert held(tmp_path / "photos") == before
        await sync_fetches(source, config, 0)
        assert source.api_requests() == 2
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("content", [b"", b"garbage" * 500, b"SQLite format 3\0" + b"x" * 4000])
async def test_garbage_in_its_place_is_kept_byte_for_byte(tmp_path: Path, content: bytes) -> None:
    """What is no manifest is refused by a sync; a rebuild keeps it beside and says where."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = held(tmp_path / "photos")
        manifest_of(tmp_path / "photos").write_bytes(content)
        with pytest.raises(ManifestError, match="mirror rebuild"):
            await run_sync(config)
        report = await rebuilt_without_a_picture(source, config)
        assert report.exit_code == 0
        assert [bytes_of(each) for each in report.kept] == [content]
        assert any("is damaged" in note for note in report.notes)
        assert held(tmp_path / "photos") == before


async def test_damage_in_the_middle_is_found_and_what_was_forgotten_is_still_known(tmp_path: Path) -> None:
    """A torn page is no basis; the photos forgotten on request are taken over while they can be read."""
    async with SourceSimulator(photos=60) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        path = manifest_of(tmp_path / "photos")
        before = held(tmp_path / "photos")
        change(
            path, "INSERT INTO tombstone (race_id, photo_id, forgotten_at) VALUES (48211, 5, '2026-05-20T00:00:00Z')"
        )
        root_page = ask(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'photo_json'")[0][0]
        torn = bytearray(path.read_bytes())
        torn[(root_page - 1) * 4096 : root_page * 4096] = b"\xff" * 4096
        path.write_bytes(torn)
        report = await rebuilt_without_a_picture(source, config)
        assert report.basis == ""
        assert bytes_of(report.kept[0]) == torn
        assert held(tmp_path / "photos") == before
        assert ask(path, "SELECT race_id, photo_id FROM tombstone") == [(48211, 5)]
        assert not any("forgotten" in note for note in report.notes)


async def test_newer_manifest_is_left_to_the_newer_program(tmp_path: Path) -> None:
    """Refused byte for byte unchanged and without a request, whether it is in place, a snapshot, or was named."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        path = manifest_of(tmp_path / "photos")
        change(path, "PRAGMA user_version = 99")
        newer = path.read_bytes()
        source.requests.clear()
        with pytest.raises(NewerError, match="use the newer program"):
            await run_rebuild(config)
        shutil.copy(path, tmp_path / "named.sqlite")
        with pytest.raises(NewerError):
            await run_rebuild(config, basis=tmp_path / "named.sqlite")
        assert path.read_bytes() == newer
        elsewhere = source.config(tmp_path, ARCHIVE__STATE_DIR=str(tmp_path / "state"))
        with pytest.raises(NewerError):
            await run_rebuild(elsewhere)
        assert source.requests == []
        assert path.read_bytes() == newer


async def test_tree_of_another_manifest_is_taken_over_by_a_rebuild_only(tmp_path: Path) -> None:
    """Two archives, one state folder: the sync refuses, the rebuild makes this tree's own and keeps the other's."""
    async with SourceSimulator() as source:
        state = str(tmp_path / "state")
        first = source.config(tmp_path, ARCHIVE__ROOT=str(tmp_path / "one"))
        await run_sync(first)
        second = source.config(tmp_path, ARCHIVE__ROOT=str(tmp_path / "two"), ARCHIVE__STATE_DIR=state)
        await run_sync(second)
        mixed = source.config(tmp_path, ARCHIVE__ROOT=str(tmp_path / "one"), ARCHIVE__STATE_DIR=state)
        with pytest.raises(ManifestError, match="mirror rebuild"):
            await run_sync(mixed)
        other_id = (tmp_path / "two/.mirror/archive-id").read_text().strip()
        manifest_of(tmp_path / "one").unlink()
        report = await rebuilt_without_a_picture(source, mixed)
        assert report.basis == ""
        assert any(other_id in note for note in report.notes)
        assert ask(Path(report.kept[0]), "SELECT archive_id FROM archive") == [(other_id,)]
        this_id = (tmp_path / "one/.mirror/archive-id").read_text().strip()
        assert ask(manifest_path(mixed), "SELECT archive_id FROM archive") == [(this_id,)]
        await sync_fetches(source, mixed, 0)


async def test_changes_that_a_killed_run_left_never_meet_the_new_manifest(tmp_path: Path) -> None:
    """A write-ahead log without its manifest is set aside with it: SQLite would write it into any other."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = held(tmp_path / "photos")
        path = manifest_of(tmp_path / "photos")
        path.unlink()
        path.with_name("manifest.sqlite-wal").write_bytes(b"what a killed run left")
        report = await rebuilt_without_a_picture(source, config)
        assert bytes_of(f"{report.kept[0]}-wal") == b"what a killed run left"
        assert held(tmp_path / "photos") == before


# -- from an earlier manifest ---------------------------------------------------------------------------------------


async def test_archive_copied_to_another_computer_goes_on_from_its_snapshot(tmp_path: Path) -> None:
    """The tree with its snapshot is enough, without any network: photos, bibs and what is unlisted stay known."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path, ARCHIVE__STATE_DIR=str(tmp_path / "state"))
        await run_sync(config)
        source.race.remove(max(source.race.photos))
        for _ in range(2):
            await run_sync(config, is_full=True)
        shutil.copytree(tmp_path / "photos", tmp_path / "new/photos")
        next((tmp_path / "new/photos").rglob("large/*.jpg")).unlink()
        moved = source.config(tmp_path / "new", ARCHIVE__STATE_DIR=str(tmp_path / "new/state"))
        with pytest.raises(ManifestError, match="mirror rebuild"):
            await run_sync(moved)
        report = await rebuilt_without_a_picture(source, moved, is_offline=True)
        assert source.requests == []
        assert (report.exit_code, report.adopted, report.vanished, report.wanted) == (0, 0, 1, 1)
        assert report.known == len(tree(tmp_path / "photos")) - 1
        photos = "SELECT photo_id, unlisted_at IS NULL, group_concat(bib) FROM photo LEFT JOIN bib USING (photo_no) GROUP BY 1 ORDER BY 1"
        assert ask(manifest_path(moved), photos) == ask(tmp_path / "state/manifest.sqlite", photos)
        assert ask(manifest_path(moved), "SELECT full_wanted NOT NULL FROM race_day") == [(1,), (1,)]
        await sync_fetches(source, moved, 1)


async def test_snapshot_becomes_a_manifest_and_a_new_one_takes_its_place(tmp_path: Path) -> None:
    """Without the state folder the snapshot is made the manifest; with it, each rebuild leaves a snapshot of its own."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path, ARCHIVE__STATE_DIR=str(tmp_path / "state"))
        await run_sync(config)
        snapshot = manifest_of(tmp_path / "photos")
        snapshot.write_bytes(b"torn")
        (tmp_path / "state/manifest.sqlite").unlink()
        report = await rebuilt_without_a_picture(source, config)
        assert [bytes_of(each) for each in report.kept] == [b"torn"]
        assert ask(snapshot, "SELECT snapshot_of FROM archive")[0][0].startswith(
            f"{tmp_path}/state/manifest.sqlite on "
        )
        inside = source.config(tmp_path)
        with pytest.raises(ManifestError, match="mirror rebuild"):
            await run_sync(inside)
        report = await rebuilt_without_a_picture(source, inside, is_offline=True)
        assert (report.exit_code, report.adopted) == (0, 0)
        assert ask(snapshot, "SELECT snapshot_of FROM archive") == [(None,)]
        await sync_fetches(source, inside, 0)


async def test_stale_snapshot_is_brought_up_to_date(tmp_path: Path) -> None:
    """Photos, bytes and versions that came after it was written are taken from the listing and the tree."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        shutil.copy(manifest_of(tmp_path / "photos"), tmp_path / "old.sqlite")
        source.race.gain_uploads(3)
        changed = next(p for p in source.race.photos.values() if p.race_day_id == 34168 and len(p.offered) == 3)
        changed.name, changed.version = f"{changed.name[:-4]}ffff", 1
        await run_sync(config, is_full=True)
        before = held(tmp_path / "photos")
        assert ask(manifest_of(tmp_path / "photos"), "SELECT count(*) FROM version") == [(3,)]
        report = await rebuilt_without_a_picture(source, config, basis=tmp_path / "old.sqlite")
        assert (report.exit_code, report.versions, report.vanished) == (0, 3, 0)
        assert held(tmp_path / "photos") == before
        kept = ask(manifest_of(tmp_path / "photos"), "SELECT key, hex(sha256) FROM version")
        assert all(Path(key).name.split(".")[1] == digest.lower()[:16] for key, digest in kept)
        await sync_fetches(source, config, 0)


async def test_more_vanished_than_can_be_believed_is_mended_by_a_rebuild(tmp_path: Path) -> None:
    """The sync refuses; after a rebuild it fetches exactly what is not there, and history says so."""
    async with SourceSimulator(photos=60) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        whole = tree(tmp_path / "photos")
        gone = list((tmp_path / "photos").rglob("thumbnail/*.jpg"))
        for each in gone:
            each.unlink()
        with pytest.raises(ManifestError, match="mirror rebuild"):
            await run_sync(config, is_full=True)
        report = await rebuilt_without_a_picture(source, config)
        assert report.basis == str(manifest_of(tmp_path / "photos"))
        assert (report.exit_code, report.vanished, report.wanted) == (0, len(gone), len(gone))
        vanished = ask(manifest_of(tmp_path / "photos"), "SELECT count(*) FROM history WHERE what = 'vanished'")
        assert vanished == [(len(gone),)]
        await sync_fetches(source, config, len(gone))
    assert tree(tmp_path / "photos") == whole
    assert_agrees(tmp_path / "photos")


async def test_flipped_bit_is_found_where_hashes_are_on_record(tmp_path: Path) -> None:
    """A picture that is whole but not the one that was stored is left alone and fetched again."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        whole = tree(tmp_path / "photos")
        victim = next((tmp_path / "photos").rglob("large/*.jpg"))
        body = victim.read_bytes()
        victim.chmod(0o644)
        victim.write_bytes(body.replace(b" large_watermarked_v3 ", b" large_watermarkEd_v3 "))
        assert victim.read_bytes() != body
        report = await rebuilt_without_a_picture(source, config)
        assert (report.exit_code, report.damaged, report.wanted) == (1, 1, 1)
        assert "not the one that was stored" in report.oddities[0].reason
        await sync_fetches(source, config, 1)
    assert tree(tmp_path / "photos") == whole
    foreign = [path for path in (tmp_path / "photos/.mirror/versions/foreign").rglob("*") if path.is_file()]
    assert len(foreign) == 1


async def test_unlisted_photos_stay_known_from_a_snapshot_and_are_named_without(tmp_path: Path) -> None:
    """The files of a photo that the source shows no more are matched only by what an earlier manifest knew."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        lost = source.race.photos[max(source.race.photos)]
        source.race.remove(lost.photo_id)
        report = await rebuilt_without_a_picture(source, config)
        assert (report.exit_code, report.unmatched) == (0, 0)
        manifest_of(tmp_path / "photos").unlink()
        for each in (tmp_path / "photos/.mirror").glob("*.kept-*"):
            each.unlink()
        report = await rebuilt_without_a_picture(source, config)
        assert (report.exit_code, report.unmatched) == (1, len(lost.offered))
        assert {each.reason for each in report.oddities} == {"its photo is not listed"}
        assert all(str(lost.photo_id) in each.key for each in report.oddities)


# -- the tree as people left it -------------------------------------------------------------------------------------


async def test_renamed_race_keeps_the_folders_that_are_there(tmp_path: Path) -> None:
    """The race has another name by now, and somebody renamed a folder: what comes still joins what is there."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        day = next((tmp_path / "photos/Harbour-10K-48211").iterdir())
        day.rename(day.with_name("Sunday 34168"))
        (tmp_path / "photos/Harbour-10K-48211").rename(tmp_path / "photos/Old-name-48211")
        whole = tree(tmp_path / "photos")
        manifest_of(tmp_path / "photos").unlink()
        source.race.name = "Harbour Classic"
        report = await rebuilt_without_a_picture(source, config)
        assert (report.exit_code, report.adopted) == (0, len(whole))
        new = source.race.gain_uploads(2)
        await sync_fetches(source, config, sum(len(each.offered) for each in new))
    assert {key.rsplit("/", 2)[0] for key in tree(tmp_path / "photos")} == {"Old-name-48211/Sunday 34168"}
    assert_agrees(tmp_path / "photos")


async def test_moved_folder_is_followed_and_what_was_lost_on_the_way_joins_it(tmp_path: Path) -> None:
    """With an earlier manifest too: keys follow the files, also that of the one that is to be fetched again."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        (tmp_path / "photos/Harbour-10K-48211").rename(tmp_path / "photos/Mine-48211")
        whole = tree(tmp_path / "photos")
        next((tmp_path / "photos").rglob("large/*.jpg")).unlink()
        report = await rebuilt_without_a_picture(source, config)
        assert (report.moved, report.vanished) == (len(whole) - 1, 1)
        await sync_fetches(source, config, 1)
    assert tree(tmp_path / "photos") == whole


async def test_other_uploaded_names_are_matched_by_photo_and_variant(tmp_path: Path) -> None:
    """A name that changed at the source, a name with ``~2``, and an older layout are all known by their ids."""
    async with SourceSimulator(photos=40) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        first, second = sorted((tmp_path / "photos").rglob("large/*.jpg"))[:2]
        first.rename(first.with_name(f"{first.stem}~2.jpg"))
        second.rename(second.with_name(f"{second.name.split('_')[0]}_quite-another.jpg"))
        manifest_of(tmp_path / "photos").unlink()
        changed = source.config(tmp_path, ARCHIVE__TEMPLATE="{race_id}/{variant}/{photo_id}")
        whole = tree(tmp_path / "photos")
        report = await rebuilt_without_a_picture(source, changed)
        assert (report.exit_code, report.adopted, report.wanted) == (0, len(whole), 0)
        await sync_fetches(source, changed, 0)


async def test_what_is_not_a_whole_picture_is_not_adopted(tmp_path: Path) -> None:
    """Cut short, empty, or something else: named and left alone, fetched again, and then kept among the versions."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        whole = tree(tmp_path / "photos")
        victims = sorted((tmp_path / "photos").rglob("*.jpg"))[:3]
        bodies = [victims[0].read_bytes()[:-2], b"", b"<html>not found</html>"]
        for victim, body in zip(victims, bodies, strict=True):
            victim.chmod(0o644)
            victim.write_bytes(body)
        manifest_of(tmp_path / "photos").unlink()
        report = await rebuilt_without_a_picture(source, config)
        assert (report.exit_code, report.damaged, report.wanted) == (1, 3, 3)
        assert {each.key for each in report.oddities} == {
            str(victim.relative_to(tmp_path / "photos")) for victim in victims
        }
        await sync_fetches(source, config, 3)
    assert tree(tmp_path / "photos") == whole
    kept = [path.read_bytes() for path in (tmp_path / "photos/.mirror/versions").rglob("*") if path.is_file()]
    assert sorted(kept) == sorted(bodies)


async def test_names_that_differ_by_case_only_are_two_files(tmp_path: Path) -> None:
    """The one on record stays it; its twin is named, whichever comes first."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        picture = next((tmp_path / "photos").rglob("large/*_DSC_*.jpg"))
        twins = [
            picture.with_name(picture.name.replace("DSC", "dsc")),
            picture.with_name(picture.name.replace("jpg", "JPG")),
        ]
        for twin in twins:
            shutil.copy(picture, twin)
        if len(list(picture.parent.glob(f"{picture.name.split('_')[0]}_*"))) != 3:
            pytest.skip("this disk does not tell case apart")
        report = await rebuilt_without_a_picture(source, config)
        assert (report.known, report.damaged) == (len(tree(tmp_path / "photos")) - 2, 0)
        assert {each.key for each in report.oddities} == {str(twin.relative_to(tmp_path / "photos")) for twin in twins}


async def test_file_larger_than_any_asset_is_not_read(tmp_path: Path) -> None:
    """Memory is bounded by what an asset may be."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        large = next((tmp_path / "photos").rglob("large/*.jpg"))
        large.chmod(0o644)
        with large.open("ab") as file:
            file.write(b"x" * 200_000)
        manifest_of(tmp_path / "photos").unlink()
        report = await rebuilt_without_a_picture(source, source.config(tmp_path, DOWNLOAD__LARGEST_ASSET="100KB"))
        assert [each.reason for each in report.oddities] == ["larger than any asset (download.largest_asset)"]


async def test_strangers_are_named_and_left_alone(tmp_path: Path) -> None:
    """Notes, links, pipes, names that are no text, second files; but not what systems and we ourselves leave."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        root = tmp_path / "photos"
        outside = tmp_path / "outside/34168/large"
        outside.mkdir(parents=True)
        picture = next(root.rglob("large/*.jpg"))
        shutil.copy(picture, outside)
        (root / "link-48211").symlink_to(tmp_path / "outside")
        (root / "notes.txt").write_text("mine")
        os.mkfifo(root / "pipe")
        (root / os.fsdecode(b"Harbour-10K-48211/\xff.jpg")).write_bytes(b"x")
        shutil.copy(picture, picture.with_name(f"{picture.stem}~2.jpg"))
        for litter in (".DS_Store", "Thumbs.db", "Harbour-10K-48211/._x.jpg"):
            (root / litter).write_bytes(b"x")
        manifest_of(root).unlink()
        report = await rebuilt_without_a_picture(source, config)
        assert (report.exit_code, report.damaged) == (1, 0)
        assert sorted(each.reason.split(",")[0].split(" holds")[0] for each in report.oddities) == [
            "a link", "its asset", "its name is no text", "its name names no photo", "no regular file",
        ]  # fmt: skip
        await sync_fetches(source, config, 0)


async def test_versions_are_on_record_again(tmp_path: Path) -> None:
    """Earlier bytes are matched by key and hash; one that is not what its name promises is named."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        for photo in list(source.race.photos.values())[-2:]:
            photo.name, photo.version = f"{photo.name[:-4]}ffff", 1
        await run_sync(config, is_full=True)
        root = tmp_path / "photos"
        kept = sorted(path for path in (root / ".mirror/versions").rglob("*") if path.is_file())
        query = "SELECT version.key, hex(version.sha256), photo_id, variant FROM version JOIN asset USING (asset_id) JOIN photo USING (photo_no) ORDER BY 1"
        before = ask(manifest_of(root), query)
        kept[0].chmod(0o644)
        kept[0].write_bytes(b"another")
        manifest_of(root).unlink()
        report = await rebuilt_without_a_picture(source, config)
        assert (report.exit_code, report.versions, report.damaged) == (1, len(kept) - 1, 1)
        assert report.oddities[0].key == str(kept[0].relative_to(root))
        assert ask(manifest_of(root), query) == before[1:]
        kept[1].unlink()
        await run_rebuild(config)
        assert len(ask(manifest_of(root), query)) == len(kept) - 2


async def test_disk_mounted_over_stored_files_ends_it(tmp_path: Path) -> None:
    """Where files should lie that cannot be seen, nothing is wanted again and nothing is replaced."""
    from tests.test_archive_disks import mount, unmount  # noqa: PLC0415 - skips where mounting is refused

    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = manifest_of(tmp_path / "photos").read_bytes()
        disk = next((tmp_path / "photos/Harbour-10K-48211").iterdir()) / "large"
        mount("-t", "tmpfs", "tmpfs", disk)
        try:
            with pytest.raises(ArchiveError, match="mount point"):
                await run_rebuild(config)
        finally:
            unmount(disk)
        assert manifest_of(tmp_path / "photos").read_bytes() == before


# -- more than one race, more than is configured --------------------------------------------------------------------


async def test_two_races_in_one_archive_are_kept_apart(tmp_path: Path) -> None:
    """Equal photo ids are no matter; a race that is not configured is named, and comes when it is."""
    async with SourceSimulator() as source, other_source() as other:
        config, second = source.config(tmp_path), other.config(tmp_path)
        await run_sync(config)
        mine = len(tree(tmp_path / "photos"))
        await run_sync(second)
        before = held(tmp_path / "photos")
        manifest_of(tmp_path / "photos").unlink()
        report = await rebuilt_without_a_picture(source, config)
        assert (report.exit_code, report.adopted, report.unmatched) == (1, mine, len(before) - mine)
        assert {each.reason for each in report.oddities} == {"no photos of race 50001 are known: is it configured?"}
        report = await rebuilt_without_a_picture(other, second)
        assert (report.exit_code, report.known, report.adopted) == (0, mine, len(before) - mine)
        assert held(tmp_path / "photos") == before
        await sync_fetches(source, config, 0)
        await sync_fetches(other, second, 0)


async def test_what_is_configured_no_more_is_matched_all_the_same(tmp_path: Path) -> None:
    """Race days, variants and participant uploads of earlier configurations stay on record, and none is fetched."""
    async with SourceSimulator(photos=60) as source:
        await run_sync(source.config(tmp_path, RACES__0__DAYS="all"))
        whole = tree(tmp_path / "photos")
        before = held(tmp_path / "photos")
        assert len({key.split("/")[1] for key in whole}) == 2
        manifest_of(tmp_path / "photos").unlink()
        narrow = source.config(tmp_path, DOWNLOAD__VARIANTS="thumbnail", RACES__0__PARTICIPANT_UPLOADS="false")
        report = await rebuilt_without_a_picture(source, narrow)
        assert (report.exit_code, report.adopted, report.wanted) == (0, len(whole), 0)
        assert held(tmp_path / "photos") == before
        await sync_fetches(source, narrow, 0)
        await sync_fetches(source, source.config(tmp_path, RACES__0__DAYS="all"), 0)


async def test_variant_that_the_source_offers_no_more_is_named(tmp_path: Path) -> None:
    """Nobody invents an address for a file: it is left alone."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        photo = max(source.race.photos.values(), key=lambda each: each.photo_id)
        photo.offered = ("large", "thumbnail")
        manifest_of(tmp_path / "photos").unlink()
        report = await rebuilt_without_a_picture(source, config)
        assert [each.reason for each in report.oddities] == ["its photo is not offered in this variant"]


# -- refused, killed, in use ----------------------------------------------------------------------------------------


async def test_incomplete_listing_changes_nothing(tmp_path: Path) -> None:
    """What the listing misses a sync would fetch a second time: refused, with the ways out."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path, DOWNLOAD__ATTEMPTS="1")
        await run_sync(config)
        manifest_of(tmp_path / "photos").write_bytes(b"damaged")
        before = stats(tmp_path / "photos")
        source.fault("get-race-photos.json", times=100, status=500)
        with pytest.raises(AccessError, match=r"left as it is.*--offline"):
            await run_rebuild(config)
        assert manifest_of(tmp_path / "photos").read_bytes() == b"damaged"
        assert stats(tmp_path / "photos") == before
        assert not (tmp_path / "photos/.mirror/rebuild").exists()


async def test_refused_key_changes_nothing(tmp_path: Path) -> None:
    """The API refuses the caller: said after two requests, and all stays as it is."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = manifest_of(tmp_path / "photos").read_bytes()
        source.requests.clear()
        with pytest.raises(AccessError, match="check the API key"):
            await run_rebuild(source.config(tmp_path, API__SECRET="wrong"))
        assert len(source.requests) <= 2
        assert manifest_of(tmp_path / "photos").read_bytes() == before


async def test_tree_alone_makes_no_manifest(tmp_path: Path) -> None:
    """Without source and earlier manifest the names of files would only be made to look like knowledge: refused."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        manifest_of(tmp_path / "photos").unlink()
        source.requests.clear()
        with pytest.raises(ManifestError, match="cannot tell which photos there are"):
            await run_rebuild(config, is_offline=True)
        assert source.requests == []
        assert not manifest_of(tmp_path / "photos").exists()


async def test_offline_says_what_it_could_not_match(tmp_path: Path) -> None:
    """Files that came after the earlier manifest stay unmatched until the source is asked."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        shutil.copy(manifest_of(tmp_path / "photos"), tmp_path / "old.sqlite")
        new = source.race.gain_uploads(2)
        await run_sync(config)
        before = held(tmp_path / "photos")
        report = await rebuilt_without_a_picture(source, config, basis=tmp_path / "old.sqlite", is_offline=True)
        assert (report.exit_code, report.unmatched) == (1, sum(len(each.offered) for each in new))
        report = await rebuilt_without_a_picture(source, config)
        assert (report.exit_code, report.adopted) == (0, sum(len(each.offered) for each in new))
        assert held(tmp_path / "photos") == before


async def test_running_sync_keeps_a_rebuild_out(tmp_path: Path) -> None:
    """One writing command at a time: the rebuild says who holds the archive, and changes nothing."""
    async with SourceSimulator(photos=60) as source:
        config = source.config(tmp_path)
        first = asyncio.create_task(run_sync(config))
        while not source.requests:
            await asyncio.sleep(0)
        with pytest.raises(ManifestError, match=f"in use.*{os.getpid()}"):
            await run_rebuild(config)
        assert (await first).exit_code == 0


async def test_running_rebuild_keeps_a_sync_out(tmp_path: Path) -> None:
    """The lock is held from the first look to the last rename."""
    async with SourceSimulator(photos=60) as source:
        config = source.config(tmp_path)
        await run_sync(config)
        refusals = []

        async def try_sync() -> None:
            with pytest.raises(ManifestError, match="in use") as refused:
                await run_sync(config)
            refusals.append(refused)

        tries: list[asyncio.Task[None]] = []
        source.on_request = lambda _: tries.append(asyncio.create_task(try_sync()))
        source.requests.clear()
        await run_rebuild(config)
        await asyncio.gather(*tries)
        assert len(refusals) == len(source.requests) > 0


@pytest.mark.parametrize("litter", [[], [".DS_Store", "lost+found"]])
async def test_empty_folder_is_no_tree(tmp_path: Path, litter: list[str]) -> None:
    """A disk that is not mounted is not made an archive of, and the manifest elsewhere stays what it is."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path, ARCHIVE__STATE_DIR=str(tmp_path / "state"))
        await run_sync(config)
        before = manifest_path(config).read_bytes()
        (tmp_path / "photos").rename(tmp_path / "unmounted")
        with pytest.raises(ArchiveError, match="cannot open"):
            await run_rebuild(config)
        (tmp_path / "photos").mkdir()
        for name in litter:
            (tmp_path / "photos" / name).mkdir()
        with pytest.raises(ManifestError, match="is its disk mounted"):
            await run_rebuild(config)
        assert sorted(each.name for each in (tmp_path / "photos").iterdir()) == litter
        assert manifest_path(config).read_bytes() == before


async def test_photos_without_their_state_folder_become_an_archive_again(tmp_path: Path) -> None:
    """Somebody copied the visible folders only: tree and manifest agree again afterwards."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = held(tmp_path / "photos")
        shutil.rmtree(tmp_path / "photos/.mirror")
        assert (await rebuilt_without_a_picture(source, config)).exit_code == 0
        assert held(tmp_path / "photos") == before
        await sync_fetches(source, config, 0)


async def test_death_between_keeping_and_naming_costs_nothing(tmp_path: Path) -> None:
    """Whatever moment the last step dies at, the old manifest has its name still, and the next rebuild ends well."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        before = held(tmp_path / "photos")
        path = manifest_of(tmp_path / "photos")
        workshop = Workshop(path)
        kept = workshop.keep(path)
        workshop.draft.write_bytes(b"half a manifest")
        workshop._lock.release()
        assert held(tmp_path / "photos") == before
        assert kept is not None
        report = await rebuilt_without_a_picture(source, config)
        assert report.exit_code == 0
        assert held(tmp_path / "photos") == before
        assert not (tmp_path / "photos/.mirror/rebuild").exists()


async def test_leftovers_of_a_killed_sync_are_taken_over(tmp_path: Path) -> None:
    """What had its name but no row yet is recorded with all that was learnt of it."""
    async with SourceSimulator() as source:
        config = source.config(tmp_path)
        await run_sync(config)
        path = manifest_of(tmp_path / "photos")
        change(
            path,
            'INSERT INTO committing SELECT asset_id, 1, stored_url, key, size_bytes, sha256, \'{"extension": "jpg", "etag": "\\"x\\""}\' FROM asset LIMIT 1',
        )
        change(
            path,
            "UPDATE asset SET state = 'wanted', wanted_no = 1, key = NULL, sha256 = NULL, size_bytes = NULL WHERE asset_id = (SELECT asset_id FROM committing)",
        )
        report = await rebuilt_without_a_picture(source, config)
        assert (report.exit_code, report.adopted, report.wanted) == (0, 0, 0)
        assert ask(path, "SELECT count(*) FROM asset WHERE etag = '\"x\"'") == [(1,)]
