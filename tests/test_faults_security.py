"""Hostile addresses, names and hosts: nobody is let in, nothing leaves the tree, no secret goes astray."""

import json
import ssl
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.demo.race import DemoPhoto
from tests.certificates import Certificates, make_certificates
from tests.simulator import ALBUMS, ALWAYS, PICTURES, SourceSimulator
from tests.test_cli import assert_calm, everything_in, mirror
from tests.test_sync import assert_agrees, rows, tree
from tests.wire import always, answer, raw_server

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202egpj.exe"
"""Moves a terminal, begins a line, turns a text around."""


def with_large(source: SourceSimulator, url: str) -> DemoPhoto:
    """Give one photo of the race day another address for its large variant."""
    photo = list(source.race.photos.values())[-1]
    photo.extra = {"large": {"image_url": url, "width": 1, "height": 1}}
    return photo


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_of_a_picture_to_a_host_that_is_not_allowed_is_refused(tmp_path: Path, status: int) -> None:
    """Each hop is judged like a first address: nothing is asked elsewhere, and that picture alone is missing."""
    async with raw_server(always(answer())) as elsewhere, SourceSimulator() as source:
        target = f"http://localhost:{elsewhere.port}/1.jpg"
        photo = list(source.race.photos.values())[-1]
        source.fault(f"large_watermarked_v3/{photo.name}", times=ALWAYS, status=status, headers={"Location": target})
        report = await run_sync(source.config(tmp_path))
        assert (report.exit_code, report.missing) == (1, 1)
        assert "localhost" in report.failures[0].example
        assert source.pictures_asked(f"large_watermarked_v3/{photo.name}") == 1
    assert elsewhere.requests == []
    assert_agrees(tmp_path / "photos")


async def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    """A few hops and no more."""
    async with SourceSimulator() as source:
        photo = list(source.race.photos.values())[-1]
        path = f"large_watermarked_v3/{photo.name}"
        source.fault(path, times=ALWAYS, status=302, headers={"Location": "?again"})
        report = await run_sync(source.config(tmp_path))
        assert (report.exit_code, report.missing) == (1, 1)
        assert source.pictures_asked(path) <= 4


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "data:image/jpeg;base64,/9j/4AAQ", "ftp://127.0.0.1/1.jpg", "gopher://127.0.0.1:70/1",
        "http://localhost:{port}/1.jpg", "http://127.0.0.1.evil.example:{port}/1.jpg", "http://[::1]:{port}/1.jpg",
        "http://127.0.0.1@localhost:{port}/1.jpg", "http://2130706433:{port}/1.jpg", "http://0x7f.1:{port}/1.jpg",
        "//localhost:{port}/1.jpg", "http://169.254.169.254/latest/meta-data/", "javascript:alert(1)",
    ],
)  # fmt: skip
async def test_hostile_address_is_never_asked(tmp_path: Path, url: str) -> None:
    """Only allowed schemes and hosts are contacted; a bad address costs its picture alone."""
    async with raw_server(always(answer())) as elsewhere, SourceSimulator() as source:
        with_large(source, url.format(port=elsewhere.port))
        report = await run_sync(source.config(tmp_path))
        assert report.exit_code == 1
        assert report.missing + len(report.rejects) == 1
    assert elsewhere.requests == []
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fd00:ec2::254]", "10.0.0.1", "192.168.1.1", "[::1]", "127.0.0.1", "[::ffff:127.0.0.1]"]
)  # fmt: skip
async def test_private_address_is_never_asked_by_default(tmp_path: Path, host: str) -> None:
    """Even on the list, an address that is not public is refused, and the message names the setting."""
    async with SourceSimulator() as source:
        with_large(source, f"http://{host}/latest/meta-data/iam")
        listed = "127.0.0.1" if "[" in host else f"127.0.0.1,{host}"
        config = source.config(tmp_path, DOWNLOAD__ALLOW_PRIVATE="false", DOWNLOAD__ALLOWED_HOSTS=listed)
        report = await run_sync(config)
        assert report.exit_code == 1
        assert source.pictures_asked() == 0
        assert all("not public" in group.example for group in report.failures)


async def test_plain_http_is_refused_unless_allowed(tmp_path: Path) -> None:
    """Only https by default: no picture is asked for over http, and none without the setting being named."""
    async with SourceSimulator() as source:
        report = await run_sync(source.config(tmp_path, DOWNLOAD__ALLOW_HTTP="false"))
        assert (report.exit_code, report.stored) == (1, 0)
        assert source.pictures_asked() == 0
        assert "allow_http" in report.failures[0].example
    assert tree(tmp_path / "photos") == {}


async def test_api_with_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path, tls: ssl.SSLContext) -> None:
    """Not one request, so not one secret, goes over a connection that is not trusted."""
    async with raw_server(always(answer(b"{}")), tls=tls) as server, SourceSimulator() as source:
        file = tmp_path / "mirror.toml"
        file.write_text(source.config_text().replace(source.base_url, f"{server.origin}/rest"))
        file.chmod(0o600)
        done = await mirror(tmp_path, "sync")
        assert_calm(done, 3)
        assert "certificate" in done.stderr + done.stdout
    assert server.requests == []


