"""The gallery in a real browser, opened from the disk: what a runner, a keyboard and a screen reader meet.

Needs Chromium and axe-core (`MIRROR_TEST_AXE` names its axe.min.js); without them these tests are skipped, but not in CI.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from mirror.gallery import GalleryServer
from mirror.root import ArchiveRoot
from tests.gallery_archive import DAY, HOSTILE, ask, build, make_archive, make_hostile, write_down

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

ARGS = [
    "--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE, DESK = (390, 844), (1440, 900)


def needed(path: str | None, what: str) -> str:
    """A program or file that the test cannot do without."""
    if path and Path(path).exists():
        return path
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing: CI installs it")
    pytest.skip(f"{what} is missing: this was not tested")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """The system's Chromium."""
    path = needed(shutil.which("chromium") or shutil.which("chromium-browser"), "Chromium")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """The accessibility checker as text."""
    return Path(needed(os.environ.get("MIRROR_TEST_AXE"), "axe-core (MIRROR_TEST_AXE)")).read_text("utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of forty photos that no test changes."""
    return build(make_archive(tmp_path_factory.mktemp("archive"))).index.parent


@dataclass
class Visit:
    """An open page, and what it did that it should not have done."""

    page: "Page"
    faults: list[str] = field(default_factory=list)

    def go(self, file: Path, hash_: str = "") -> "Page":
        """Open a file from the disk."""
        self.page.goto(f"{file.as_uri()}{hash_}")
        self.page.wait_for_selector("html.is-ready")
        return self.page

    def note_request(self, url: str) -> None:
        """Only files may be asked for."""
        if not url.startswith("file://"):
            self.faults.append(f"asked: {url}")

    def hash(self) -> str:
        """What stands in the address."""
        return str(self.page.evaluate("location.hash"))


@pytest.fixture
def visit(request: pytest.FixtureRequest, browser: "Browser", tmp_path: Path) -> Iterator[Visit]:
    """A page that may ask for files only, and whose console must stay empty."""
    options: dict[str, Any] = {"viewport": {"width": DESK[0], "height": DESK[1]}, **getattr(request, "param", {})}
    context = browser.new_context(**options)
    page = context.new_page()
    seen = Visit(page)
    page.on("console", lambda message: seen.faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: seen.faults.append(f"error: {error}"))
    page.on("requestfailed", lambda failed: seen.faults.append(f"failed: {failed.url}"))
    page.on("request", lambda made: seen.note_request(made.url))
    yield seen
    context.close()
    assert seen.faults == []


PHONE_VISIT = {"viewport": {"width": PHONE[0], "height": PHONE[1]}, "has_touch": True, "is_mobile": True}
on_a_phone = pytest.mark.parametrize("visit", [PHONE_VISIT], indirect=True, ids=["phone"])
without_scripts = pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True, ids=["no scripts"])


def loaded(page: "Page", selector: str = ".cell img") -> int:
    """How many pictures are really there."""
    count = "all => all.filter(each => each.complete && each.naturalWidth).length"
    return int(page.eval_on_selector_all(selector, count))


def wait_for_pictures(page: "Page", count: int, selector: str = ".cell img") -> None:
    """Wait until so many pictures are there."""
    page.wait_for_function(
        "([selector, count]) => [...document.querySelectorAll(selector)].filter(each => each.naturalWidth).length >= count",
        arg=[selector, count],
    )


# -- looking


def test_page_opens_from_the_disk(visit: Visit, site: Path) -> None:
    """All races lead to a race day, whose pictures are there, each in its row, as wide as the page."""
    page = visit.go(site / "index.html")
    page.click(f'a[href="{DAY}.html"]')
    wait_for_pictures(page, 20)
    boxes = page.eval_on_selector_all(".cell", "all => all.map(each => each.getBoundingClientRect().toJSON())")
    width = page.eval_on_selector(".grid", "each => each.clientWidth")
    row = [each for each in boxes if each["y"] == boxes[0]["y"]]
    assert abs(sum(each["width"] for each in row) + 6 * (len(row) - 1) - width) < 2


