"""A pass sees everything or says that it did not."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import AccessError
from mirror.listing import Listing, Memory, Reading, albums_text, full_reason
from mirror.model import Album, Page, PassKind, Photo, Scope
from mirror.photo_ids import PhotoIds

NOW_TS = 1_700_000_000
NOW = datetime.fromtimestamp(NOW_TS, UTC)


def photo(photo_id: int, uploaded_ts: int | None = None) -> Photo:
    """One photo, uploaded in the order of its id."""
    return Photo(
        photo_id=photo_id, race_day_id=1, album_id="1", bibs=(), variants=(), uploaded_filename=None,
        uploaded_ts=NOW_TS - 10_000 + photo_id if uploaded_ts is None else uploaded_ts, json="{}",
    )  # fmt: skip


@dataclass
class Site:
    """A race day in memory: paged by offset, oldest first, with albums that count it."""

    photos: list[Photo]
    page_size: int = 100
    albums_known: bool = True
    has_stamps: bool = True
    clamps: bool = False
    empty_is_doubtful: bool = False
    served_ts: int | None = NOW_TS
    calls: list[str] = field(default_factory=list)
    planned: dict[int, Photo] = field(default_factory=dict)
    before_page: dict[int, list[object]] = field(default_factory=dict)
    """What happens to the list just before the n-th page call is answered."""
    count_error: int = 0
    fails_at: int = 0
    pages_asked: int = 0

    async def photos_page(self, number: int, since_ts: int | None) -> Page:
        """Answer one page call."""
        self.pages_asked += 1
        self.calls.append(f"page {number}" + (f" since {since_ts}" if since_ts is not None else ""))
        for change in self.before_page.pop(self.pages_asked, []):
            if isinstance(change, Photo):
                self.photos.insert(0, change)
            else:
                self.photos = [each for each in self.photos if each.photo_id != change]
        if self.fails_at == self.pages_asked:
            raise AccessError("the API has trouble")
        rows = [each for each in self.photos if since_ts is None or (each.uploaded_ts or 0) >= since_ts]
        last = max(1, -(-len(rows) // self.page_size))
        start = ((min(number, last) if self.clamps else number) - 1) * self.page_size
        shown = tuple(rows[start : start + self.page_size])
        return Page(
            number=number, photos=shown, rows=len(shown), served_ts=self.served_ts,
            is_doubtful=self.empty_is_doubtful and not shown,
        )  # fmt: skip

    async def plan(self, page: Page) -> int:
        """Keep what a page shows; returns how many were new."""
        new = [each for each in page.photos if each.photo_id not in self.planned]
        self.planned |= {each.photo_id: each for each in page.photos}
        return len(new)

    def read(self, kind: PassKind = "full", memory: Memory | None = None, scope: Scope | None = None) -> Reading:
        """Make one pass."""
        site = self

        class Source:
            async def photos(
                self, race_id: int, race_day_id: int, number: int, *,
                scope: Scope, album_id: str | None, since_ts: int | None,
            ) -> Page:  # fmt: skip
                return await site.photos_page(number, since_ts)

            async def albums(self, race_id: int, race_day_id: int) -> tuple[Album, ...]:
                site.calls.append("albums")
                if not site.albums_known:
                    raise AccessError("no albums")
                count = len(site.photos) + site.count_error
                stamp = NOW_TS + sum(each.photo_id for each in site.photos) if site.has_stamps else None
                return (Album(album_id="1", race_day_id=1, name="", last_modified_ts=stamp, num_photos=count),)

        listing = Listing(
            source=Source(), plan=self.plan, race_id=1, race_day_id=1, scope=scope or Scope(), page_size=100,
            most_pages=1000,
        )  # fmt: skip
        return asyncio.run(listing.read(kind, memory or Memory()))


def test_full_pass_reads_every_page_once_when_nothing_moves() -> None:
    """With albums that stand still, a full pass costs its pages, one more, and two album calls."""
    site = Site([photo(n) for n in range(1, 251)])
    reading = site.read()
    assert reading.is_complete
    assert len(site.planned) == reading.photos == 250
    assert sorted(site.calls) == ["albums", "albums", "page 1", "page 2", "page 3", "page 4"]


def test_short_page_is_not_the_end() -> None:
    """A source that gives fewer than asked for is read to its end all the same."""
    site = Site([photo(n) for n in range(1, 121)], page_size=50)
    assert site.read().is_complete
    assert len(site.planned) == 120


def test_repeated_last_page_ends_the_walk() -> None:
    """A source that repeats its last page for ever ends after two pages without anything unseen."""
    site = Site([photo(n) for n in range(1, 131)], clamps=True)
    assert site.read().is_complete
    assert site.pages_asked <= 5


def test_last_page_exactly_full_costs_one_more_call() -> None:
    """A list that fills its last page ends with one empty page."""
    site = Site([photo(n) for n in range(1, 201)])
    assert site.read().is_complete
    assert site.pages_asked == 3


def test_photo_shifted_by_a_deletion_is_found_by_another_walk() -> None:
    """A deletion on an earlier page hides a photo from the first walk, not from the pass."""
    site = Site([photo(n) for n in range(1, 251)], before_page={2: [5]})
    assert site.read().is_complete
    assert set(site.planned) >= set(range(1, 251)) - {5}


def test_uploads_during_the_pass_do_not_make_it_endless() -> None:
    """Photos stamped after the pass began may come with it, but do not count as new."""
    late: dict[int, list[object]] = {n: [photo(1000 + n, NOW_TS + n)] for n in range(2, 40)}
    site = Site([photo(n) for n in range(1, 251)], before_page=late)
    reading = site.read()
    assert reading.is_complete
    assert set(site.planned) >= set(range(1, 251))
    assert reading.watermark_ts == NOW_TS - 10_000 + 250


def test_list_that_never_rests_is_incomplete() -> None:
    """Three walks that each bring photos which should have been there are no complete pass."""
    site = Site([photo(n) for n in range(1, 251)], before_page={n: [photo(2000 + n)] for n in range(2, 60)})
    reading = site.read()
    assert not reading.is_complete
    assert "did not come to rest" in reading.reason
    assert reading.watermark_ts is None


def test_unstamped_albums_prove_nothing() -> None:
    """Albums without stamps cannot show that nothing moved: the listing is read twice."""
    site = Site([photo(n) for n in range(1, 151)], has_stamps=False)
    assert site.read().is_complete
    assert site.calls.count("page 1") == 2


def test_difference_of_counts_that_stays_is_a_warning() -> None:
    """Albums that count more than the listing ever shows are warned of, and no failure."""
    site = Site([photo(n) for n in range(1, 151)], count_error=7)
    reading = site.read()
    assert reading.is_complete
    assert any("count 157" in warning for warning in reading.warnings)


def test_missing_albums_are_a_warning() -> None:
    """Without albums a pass reads twice and warns."""
    site = Site([photo(n) for n in range(1, 151)], albums_known=False)
    reading = site.read()
    assert reading.is_complete
    assert reading.warnings
    assert len(site.planned) == 150


def test_failed_page_makes_the_pass_incomplete() -> None:
    """What was read stays planned; the watermark does not move."""
    site = Site([photo(n) for n in range(1, 251)], fails_at=3)
    reading = site.read()
    assert not reading.is_complete
    assert reading.watermark_ts is None
    assert len(site.planned) >= 100


def test_answer_without_photos_is_no_end_while_the_albums_count_more() -> None:
    """An empty object in the middle of a race is a hiccup, not the end of it."""
    site = Site([photo(n) for n in range(1, 151)], empty_is_doubtful=True, count_error=100)
    reading = site.read()
    assert not reading.is_complete
    assert "albums count" in reading.reason


def test_nothing_new_costs_two_calls() -> None:
    """Unchanged albums and one page from the watermark without a stranger end a since pass."""
    site = Site([photo(n) for n in range(1, 251)])
    first = site.read()
    site.calls.clear()
    again = site.read("since", Memory(watermark_ts=first.watermark_ts, albums=first.albums))
    assert again.is_complete
    assert site.calls == ["albums", f"page 1 since {first.watermark_ts}"]


def test_since_pass_looks_back_when_the_albums_changed() -> None:
    """A photo that appears late with an older stamp is found within the overlap."""
    site = Site([photo(n) for n in range(1, 251)])
    first = site.read()
    site.photos.append(photo(900, NOW_TS - 10_000 + 50))
    again = site.read("since", Memory(watermark_ts=first.watermark_ts, albums=first.albums))
    assert again.is_complete
    assert 900 in site.planned


def test_photo_of_the_very_second_of_the_watermark_is_found() -> None:
    """Equal stamps at the watermark lose nothing."""
    site = Site([photo(n) for n in range(1, 51)])
    first = site.read()
    assert first.watermark_ts is not None
    site.photos.append(photo(77, first.watermark_ts))
    site.read("since", Memory(watermark_ts=first.watermark_ts, albums=first.albums))
    assert 77 in site.planned


def test_stamps_in_the_future_or_in_milliseconds_do_not_move_the_watermark() -> None:
    """A watermark is never later than the source's own clock."""
    site = Site([photo(1), photo(2, NOW_TS + 86_400), photo(3, NOW_TS * 1000)])
    assert site.read().watermark_ts == NOW_TS - 10_000 + 1


