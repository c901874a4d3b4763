"""What a person sees: honest numbers, calm lines, a summary that fits a screen."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from mirror.model import BibChange, FailureGroup, PassReport, RunReport
from mirror.progress import Progress, causes, clock_text, count_text, next_step, size_text, summary_lines, time_text
from mirror.tally import Tally

NOON = datetime(2026, 5, 18, 12, tzinfo=UTC)


class Screen:
    """A terminal of some width that remembers what it shows, with a clock that is set by hand."""

    def __init__(self, tally: Tally, *, width: int = 80, is_terminal: bool = True) -> None:
        self.now = 100.0
        self.text = io.StringIO()
        self.console = Console(file=self.text, width=width, force_terminal=is_terminal, color_system=None)
        self.progress = Progress(
            tally, console=self.console, out=self.console, plain_every_s=3600, clock=lambda: self.now
        )

    def lines(self) -> list[str]:
        """The live view, line by line."""
        self.text.seek(0)
        self.text.truncate()
        self.console.print(self.progress.view())
        return self.text.getvalue().splitlines()


def test_run_that_lists_nothing_shows_no_listing() -> None:
    """A retry has one thing to tell."""
    console = Console(file=io.StringIO(), width=80)
    progress = Progress(Tally(is_listing_done=True, wanted=3, stored=1), is_listing=False, console=console)
    assert "listing" not in progress.line()
    assert "downloading 1 of 3 files" in progress.line()


def running() -> Tally:
    """A large run in the middle of everything."""
    return Tally(
        phase="listing", pages=1234, photos_listed=123_400, photos_expected=500_000, wanted=370_200, stored=100_000,
        fetched_bytes=123 * 10**9, failed=12, retries=345, in_flight=64, waiting_for="photos.s3.amazonaws.com (30 s)",
    )  # fmt: skip


def report(**fields: object) -> RunReport:
    """A report of a run that took two minutes."""
    return RunReport(**{"run_id": 1, "started_at": NOON, "ended_at": NOON + timedelta(minutes=2), **fields})  # type: ignore[arg-type]


def a_pass(**fields: object) -> PassReport:
    """A complete full pass."""
    given = {"race_id": 48211, "race_day_id": 34168, "kind": "full", "is_complete": True, **fields}
    return PassReport(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40, 20])
def test_view_fits_any_width(width: int) -> None:
    """The view is three lines that never wrap, from a wide terminal to a very narrow one."""
    screen = Screen(running(), width=width)
    lines = screen.lines()
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)
    assert lines[0].startswith("List")
    assert lines[1].startswith("Down")


def test_view_says_what_matters_at_eighty_columns() -> None:
    """Counts, sizes and the time left stand on a plain terminal."""
    tally = running()
    screen = Screen(tally)
    screen.lines()
    screen.now += 10
    tally.photos_listed += 1000
    tally.stored += 500
    tally.fetched_bytes += 84 * 10**6
    text = "\n".join(screen.lines())
    for part in ("124,400 of 500,000 photos", "100/s", "100,500 of 370,200 files", "8.4 MB/s", "12 failed", "(30 s)"):
        assert part in text


def test_time_left_is_unknown_while_nobody_can_know() -> None:
    """Without an expected number of photos there is no time left to be told, however fast it goes."""
    tally = Tally(phase="listing", pages=1, photos_listed=100, wanted=300, stored=10)
    screen = Screen(tally)
    screen.lines()
    screen.now += 5
    tally.stored += 100
    assert screen.lines()[1].rstrip().endswith("…")


def test_time_left_counts_what_is_not_listed_yet() -> None:
    """Half of the photos listed means twice the files: 2,700 more at 30 a second are 90 seconds."""
    tally = Tally(phase="listing")
    screen = Screen(tally)
    screen.lines()
    screen.now += 10
    tally.pages, tally.photos_listed, tally.photos_expected, tally.wanted, tally.stored = 5, 500, 1000, 1500, 300
    assert "1:30 left" in screen.lines()[1]


def test_time_left_after_the_listing_is_plain() -> None:
    """Once all is listed, what is left is divided by the pace of the last seconds."""
    tally = Tally(phase="fetching", pages=5, photos_listed=500, is_listing_done=True, wanted=1500, stored=0)
    screen = Screen(tally)
    screen.lines()
    screen.now += 10
    tally.stored = 500
    lines = screen.lines()
    assert "0:20 left" in lines[1]
    assert "done" in lines[0]


def test_second_walk_is_not_counted_as_more_photos() -> None:
    """A listing that is read once more shows no more photos than there are."""
    tally = Tally(phase="listing", pages=9, photos_listed=900, photos_expected=500)
    assert "500 photos, once more" in Screen(tally).lines()[0]


def test_columns_never_get_narrower() -> None:
    """A number that shrinks leaves the others where they are."""
    tally = Tally(phase="fetching", is_listing_done=True, wanted=1_000_000, stored=1)
    screen = Screen(tally)
    before = screen.lines()[1].index("1 of")
    tally.wanted = 10
    assert screen.lines()[1].index("1 of") == before


def test_without_a_terminal_there_are_plain_lines() -> None:
    """A log file gets whole lines without control characters, the last one at the end."""
    screen = Screen(running(), is_terminal=False)
    with screen.progress:
        screen.now += 61
    line = screen.text.getvalue()
    assert line.startswith("1:01 listing 123,400 of 500,000 photos")
    assert line.count("\n") == 1
    assert line.strip().isprintable()


def test_quiet_shows_nothing() -> None:
    """With --quiet neither view nor line comes."""
    text = io.StringIO()
    with Progress(Tally(), is_quiet=True, console=Console(file=text, force_terminal=True)):
        pass
    assert text.getvalue() == ""


def test_live_view_leaves_nothing_behind() -> None:
    """After the run the terminal is free for the summary: the cursor is shown again."""
    screen = Screen(Tally(phase="starting"))
    with screen.progress:
        pass
    assert screen.text.getvalue().rstrip().endswith("\x1b[2K")
    assert "\x1b[?25h" in screen.text.getvalue()


def test_summary_says_what_is_new() -> None:
    """Photos, files, bytes, pace, duration, changed bibs and photos that are no longer listed."""
    done = report(
        stored=892, stored_bytes=120 * 10**6, adopted=3, vanished=1, already_gone=2, bibs_changed=9,
        passes=(a_pass(photos=235, new_photos=25, changed_photos=4, unlisted=2, warnings=("the albums count 7",)),),
        bib_changes=(
            BibChange(race_id=48211, photo_id=900_001, before=("12",), after=("12", "7")),
            BibChange(race_id=48211, photo_id=900_002, before=(), after=("5",)),
        ),
    )  # fmt: skip
    text = "\n".join(line for line, _ in summary_lines(done))
    for part in (
        "Complete.", "25 new photos, 892 files stored, 120 MB at 1.0 MB/s, in 2 min 0 s",
        "race 48211 day 34168: 235 photos read, 25 new, 4 changed, 2 no longer listed (kept)",
        "the albums count 7", "bibs changed on 9 photos", "photo 900001: 12 -> 12, 7", "photo 900002: none -> 5",
        "3 files found finished", "1 file had vanished", "2 files gone at the source",
    ):  # fmt: skip
        assert part in text
    assert causes(done) == []


def test_summary_and_causes_fit_a_screen() -> None:
    """However much went wrong, it is told in lines that fit a screen."""
    bad = report(
        missing=500, gone=3, bibs_changed=5000, rejects=tuple(f"race 1 day 2 photo {n}: no URL" for n in range(50)),
        passes=tuple(
            a_pass(race_day_id=n, new_photos=n + 1, is_complete=n > 1, reason="code 6", warnings=("odd",) * 9)
            for n in range(40)
        ),
        bib_changes=(BibChange(race_id=1, photo_id=2, before=("3",), after=("4",)),) * 100,
        failures=tuple(FailureGroup(reason=f"r{n}", host="h", count=9, example="photo 1") for n in range(30)),
    )  # fmt: skip
    assert len([*summary_lines(bad), *causes(bad)]) <= 46
    assert "more cause" in causes(bad)[-1]


def test_each_cause_is_one_line() -> None:
    """An incomplete listing, missing files by reason, files gone and unusable records are each named."""
    bad = report(
        missing=2, gone=1, rejects=("race 1 day 2 photo 9 large: no usable URL",),
        passes=(a_pass(is_complete=False, reason='the API says "no" (code 6)'),),
        failures=(FailureGroup(reason="forbidden", host="h.example", count=2, example="photo 5 large: HTTP 403"),),
    )  # fmt: skip
    assert causes(bad) == [
        'race 48211 day 34168: listing incomplete: the API says "no" (code 6)',
        "2 files missing: forbidden (h.example), such as photo 5 large: HTTP 403",
        "1 file gone: refused, and no longer listed",
        "not usable: race 1 day 2 photo 9 large: no usable URL",
    ]


def test_a_stopped_run_blames_nothing_that_was_not_tried() -> None:
    """What a signal left undone is no failure of any file."""
    stopped = report(
        is_stopped=True, missing=7, passes=(a_pass(is_complete=False, reason="stopped"),),
        failures=(FailureGroup(reason="not tried yet", host="h", count=7, example="photo 1 large"),),
    )  # fmt: skip
    assert causes(stopped) == []
    assert next(summary_lines(stopped))[0].startswith("Stopped.")


def test_next_step_depends_on_how_it_ended() -> None:
    """The advice fits: go on, try again, or come back."""
    look = "mirror status"
    assert "goes on" in next_step(report(is_stopped=True), look=look)
    assert "goes on" in next_step(report(passes=(a_pass(is_complete=False),)), look=look)
    assert "tries again" in next_step(report(missing=1), look=look)
    assert "what is new" in next_step(report(), look=look)


def test_numbers_read_well() -> None:
    """Sizes, durations and counts as people write them, at every border."""
    assert [size_text(size) for size in (0, 999, 1000, 99_949, 99_950, 999_499, 999_500, 10**9, 2 * 10**12)] == [
        "0 B", "999 B", "1.0 kB", "99.9 kB", "100 kB", "999 kB", "1.0 MB", "1.0 GB", "2.0 TB",
    ]  # fmt: skip
    assert [time_text(seconds) for seconds in (0.26, 9.9, 59.4, 59.6, 3599, 7500, 300_000)] == [
        "0.3 s", "9.9 s", "59 s", "1 min 0 s", "59 min 59 s", "2 h 5 min", "3 days",
    ]  # fmt: skip
    assert [clock_text(seconds) for seconds in (0, 41, 3725, 400_000)] == ["0:00", "0:41", "1:02:05", "4 days"]
    assert [count_text(count, "photo") for count in (0, 1, 2040)] == ["0 photos", "1 photo", "2,040 photos"]