def test_bib_search_answers_while_typing(visit: Visit, site: Path) -> None:
    """Each key narrows; what is found has an address of its own, and back shows everything again."""
    root = site.parent / "photos"
    bib, count = ask(
        root, "SELECT bib, count(*) FROM bib JOIN photo USING (photo_no) WHERE race_day_id = 34168 GROUP BY 1"
    )[0]
    page = visit.go(site / f"{DAY}.html")
    page.locator("#bib").press_sequentially(bib[:-1])
    page.wait_for_selector(f".near a:text-is('{bib}')")
    page.locator("#bib").press_sequentially(bib[-1])
    page.wait_for_function("count => document.querySelectorAll('.cell').length === count", arg=count)
    assert f"bib {bib}" in page.inner_text("[data-part=answer]")
    assert visit.hash() == f"#bib={bib}"
    wait_for_pictures(page, count)
    page.go_back()
    page.wait_for_function("() => document.querySelectorAll('.cell').length > 15")
    assert page.input_value("#bib") in {"", bib}
    assert visit.hash() == ""


def test_bib_is_found_over_all_races(visit: Visit, site: Path) -> None:
    """On the first page a bib leads to each race day that has photos of it."""
    bib, days = ask(
        site.parent / "photos",
        "SELECT bib, count(DISTINCT race_day_id) FROM bib JOIN photo USING (photo_no) GROUP BY 1 ORDER BY 2 DESC",
    )[0]
    page = visit.go(site / "index.html")
    page.fill("#bib", bib)
    page.wait_for_selector(".found a")
    assert page.locator(".found a").count() == days
    page.locator(".found a").first.click()
    page.wait_for_selector("html.is-ready")
    assert visit.hash() == f"#bib={bib}"


def test_photo_has_an_address(visit: Visit, site: Path) -> None:
    """Open, next, back to the grid; the same address opens the same photo; its bibs lead to their photos."""
    page = visit.go(site / f"{DAY}.html")
    page.locator(".cell a").nth(2).click()
    page.wait_for_selector(".viewer[open]")
    first = visit.hash()
    page.click("[data-part=after]")
    page.wait_for_function("first => location.hash !== first", arg=first)
    second = visit.hash()
    wait_for_pictures(page, 1, ".picture")
    name = page.get_attribute(".picture", "alt")
    page.go_back()
    page.wait_for_selector(".viewer:not([open])", state="attached")
    assert visit.hash() == ""
    page = visit.go(site / "index.html")
    page = visit.go(site / f"{DAY}.html", second)
    page.wait_for_function("name => document.querySelector('.picture').alt === name", arg=name)
    page.keyboard.press("Escape")
    page.wait_for_selector(".viewer:not([open])", state="attached")


def test_viewer_says_what_is_known(visit: Visit, site: Path) -> None:
    """File name, upload, bibs as links, and a link to the original that is there."""
    photo_id, name = ask(
        site.parent / "photos",
        "SELECT photo_id, uploaded_filename FROM photo JOIN asset USING (photo_no) JOIN bib USING (photo_no) "
        "WHERE race_day_id = 34168 AND variant = 'original' AND uploaded_filename LIKE 'DSC%'",
    )[0]
    page = visit.go(site / f"{DAY}.html", f"#photo={photo_id}")
    page.wait_for_selector(".bibs a")
    assert page.inner_text("[data-part=title]") == name
    assert "Uploaded" in page.inner_text("[data-part=facts]")
    original = page.get_attribute("[data-part=original]", "href")
    assert original
    assert (site / original).is_file()
    bib = page.inner_text(".bibs a >> nth=0")
    page.click(".bibs a >> nth=0")
    page.wait_for_selector(".viewer:not([open])", state="attached")
    assert visit.hash() == f"#bib={bib}"


def test_filters_and_timeline_choose(visit: Visit, site: Path) -> None:
    """An album, photos without a bib, a stretch of time: each is a press and an address; all come back."""
    page = visit.go(site / f"{DAY}.html")
    root = site.parent / "photos"
    page.click(".chip:has-text('Course')")
    (count,) = ask(root, "SELECT count(*) FROM photo WHERE album_id = '311'")[0]
    assert f"{count} photos" in page.inner_text("[data-part=answer]")
    assert visit.hash() == "#album=311"
    page.click(".chip:has-text('No bib')")
    query = "SELECT count(*) FROM photo WHERE race_day_id = 34168 AND photo_no NOT IN (SELECT photo_no FROM bib)"
    assert f"{ask(root, query)[0][0]} photo" in page.inner_text("[data-part=answer]")
    page.click("[data-part=reset]")
    box = page.locator(".timeline").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20, steps=4)
    page.mouse.up()
    assert "from=" in visit.hash()
    assert 0 < page.locator(".cell").count() < 28
    page.click("[data-part=reset]")
    assert visit.hash() == ""


# -- who looks


