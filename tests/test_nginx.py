"""A sync against nginx as the photos' host, plain and over TLS: a server that is not our own code."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mirror import run_sync
from mirror.demo import DemoRace
from mirror.tally import Tally
from tests.certificates import Certificates
from tests.simulator import SourceSimulator
from tests.test_resume import LargeRace
from tests.test_sync import assert_agrees, tree

_PREFIXES = ("customOriginal_v3", "large_watermarked_v3", "thumbs_v2")
_CONFIG = """
user root; worker_processes 2; pid nginx.pid; error_log error.log;
events {{ worker_connections 256; }}
http {{
    log_format seen '$request_uri $status $http_range $sent_http_content_encoding';
    access_log access.log seen;
    types {{ image/jpeg jpg; }}
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{
        listen 127.0.0.1:{port}{tls};
        root files;
        {more}
    }}
}}
"""
_SLOW = "limit_rate_after 1m; if (-f $document_root/slow) { set $limit_rate 20k; }"
"""The first megabyte comes at once, the rest hardly, as long as there is a file of that name."""
_TLS = "ssl_certificate {chain}; ssl_certificate_key {key};"


@dataclass(slots=True)
class Nginx:
    """A running one."""

    folder: Path
    origin: str
    process: asyncio.subprocess.Process

    def put(self, race: DemoRace, *, changed_s: float = -3600.0) -> None:
        """Write every picture of a race into a new file, changed so many seconds from now."""
        for photo in race.photos.values():
            for number, prefix in enumerate(_PREFIXES):
                path = f"/demo-photos-{'ab'[number == 1]}/{prefix}/{photo.name}.jpg"
                file = self.folder / f"files{path}"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.unlink(missing_ok=True)
                file.write_bytes(race.picture(path) or b"")
                os.utime(file, (time.time() + changed_s,) * 2)

    def seen(self) -> list[list[str]]:
        """What was asked, line by line: address, status, range, coding."""
        return [line.split() for line in (self.folder / "access.log").read_text().splitlines()]

    def begin_slowly(self) -> None:
        """Let what is asked for from now on stay unfinished until the workers are killed."""
        (self.folder / "files/slow").touch()

    def kill_workers(self) -> None:
        """End every worker without a word; the master starts others, which are quick."""
        (self.folder / "files/slow").unlink()
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in map(int, children.split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def nginx(folder: Path, more: str = "", *, certificates: Certificates | None = None) -> AsyncIterator[Nginx]:
    """Run it on a free port of loopback with pictures in files."""
    program = shutil.which("nginx")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("nginx is missing, and in CI these tests must run")
        pytest.skip("needs nginx (apt-get install nginx-light)")
    (folder / "files").mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if certificates is not None:
        more += _TLS.format(chain=certificates.chain, key=certificates.key)
    tls = " ssl" if certificates is not None else ""
    (folder / "nginx.conf").write_text(_CONFIG.format(port=port, tls=tls, more=more))
    process = await asyncio.create_subprocess_exec(
        program, "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;", "-e", "error.log",
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _wait_until_it_answers(port, process, folder)
        yield Nginx(folder, f"{'https' if tls else 'http'}://127.0.0.1:{port}", process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _wait_until_it_answers(port: int, process: asyncio.subprocess.Process, folder: Path) -> None:
    while process.returncode is None:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"nginx did not start: {(folder / 'error.log').read_text()}")


def hashes(race: DemoRace) -> set[str]:
    """The hashes of all pictures of the race day."""
    pictures = (
        race.picture(f"/b/{prefix}/{photo.name}.jpg")
        for photo in race.photos.values() if photo.race_day_id == 34168
        for prefix, variant in zip(_PREFIXES, ("original", "large", "thumbnail"), strict=True)
        if variant in photo.offered
    )  # fmt: skip
    return {hashlib.sha256(picture or b"").hexdigest() for picture in pictures}


def settings(certificates: Certificates, **more: str) -> dict[str, str]:
    """Trust our own authority."""
    return {"DOWNLOAD__CA_FILE": str(certificates.authority), **more}


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize(
    "more", ["", "keepalive_requests 5;", "keepalive_timeout 0;", "gzip on; gzip_types image/jpeg; gzip_min_length 1;"]
)
async def test_many_small_pictures_arrive_whole(
    tmp_path: Path, certificates: Certificates, more: str, *, is_tls: bool
) -> None:
    """Connections that close under us, or after each picture, and compression that nobody asked for: all is stored."""
    async with (
        SourceSimulator(photos=150) as source,
        nginx(tmp_path / "nginx", more, certificates=certificates if is_tls else None) as store,
    ):
        store.put(source.race)
        source.image_origin = store.origin
        report = await run_sync(source.config(tmp_path, **settings(certificates, DOWNLOAD__ATTEMPTS="2")))
        assert report.exit_code == 0
        assert set(tree(tmp_path / "photos").values()) == hashes(source.race)
        assert len(store.seen()) == report.stored + report.retries
        assert {coding for *_, coding in store.seen()} == {"-"}
        assert (await run_sync(source.config(tmp_path, **settings(certificates)))).exit_code == 0
        assert len(store.seen()) == report.stored + report.retries
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize("is_tls", [False, True])
async def test_transfer_goes_on_where_a_killed_worker_left_it(
    tmp_path: Path, certificates: Certificates, *, is_tls: bool
) -> None:
    """Workers die in the middle of large pictures: the rest is asked for by range, and the whole is right."""
    async with (
        SourceSimulator(photos=0) as source,
        nginx(tmp_path / "nginx", _SLOW, certificates=certificates if is_tls else None) as store,
    ):
        source.race = LargeRace(photos=0)
        source.race.gain_uploads(1)
        store.put(source.race)
        source.image_origin = store.origin
        store.begin_slowly()
        tally = Tally()
        config = source.config(tmp_path, **settings(certificates))
        syncing = asyncio.create_task(run_sync(config, tally=tally))
        while tally.fetched_bytes < 3_000_000 and not syncing.done():
            await asyncio.sleep(0)
        store.kill_workers()
        report = await syncing
        assert report.exit_code == 0
        assert report.retries > 0
        assert any(status == "206" and asked != "-" for _, status, asked, _ in store.seen())
        assert set(tree(tmp_path / "photos").values()) == hashes(source.race)
    assert_agrees(tmp_path / "photos")


@pytest.mark.parametrize(("old_s", "new_s"), [(-3600.0, -60.0), (0.0, 0.0)])
async def test_picture_that_changed_in_between_starts_over(
    tmp_path: Path, certificates: Certificates, old_s: float, new_s: float
) -> None:
    """What was kept of the old one is thrown away, also where nginx has one ETag for both: it makes them of seconds
    and sizes, and a file that changed in the second in which it is fetched may change once more.
    """
    async with (
        SourceSimulator(photos=0) as source,
        nginx(tmp_path / "nginx", _SLOW) as store,
    ):
        source.race = LargeRace(photos=0)
        (photo,) = source.race.gain_uploads(1)
        photo.offered = ("large",)
        store.put(source.race, changed_s=old_s)
        source.image_origin = store.origin
        store.begin_slowly()
        tally = Tally()
        syncing = asyncio.create_task(run_sync(source.config(tmp_path, **settings(certificates)), tally=tally))
        while tally.fetched_bytes < 1_000_000 and not syncing.done():
            await asyncio.sleep(0)
        source.race.render_again(photo.photo_id)
        store.put(source.race, changed_s=new_s)
        store.kill_workers()
        assert (await syncing).exit_code == 0
        assert set(tree(tmp_path / "photos").values()) == hashes(source.race)
    assert_agrees(tmp_path / "photos")


async def test_missing_file_is_named_and_asked_for_once(tmp_path: Path, certificates: Certificates) -> None:
    """A 404 with nginx's own page costs that picture alone."""
    async with SourceSimulator(photos=40) as source, nginx(tmp_path / "nginx") as store:
        store.put(source.race)
        source.image_origin = store.origin
        photo = list(source.race.photos.values())[-1]
        path = f"/demo-photos-a/thumbs_v2/{photo.name}.jpg"
        (store.folder / f"files{path}").unlink()
        report = await run_sync(source.config(tmp_path, **settings(certificates)))
        assert (report.exit_code, report.missing) == (1, 1)
        assert [status for asked, status, *_ in store.seen() if asked == path] == ["404"]
    assert_agrees(tmp_path / "photos")