async def test_store_with_a_bad_certificate_costs_its_picture(tmp_path: Path, tls: ssl.SSLContext) -> None:
    """The picture fails; it is asked for neither over http nor unverified."""
    async with raw_server(always(answer()), tls=tls) as server, SourceSimulator() as source:
        with_large(source, server.url())
        report = await run_sync(source.config(tmp_path))
        assert (report.exit_code, report.missing) == (1, 1)
        assert "certificate refused" in report.failures[0].example
    assert server.requests == []
    assert_agrees(tmp_path / "photos")


async def test_another_authority_is_not_ours(tmp_path: Path, tls: ssl.SSLContext) -> None:
    """A ca_file adds its own authority and no other."""
    (tmp_path / "other").mkdir()
    other: Certificates = make_certificates(tmp_path / "other")
    async with raw_server(always(answer()), tls=tls) as server, SourceSimulator() as source:
        with_large(source, server.url())
        report = await run_sync(source.config(tmp_path, DOWNLOAD__CA_FILE=str(other.authority)))
        assert report.missing == 1
    assert server.requests == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
async def test_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A configuration with a secret in it, open to others, ends with 2, before any request, and says what to type."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        (tmp_path / "mirror.toml").chmod(mode)
        done = await mirror(tmp_path, "sync")
        assert_calm(done, 2)
        assert "chmod" in done.stderr
        assert source.requests == []


async def test_names_cannot_move_a_terminal(tmp_path: Path) -> None:
    """Race, race day, albums, files, bibs and messages from the API: no command, log or file name passes one on."""
    async with SourceSimulator(photos=40) as source:
        source.config(tmp_path)
        source.race.name = f"Harbour{HOSTILE}10K"
        source.race.album_names = {
            album: (day, f"Finish{HOSTILE}") for album, (day, _) in source.race.album_names.items()
        }
        for photo in source.race.photos.values():
            photo.uploaded_filename, photo.bibs = f"DSC{HOSTILE}.JPG", [f"11{HOSTILE}", "=cmd()"]
        with_large(source, f"{source.image_origin}/{HOSTILE}.jpg")
        source.fault("thumbs", status=403, body=HOSTILE.encode())
        said = ""
        for words in (
            ["sync", "-vv", "--log-json", "run.log"], ["sync", "--json"], ["status"], ["status", "--json"],
            ["races", "48211"], ["races", "48211", "--json"], ["check"],
        ):  # fmt: skip
            done = await mirror(tmp_path, *words)
            assert done.returncode in (0, 1), done.stderr
            if "--json" in words:
                json.loads(done.stdout)
            said += done.stdout + done.stderr
    said += (tmp_path / "run.log").read_text()
    said += "".join(everything_in(tmp_path))
    assert {char for char in said if not char.isprintable()} <= {"\n"}
    assert "Harbour" in said


@pytest.mark.parametrize(
    "name",
    [
        "../../../../tmp/owned.jpg", "/etc/owned", "C:\\Windows\\owned.jpg", "CON.jpg", "nul", "..", ".mirror", "-rf.jpg",
        "a" * 5000 + ".jpg", "é.jpg", "e\u0301.jpg", "IMG.jpg", "img.JPG", "\0.jpg", "\ud800.jpg", "~root", "$(id).jpg",
    ],
)  # fmt: skip
async def test_names_stay_in_the_tree_and_apart(tmp_path: Path, name: str) -> None:
    """Whatever files, albums and race are called, each photo has its own portable name below the archive."""
    async with SourceSimulator(photos=0) as source:
        source.race.name = name
        photos = source.race.gain_uploads(3)
        for photo in photos:
            photo.uploaded_filename, photo.offered = name, ("large",)
        assert (await run_sync(source.config(tmp_path))).exit_code == 0
    names = [Path(key) for key in tree(tmp_path / "photos")]
    assert len({str(path).casefold() for path in names}) == 3
    for path, photo in zip(sorted(names), photos, strict=True):
        assert path.name.startswith(str(photo.photo_id))
        assert all(len(part.encode()) <= 200 and part.isprintable() for part in path.parts)
        assert not set(str(path)) & set('<>:"\\|?*~$')
    assert {name.partition("/")[0] for name in everything_in(tmp_path)} == {"mirror.toml", "photos"}
    assert_agrees(tmp_path / "photos")


async def test_picture_requests_are_bare_on_every_way(tmp_path: Path) -> None:
    """First tries, retries, redirects and ranges alike carry no credential, cookie or referrer, and ask for plain bytes."""
    async with SourceSimulator(photos=40) as source:
        source.fault(PICTURES, times=5, status=500, headers={"Set-Cookie": "id=7; Path=/"})
        source.fault(PICTURES, times=5, status=302, headers={"Location": "?next", "Set-Cookie": "id=8; Path=/"})
        source.fault(ALBUMS, status=500, headers={"Set-Cookie": "api=9; Path=/"})
        await run_sync(source.config(tmp_path))
        for each in source.requests:
            if not each.is_api:
                named = {name.lower() for name in each.headers}
                assert not named & {"authorization", "cookie", "referer", "x-rsu-api-secret", "x-rsu-api-reg-secret"}
                assert each.headers["Accept-Encoding"] == "identity"
                assert source.api_key not in json.dumps(each.query)
            else:
                assert "Cookie" not in each.headers
    assert not any(source.api_key in str(row) for row in rows(tmp_path / "photos", "SELECT * FROM asset"))