def test_keyboard_alone_is_enough(visit: Visit, site: Path) -> None:
    """Tab, letters, arrows, Enter and Escape lead through search, grid and viewer, and back to the same photo."""
    page = visit.go(site / f"{DAY}.html")

    def focused() -> str:
        return str(page.evaluate("(document.activeElement.getAttribute('href') || document.activeElement.id || '')"))

    page.keyboard.press("Tab")
    assert focused() == "index.html"
    page.keyboard.press("Tab")
    assert focused() == "bib"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "slider"
    page.keyboard.press("ArrowRight")
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused().startswith("#photo="):
            break
    start = focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    chosen = focused()
    assert chosen.startswith("#photo=")
    assert chosen != start
    page.keyboard.press("Enter")
    page.wait_for_selector(".viewer[open]")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("chosen => location.hash !== chosen", arg=chosen)
    page.keyboard.press("Escape")
    page.wait_for_selector(".viewer:not([open])", state="attached")
    page.wait_for_function("() => document.activeElement.getAttribute('href')?.startsWith('#photo=')")
    page.keyboard.press("End")
    ids = ask(
        site.parent / "photos", "SELECT photo_id FROM photo WHERE race_day_id = 34168 ORDER BY uploaded_ts, photo_id"
    )
    assert focused() == f"#photo={ids[-1][0]}"


