"""The demo's archive with small pictures, made once a session as ``mirror demo`` makes it; its service goes on.

Tests that change something take a copy: ``copied(demo, tmp_path)``.
"""

import asyncio
import io
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from mirror import load_config, run_sync
from mirror.demo import DemoRace, DemoService
from mirror.demo.race import DemoPhoto

PHOTOS, UPLOADS, CORRECTED = 300, 25, 6


class SketchedRace(DemoRace):
    """The demo's race with pictures of a few bytes; originals say when they were taken."""

    def _draw(self, photo: DemoPhoto) -> dict[str, bytes]:
        exif = Image.Exif()
        clock = photo.uploaded_ts % 10_800
        hour, minute, second = 8 + clock // 3600, clock // 60 % 60, clock % 60
        exif.get_ifd(0x8769)[0x9003] = f"{self.days[photo.race_day_id][-4:]}:05:17 {hour:02d}:{minute:02d}:{second:02d}"
        number, bodies = photo.photo_id, {}
        for side, variant in ((24, "original"), (16, "large"), (8, "thumbnail")):
            color = (number % 256, number // 256 % 256, (40 * photo.version + side) % 256)
            with Image.new("RGB", (side, side), color) as picture, io.BytesIO() as body:
                picture.save(body, "JPEG", **({"exif": exif} if variant == "original" else {}))
                bodies[variant] = body.getvalue()
        return bodies


def config_text(service: DemoService) -> str:
    """The configuration of the demo's archive, which lies in the folder ``photos`` beside it."""
    return (
        f'[api]\nbase_url = "{service.base_url}"\nkey = "{service.api_key}"\nsecret = "{service.api_secret}"\n'
        '[archive]\nroot = "photos"\nmin_free = "1MB"\n'
        '[download]\nallowed_hosts = ["127.0.0.1"]\nallow_http = true\nallow_private = true\n'
        'first_wait = "1ms"\nlongest_wait = "5ms"\ngroup_wait = "20ms"\n'
        f'[[races]]\nrace = {service.race.race_id}\ndays = "all"\n'
    )


async def _tell_the_story(folder: Path, served: threading.Event, ended: threading.Event) -> None:
    """Archive the race, let it change, archive it again; then serve until the session ends."""
    async with DemoService(SketchedRace(photos=PHOTOS)) as service:
        file = folder / "mirror.toml"
        file.write_text(config_text(service))
        file.chmod(0o600)
        config = load_config(file, environ={})
        await run_sync(config)
        service.race.gain_uploads(UPLOADS)
        service.race.correct_bibs(CORRECTED)
        await run_sync(config, is_full=True)
        served.set()
        await asyncio.to_thread(ended.wait)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with ``mirror.toml`` and the archive ``photos``; only to be read."""
    folder = tmp_path_factory.mktemp("demo")
    served, ended = threading.Event(), threading.Event()

    def serve() -> None:
        try:
            asyncio.run(_tell_the_story(folder, served, ended))
        finally:
            served.set()

    thread = threading.Thread(target=serve, name="demo-service")
    thread.start()
    served.wait()
    yield folder
    ended.set()
    thread.join()


def copied(demo: Path, to: Path) -> Path:
    """A copy of the demo's folder that may be changed; its service is the same."""
    return shutil.copytree(demo, to / "demo")