@given(
    count=st.integers(0, 260),
    page_size=st.integers(7, 100),
    changes=st.dictionaries(st.integers(1, 12), st.integers(1, 260), max_size=6),
    clamps=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_complete_pass_has_seen_all_that_stayed(
    count: int, page_size: int, changes: dict[int, int], clamps: bool
) -> None:
    """Whatever is deleted between the pages: a pass that calls itself complete has missed nothing that is still there."""
    site = Site(
        [photo(n) for n in range(1, count + 1)], page_size=page_size, clamps=clamps,
        before_page={at: [gone] for at, gone in changes.items()},
    )  # fmt: skip
    reading = site.read()
    if reading.is_complete:
        assert {each.photo_id for each in site.photos} <= set(site.planned)


@given(st.lists(st.integers(0, 2**63 - 1)))
def test_photo_ids_are_a_set(ids: list[int]) -> None:
    """The compact set counts like a plain one."""
    compact = PhotoIds()
    assert [compact.add(each) for each in ids] == [each not in ids[:at] for at, each in enumerate(ids)]
    assert compact.count == len(set(ids))


@pytest.mark.parametrize(
    ("age", "newest_age", "is_due"),
    [
        (timedelta(hours=23), timedelta(days=1), False),
        (timedelta(hours=25), timedelta(days=1), True),
        (timedelta(days=2), timedelta(days=140), False),
        (timedelta(days=11), timedelta(days=140), True),
        (timedelta(days=29), timedelta(days=3000), False),
        (timedelta(days=31), timedelta(days=3000), True),
    ],
)
def test_full_passes_are_daily_at_first_and_monthly_in_the_end(
    age: timedelta, newest_age: timedelta, is_due: bool
) -> None:
    """The older the newest upload, the rarer the full pass."""
    memory = Memory(watermark_ts=1, last_full_at=NOW - age, newest_uploaded_ts=int((NOW - newest_age).timestamp()))
    assert (full_reason(memory, now=NOW, full_every_s="auto", is_forced=False) is not None) == is_due


def test_full_pass_in_the_future_counts_as_due() -> None:
    """A local clock that was wrong once does not put full passes off for ever."""
    memory = Memory(watermark_ts=1, last_full_at=NOW + timedelta(days=9), newest_uploaded_ts=NOW_TS)
    assert full_reason(memory, now=NOW, full_every_s=3600.0, is_forced=False)


def test_albums_text_tells_a_changed_stamp() -> None:
    """Ids, counts and stamps are what is compared; names are decoration."""
    one = Album(album_id="1", race_day_id=1, name="A", last_modified_ts=1, num_photos=1)
    renamed = Album(album_id="1", race_day_id=1, name="B", last_modified_ts=1, num_photos=1)
    touched = Album(album_id="1", race_day_id=1, name="A", last_modified_ts=2, num_photos=1)
    assert albums_text([one]) == albums_text([renamed]) != albums_text([touched])
