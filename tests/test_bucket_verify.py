"""Verify in a bucket: what the store says is believed where it can be, and what was done to objects is found."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from mirror import run_sync
from mirror.archive.objects import open_bucket
from mirror.findings import Check, Sample, VerifyReport
from mirror.tally import Steps
from mirror.verify import repair, verify
from tests.s3_server import S3Server
from tests.simulator import SourceSimulator
from tests.test_bucket_sync import Club, club

__all__ = ["club"]

LONG_AGO = "UPDATE asset SET stored_at = '2020-01-01T00:00:00Z'"


async def check(club: Club, wish: Check | None = None) -> VerifyReport:
    """Verify the archive in a bucket."""
    path = club.state / "manifest.sqlite"
    return await verify(club.root, path, wish or Check(), steps=Steps(), stop=asyncio.Event())


def ask(club: Club, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask or change the manifest."""
    with closing(sqlite3.connect(club.state / "manifest.sqlite")) as connection:
        found = connection.execute(query, values).fetchall()
        connection.commit()
    return found


async def stored(club: Club, source: SourceSimulator) -> list[str]:
    """Archive a race; returns the keys of its pictures."""
    assert (await run_sync(club.config(source))).exit_code == 0
    return [row[0] for row in ask(club, "SELECT key FROM asset WHERE state = 'stored' ORDER BY key")]


def pictures_asked(club: Club, before: int) -> list[str]:
    """What was asked of single pictures since then."""
    return [each for each in club.requests()[before:] if each.endswith(".jpg")]


async def test_objects_that_nobody_touched_are_judged_by_listings(club: Club) -> None:
    """No picture is asked for by itself and none is read; a sample of a few costs a few questions."""
    async with SourceSimulator(photos=60) as source:
        keys = await stored(club, source)
    before = len(club.requests())
    report = await check(club)
    assert (report.right, report.compared, report.bytes, report.is_right) == (len(keys), len(keys), 0, True)
    assert pictures_asked(club, before) == []
    assert len(club.requests()) - before < 10
    assert ask(club, "SELECT count(*) FROM asset WHERE verified_at NOT NULL") == [(0,)]
    before = len(club.requests())
    assert (await check(club, Check(sample=Sample(count=3)))).right == 3
    assert len(pictures_asked(club, before)) == 3


async def test_labels_are_asked_where_times_say_too_little(club: Club) -> None:
    """Objects that look newer than what was stored, as all do after a copy, are asked for their label, and not read."""
    async with SourceSimulator(photos=20) as source:
        keys = await stored(club, source)
    ask(club, LONG_AGO)
    before = len(club.requests())
    report = await check(club)
    assert (report.right, report.bytes) == (len(keys), 0)
    assert sorted(pictures_asked(club, before)) == [f"HEAD {key}" for key in keys]


async def test_what_was_done_to_objects_is_found_and_mended(club: Club) -> None:
    """Another size, other bytes, nothing there, something extra: each is named, wanted again, and fetched."""
    async with SourceSimulator(photos=20) as source:
        cut, swapped, gone, *_ = keys = await stored(club, source)
        bucket = open_bucket(club.root)
        body, _ = await bucket.get(swapped)
        await bucket.put(cut, b"short")
        await bucket.put(swapped, bytes(reversed(body)))
        await bucket.delete([gone])
        await bucket.put("notes/mine.txt", b"mine")
        ask(club, LONG_AGO)
        report = await check(club)
        assert (sorted(report.damaged), report.missing, report.extra) == ([cut, swapped], [gone], ["notes/mine.txt"])
        assert (report.right, report.bytes) == (len(keys) - 3, len(body))
        await repair(club.config(source), report)
    assert report.is_right
    assert (await bucket.get(swapped))[0] == body
    report = await check(club, Check(is_deep=True))
    assert (report.right, report.extra, report.is_right) == (len(keys), ["notes/mine.txt"], True)


async def test_deep_look_reads_what_the_quick_one_believes(club: Club) -> None:
    """Bytes that changed while time and size look right are found by reading, which is noted as any hashing."""
    async with SourceSimulator(photos=9) as source:
        keys = await stored(club, source)
    bucket = open_bucket(club.root)
    body, facts = await bucket.get(keys[0])
    await bucket.put(keys[0], bytes(reversed(body)), labels=facts.labels)
    assert (await check(club)).is_right
    report = await check(club, Check(is_deep=True))
    assert (report.damaged, report.right, report.compared) == ([keys[0]], len(keys) - 1, 0)
    assert ask(club, "SELECT count(*) FROM asset WHERE verified_at NOT NULL") == [(len(keys) - 1,)]


@pytest.mark.slow
async def test_far_keys_are_not_listed_for(s3: S3Server, club: Club) -> None:
    """Files that lie far apart among many others are asked for one by one, soon."""
    bucket = open_bucket(club.root)
    await asyncio.gather(*(bucket.put(f"a/{number:05}.jpg", b"x") for number in range(3000)))
    from mirror.archive.objects.glancing import Glancer  # noqa: PLC0415
    from mirror.archive.objects.shelf import Shelf  # noqa: PLC0415

    before = len(club.requests())
    keys = [f"a/{number:05}.jpg" for number in range(0, 3000, 150)]
    assert set(await Glancer(Shelf(bucket)).find(keys)) >= set(keys)
    listings = [each for each in s3.requests() if each.startswith(f"GET /{club.bucket}?")]
    assert (len(listings), len(pictures_asked(club, before))) == (1, 13)