@on_a_phone
def test_finger_turns_the_pages(visit: Visit, site: Path) -> None:
    """On a phone nothing is wider than the screen, targets are large, and a swipe shows the next photo."""
    page = visit.go(site / f"{DAY}.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    sizes = page.eval_on_selector_all(
        "button, input, a",
        "all => all.map(each => each.getBoundingClientRect()).filter(box => box.width).map(box => box.height)",
    )
    assert min(sizes) >= 44
    page.locator(".cell a").first.tap()
    page.wait_for_selector(".viewer[open]")
    before = visit.hash()
    touch = page.context.new_cdp_session(page)

    def swipe(from_x: int, to_x: int) -> None:
        steps = [("touchStart", from_x), *(("touchMove", from_x + (to_x - from_x) * n // 5) for n in range(1, 6))]
        for kind, x in steps:
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": 300}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(320, 60)
    page.wait_for_function("before => location.hash !== before", arg=before)
    swipe(60, 320)
    page.wait_for_function("before => location.hash === before", arg=before)
    assert page.evaluate("document.querySelector('.viewer').scrollWidth") <= PHONE[0]


@without_scripts
def test_page_without_scripts_shows_the_first_photos(visit: Visit, site: Path) -> None:
    """Pictures of every album are there and lead to the large ones; nothing that would not work is shown."""
    page = visit.page
    page.goto((site / f"{DAY}.html").as_uri())
    assert page.locator(".first-pages section").count() == 3
    assert page.locator(".first-pages img").count() == 28
    assert page.locator(".first-pages img").first.bounding_box()
    assert not page.locator("#bib").is_visible()
    assert not page.locator(".timeline").is_visible()
    page.locator(".first-pages a").first.click()
    assert page.url.endswith(".jpg")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_checker_finds_nothing(browser: "Browser", site: Path, axe: str, scheme: Any) -> None:
    """The checker has no complaint about any page, in either design, with a search, and with the viewer open."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": PHONE[0], "height": PHONE[1]})
    visit = Visit(context.new_page())
    grounds = []
    for file, hash_ in (("index.html", ""), ("index.html", "#bib=1"), (f"{DAY}.html", ""), (f"{DAY}.html", "#bib=1"),
                        (f"{DAY}.html", "#photo=900115")):  # fmt: skip
        visit.page.goto("about:blank")
        page = visit.go(site / file, hash_)
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == []
        grounds.append(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    assert set(grounds) == {"rgb(250, 249, 246)" if scheme == "light" else "rgb(19, 20, 21)"}
    context.close()


def test_contact_sheet_is_printed(visit: Visit, site: Path, tmp_path: Path) -> None:
    """On paper the pictures stand with their numbers, and the tools do not."""
    page = visit.go(site / f"{DAY}.html")
    page.evaluate("window.print = () => {}")
    page.click("[data-part=print]")
    page.wait_for_function("() => document.querySelectorAll('.sheet img').length === 28")
    page.emulate_media(media="print")
    assert page.locator(".sheet figure").first.is_visible()
    assert not page.locator(".grid").is_visible()
    assert not page.locator("#bib").is_visible()
    page.pdf(path=tmp_path / "sheet.pdf")
    assert (tmp_path / "sheet.pdf").stat().st_size > 5000


# -- scale and harm


def test_few_pictures_are_in_the_document_however_far_one_scrolls(browser: "Browser", tmp_path: Path) -> None:
    """Thousands of photos scroll by, and the document holds few screens of them; the timeline jumps among them."""
    write_down(tmp_path / "photos" / ".mirror" / "manifest.sqlite", photos=6000)
    site = build(tmp_path / "photos").index.parent
    page = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}).new_page()
    page.goto((site / f"{DAY}.html").as_uri())
    page.wait_for_selector("html.is-ready")
    most = 0
    height = page.evaluate("document.documentElement.scrollHeight")
    assert height > 100_000
    for y in range(0, height, height // 40):
        page.evaluate("y => scrollTo(0, y)", y)
        page.wait_for_timeout(20)
        most = max(most, page.locator("img").count())
    assert 10 < most < 60
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.wait_for_selector(".cell a[href='#photo=906000']")
    box = page.locator(".timeline").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    page.wait_for_function("height => Math.abs(scrollY / height - 0.5) < 0.1", arg=height)
    assert page.locator("img").count() < 60
    page.context.close()


def test_hostile_names_are_shown_as_text(visit: Visit, tmp_path: Path) -> None:
    """Script in race, album and file names and in bibs is read, never run; odd bibs are found."""
    site = build(make_archive(tmp_path, photos=12, change=make_hostile)).index.parent
    page = visit.go(site / "index.html")
    assert HOSTILE.split("<")[0] in page.inner_text("h1")
    page = visit.go(site / f"{DAY}.html")
    assert page.locator(f".chip:has-text({HOSTILE[:20]!r})").count() == 1
    page.fill("#bib", "__proto__")
    page.wait_for_selector(".cell")
    page.fill("#bib", HOSTILE.strip())
    page.wait_for_function("() => document.querySelectorAll('.cell').length > 0")
    page.locator(".cell a").first.click()
    page.wait_for_selector(".bibs a")
    assert page.inner_text("[data-part=title]").startswith('"><img src=x onerror')
    assert page.title() not in {"1", "2"}
    assert page.locator("img[src=x]").count() == 0


def test_served_page_shows_what_a_sync_brought(browser: "Browser", tmp_path: Path) -> None:
    """An open page of a served gallery reads itself again when the gallery was made again."""
    root = make_archive(tmp_path, photos=12)
    site = build(root).index.parent
    with GalleryServer(site, ArchiveRoot(root)) as server:
        page = browser.new_page()
        page.goto(f"{server.url}{DAY}.html")
        page.wait_for_selector("html.is-ready")
        ask(root, "UPDATE bib SET bib = 'A new one'")
        build(root)
        page.wait_for_event("load", timeout=20_000)
        page.wait_for_selector("html.is-ready")
        page.fill("#bib", "a new one")
        page.wait_for_function("() => document.querySelector('[data-part=answer]').textContent.includes('show')")
        page.close()


def test_page_of_an_earlier_state_reads_itself_again(browser: "Browser", tmp_path: Path) -> None:
    """A page left open while its gallery was made again finds its files gone, and comes back by itself."""
    root = make_archive(tmp_path, photos=12)
    site = build(root).index.parent
    page = browser.new_page()
    page.goto((site / f"{DAY}.html").as_uri())
    page.wait_for_selector("html.is-ready")
    ask(root, "UPDATE bib SET bib = '77'")
    build(root)
    with page.expect_event("load"):
        page.fill("#bib", "77")
    page.wait_for_selector("html.is-ready")
    page.wait_for_function("() => document.querySelectorAll('.cell').length > 0")
    assert "shows bib 77" in page.inner_text("[data-part=answer]") or "show bib 77" in page.inner_text(
        "[data-part=answer]"
    )
    page.close()


def test_firefox_shows_a_photo_from_the_disk(site: Path, tmp_path: Path) -> None:
    """Firefox opens an address from the disk: the viewer, which only scripts and shards can open, is dark."""
    path = needed(shutil.which("firefox-esr") or shutil.which("firefox"), "Firefox")
    pictures = {}
    for name, hash_ in (("grid", ""), ("viewer", "#photo=900115")):
        picture = tmp_path / f"{name}.png"
        (tmp_path / f"profile-{name}").mkdir()
        command = [path, "--headless", "--profile", tmp_path / f"profile-{name}", "--window-size=1000,800"]
        address = f"{(site / f'{DAY}.html').as_uri()}{hash_}"
        subprocess.run(
            [*map(str, command), f"--screenshot={picture}", address], check=True, timeout=120, capture_output=True
        )
        with Image.open(picture) as opened:
            pictures[name] = opened.convert("RGB").getpixel((5, 700))
    assert pictures == {"grid": (250, 249, 246), "viewer": (13, 14, 15)}
