#!/usr/bin/env python3
"""Measure the gallery of a large race day: how long it takes to make, how large its index is, how it does in a browser.

    .venv/bin/python benchmarks/gallery_100k.py [--photos 100000] [--browser]

The archive is only written down: a manifest, and one small picture that stands for every thumbnail, so that pictures
really are decoded. Needs the project's test extra; ``--browser`` needs Chromium too.
"""

import argparse
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, Page, sync_playwright

from mirror.demo.drawing import draw_scene
from tests.gallery_archive import DAY, write_down

ARGS = ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-sync", "--js-flags=--expose-gc"]
BUILD = (
    "import resource, sys, time; from dataclasses import asdict; from pathlib import Path;"
    "from mirror.cli.output import to_json;"
    "from mirror.gallery import GalleryOptions, build_gallery, default_folder; from mirror.root import ArchiveRoot;"
    "root = ArchiveRoot(Path(sys.argv[1])); options = GalleryOptions(folder=default_folder(root));"
    "report = build_gallery(root, root.path / '.mirror/manifest.sqlite', options);"
    "peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024;"
    "print(to_json({**asdict(report), 'cpu_s': time.process_time(), 'peak_mb': peak_mb}))"
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--steps", type=int, default=500, help="stops on the way through all photos; 0: every screen")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "photos")
        write_down(root / ".mirror" / "manifest.sqlite", photos=options.photos)
        say("first build", build(root))
        say("second build, nothing new", build(root))
        add_photo(root)
        say("third build, one photo more", build(root))
        if options.browser:
            make_pictures(root, options.photos)
            browse(root.with_name("photos-gallery"), options.steps)


def say(what: str, report: dict[str, float]) -> None:
    """Print one build in a line."""
    sys.stdout.write(
        f"{what}: {report['seconds']:.2f} s ({report['cpu_s']:.2f} s of work), peak {report['peak_mb']:.0f} MB, "
        f"{report['written']} files written, "
        f"{report['removed']} removed; index {report['shards']} files, {report['shard_bytes'] / 1e6:.2f} MB\n"
    )


def build(root: Path) -> dict[str, float]:
    """Make the gallery in a process of its own, so that its memory is its own."""
    done = subprocess.run([sys.executable, "-c", BUILD, root], check=True, capture_output=True, text=True)
    report: dict[str, float] = json.loads(done.stdout)
    return report


def add_photo(root: Path) -> None:
    """Let the archive have one photo more in the middle of the day, as a late upload would."""
    with sqlite3.connect(root / ".mirror" / "manifest.sqlite") as connection:
        connection.execute(
            "INSERT INTO photo SELECT 9000000, race_id, 9000000, race_day_id, listed_under, album_id, 'late.jpg', "
            "uploaded_ts, 1, 1, NULL FROM photo WHERE photo_no = 7"
        )
        connection.execute(
            "INSERT INTO asset (photo_no, variant, state, url, host, key, size_bytes, taken_at) VALUES "
            "(9000000, 'thumbnail', 'stored', '', '', 'Harbour-10K-48211/2026-05-17-34168/thumbnail/late.jpg', 1, "
            "'2026-05-17T09:00:00')"
        )


def make_pictures(root: Path, photos: int) -> None:
    """Let a few hundred real pictures stand for all, by symbolic links: each has an address of its own."""
    folder = root / "Harbour-10K-48211" / "2026-05-17-34168"
    drawn = folder / "drawn"
    drawn.mkdir(parents=True)
    for number in range(40):
        scene = draw_scene(number, (str(number),), label="")
        scene.resize((300, 200)).save(drawn / f"wide-{number}.jpg", quality=80)
        scene.resize((200, 300)).save(drawn / f"high-{number}.jpg", quality=80)
    for variant in ("thumbnail", "large"):
        (folder / variant).mkdir()
    for number in range(1, photos + 1):
        name = f"{900_000 + number}_DSC_{number:06d}.jpg"
        shape = "high" if number % 5 == 0 else "wide"
        (folder / "thumbnail" / name).symlink_to(drawn / f"{shape}-{number % 40}.jpg")


def browse(site: Path, steps_wanted: int) -> None:
    """Open the race day as a phone and as a desk would, search, and scroll through everything."""
    with sync_playwright() as playwright:
        for name, (width, height) in {"phone": (390, 844), "desk": (1440, 900), "4K": (3840, 2160)}.items():
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGS)
            page = browser.new_context(viewport={"width": width, "height": height}).new_page()
            started = time.monotonic()
            page.goto((site / f"{DAY}.html").as_uri(), wait_until="commit")
            page.wait_for_function("() => [...document.images].some(each => each.naturalWidth)", polling=10)
            first_s = time.monotonic() - started
            page.wait_for_selector("html.is-ready")
            ready_s = time.monotonic() - started
            before = memory(browser, page)
            started = time.monotonic()
            page.fill("#bib", "1179")
            page.wait_for_function("() => document.querySelector('.cell img')?.alt.includes('1179')", polling=10)
            found_s = time.monotonic() - started
            page.fill("#bib", "")
            page.wait_for_function("() => document.querySelector('[data-part=answer]').textContent === ''")
            most, steps = scroll_through(page, height, steps_wanted)
            after = memory(browser, page)
            sys.stdout.write(
                f"{name} {width} x {height}: first picture {first_s:.2f} s, ready {ready_s:.2f} s, "
                f"search answered with pictures {found_s:.2f} s; scrolled through in {steps} steps, "
                f"at most {most} pictures in the document; before: {before}; after: {after}\n"
            )
            browser.close()


def scroll_through(page: Page, height: int, steps_wanted: int) -> tuple[int, int]:
    """Scroll to the end, screen by screen or in so many steps; returns the most pictures seen, and the steps."""
    most, steps = page.evaluate(
        """async ([step, steps_wanted]) => {
            let most = 0, steps = 0;
            const whole = document.documentElement.scrollHeight;
            const pause = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 20)));
            for (let y = 0; y < whole; y += Math.max(step, steps_wanted && whole / steps_wanted)) {
                scrollTo(0, y);
                await pause();
                most = Math.max(most, document.images.length);
                steps++;
            }
            return [most, steps];
        }""",
        [height * 0.9, steps_wanted],
    )
    return most, steps


def memory(browser: Browser, page: Page) -> str:
    """Say how large the page's heap is after a collection, and its process."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = [resident_mb(each["id"]) for each in processes if each["type"] == "renderer"]
    return f"heap {heap:.1f} MB, process {max(sizes):.0f} MB"


def resident_mb(process: int) -> float:
    """Memory of a process in MB (Linux)."""
    found = re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
