"""A manifest of half a million photos, and how long the commands that ask it take.

    python benchmarks/manifest_500k.py make DIR     # an archive without its pictures, made in a minute or two
    python benchmarks/manifest_500k.py time DIR     # each command as a person starts it, best of three

The archive has ten races with five race days each, originals and thumbnails, some 1.1 bibs a photo, one photo in
forty wanted and failed, and 200,000 rows of history.
"""

import argparse
import asyncio
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from mirror.manifest import Manifest
from mirror.model import Race, RaceDay

RACES, DAYS, PHOTOS, RUNS = 10, 5, 500_000, 400
PER_DAY = PHOTOS // (RACES * DAYS)
VARIANTS = ("original", "thumbnail")
UPLOADERS = ("ABC_", "DSC_", "IMG_", "XY_")
NOON_TS = 1_590_000_000

COMMANDS = (
    ("--version",),
    ("status",),
    ("find", "1179"),
    ("find", "1179", "1308", "--race", "Race 3"),
    ("find", "01179"),
    ("find", "--untagged", "--race", "100"),
    ("find", "--uploaded-by", "ABC_", "--since", "2024-05-17"),
    ("log",),
    ("log", "--bib", "1179", "--since", "30 days ago"),
    ("failures",),
    ("report", "--race", "Race 3"),
    ("report",),
)


async def make(folder: Path) -> None:
    """Make the manifest, empty, with its races."""
    manifest = await Manifest.open(folder / ".mirror/manifest.sqlite", create=True)
    for race in range(RACES):
        days = tuple(
            RaceDay(race_id=100 + race, race_day_id=1000 * race + day + 1, starts_on=None) for day in range(DAYS)
        )
        await manifest.note_race(Race(race_id=100 + race, name=f"Race {race}", timezone="America/New_York", days=days))
    await manifest.aclose()


def fill(path: Path) -> None:
    """Fill the tables as runs would have, in bulk."""
    rng = random.Random(1)
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO run (run_id, command, program, started_at, ended_at, exit_code, stored) "
            "VALUES (?, 'sync', 'benchmark', ?, ?, 0, 100)",
            [(run, at, at) for run in range(1, RUNS + 1) for at in [_at(run)]],
        )
        for day_no in range(RACES * DAYS):
            _fill_day(connection, rng, day_no)
        connection.execute("UPDATE race SET listed_at = '2026-01-01T00:00:00Z'")
        connection.execute("COMMIT")
    connection.close()


def _at(run: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - (RUNS - run) * 86_400))


def _fill_day(connection: sqlite3.Connection, rng: random.Random, day_no: int) -> None:
    race_id, race_day_id = 100 + day_no // DAYS, 1000 * (day_no // DAYS) + day_no % DAYS + 1
    first = day_no * PER_DAY + 1
    start_ts = NOON_TS + day_no * 30 * 86_400
    numbers = range(first, first + PER_DAY)
    bibs = [(no, at, str(rng.randrange(1, 4000))) for no in numbers for at in range(rng.choice((0, 1, 1, 1, 2)))]
    connection.executemany(
        "INSERT INTO photo VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, NULL)",
        [
            (
                no, race_id, 900_000 + no, race_day_id, race_day_id, str(rng.randrange(300, 310)),
                f"{UPLOADERS[no % 4]}{no % 10_000:04d}.JPG", start_ts + (no - first) * 3, 1 + no % RUNS,
            )
            for no in numbers
        ],
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO photo_json VALUES (?, ?)", [(no, f'{{"photo_id":{no},"more":"{"x" * 400}"}}') for no in numbers]
    )
    connection.executemany("INSERT INTO bib VALUES (?, ?, ?)", bibs)
    connection.executemany(
        "INSERT INTO asset (photo_no, variant, state, wanted_no, url, host, key, size_bytes, sha256, taken_at, "
        "stored_at, failure, failed_at) VALUES (?, ?, ?, ?, ?, 'a.example', ?, ?, ?, ?, '2026-01-01T00:00:00Z', ?, ?)",
        [_asset(rng, no, variant, (race_id, race_day_id, start_ts)) for no in numbers for variant in VARIANTS],
    )
    connection.executemany(
        "INSERT INTO history (run_id, at, race_id, photo_id, what, after) VALUES (?, ?, ?, ?, 'bib added', ?)",
        [(1 + no % RUNS, _at(1 + no % RUNS), race_id, 900_000 + no, bib) for no, _, bib in bibs[:4000]],
    )


def _asset(rng: random.Random, no: int, variant: str, day: tuple[int, int, int]) -> tuple[object, ...]:
    race_id, race_day_id, start_ts = day
    url = f"https://a.example/{variant}/race_{race_id}_{race_day_id}_{no:032x}.jpg"
    if no % 40 == 0 and variant == "original":
        return no, variant, "wanted", no, url, None, None, None, None, "not found", "2026-01-01T00:00:00Z"
    key = f"Race-{race_id}/2024-05-17-{race_day_id}/{variant}/{no}_DSC_{no % 10_000}.jpg"
    taken = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start_ts + no % 10_000)) if variant == "original" else None
    return no, variant, "stored", None, url, key, rng.randrange(10**6, 10**7), rng.randbytes(32), taken, None, None


def time_all(folder: Path) -> None:
    """Run each command three times and say what the quickest took, in seconds."""
    for words in COMMANDS:
        took = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-m", "mirror", *words], cwd=folder, check=False, capture_output=True)
            took.append(time.perf_counter() - began)
        sys.stdout.write(f"{min(took):6.2f} s  mirror {' '.join(words)}\n")


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "time"))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "make":
        asyncio.run(make(arguments.folder))
        fill(arguments.folder / ".mirror/manifest.sqlite")
    else:
        time_all(arguments.folder)


if __name__ == "__main__":
    main()
