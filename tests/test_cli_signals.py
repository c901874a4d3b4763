"""Signals, and who may see what: a stopped run is orderly, and no output holds a secret."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from mirror.cli.exit_codes import Stopped, exit_code
from mirror.demo import Request
from mirror.errors import AccessError, ArchiveError, ConfigError, ManifestError, UnreachableError
from tests.simulator import SourceSimulator
from tests.test_cli import assert_calm, mirror


@asynccontextmanager
async def started(
    folder: Path, *words: str, environ: Mapping[str, str] = MappingProxyType({}), **more: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command that is still on."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIRROR_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mirror", *words, cwd=folder, env={**kept, **environ, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, **more,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def stopped_in_the_middle(source: SourceSimulator, folder: Path, *numbers: int) -> tuple[int, str]:
    """Send signals to a sync while pictures are on their way; returns its exit code and what it said."""
    source.config(folder)
    source.fault("customOriginal", times=10**6, stalls=True)
    asked = asyncio.Event()

    def on_request(seen: Request) -> None:
        if not seen.is_api and "customOriginal" in seen.path:
            asked.set()

    source.on_request = on_request
    async with started(folder, "sync") as process:
        await asyncio.wait_for(asked.wait(), 30)
        for number in numbers:
            process.send_signal(number)
        said, blamed = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode is not None
        return process.returncode, (said + blamed).decode()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_stops_and_the_next_run_goes_on(tmp_path: Path, number: int, code: int) -> None:
    """The run ends promptly with the signal's code, says so, keeps what was finished, and the next one completes."""
    async with SourceSimulator() as source:
        ended, text = await stopped_in_the_middle(source, tmp_path, number)
        assert ended == code, text
        assert "Traceback" not in text
        assert "Stopping: finishing what is on its way" in text
        assert signal.Signals(number).name in text
        source.faults.clear()
        assert_calm(await mirror(tmp_path, "sync"), 0)
        assert list((tmp_path / "photos" / ".mirror" / "drafts").iterdir()) == []


async def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """Ctrl-C twice ends at once, with no traceback, and the archive goes on."""
    async with SourceSimulator() as source:
        ended, text = await stopped_in_the_middle(source, tmp_path, signal.SIGINT, signal.SIGINT)
        assert ended == 130, text
        assert "Traceback" not in text
        source.faults.clear()
        assert_calm(await mirror(tmp_path, "sync"), 0)


async def test_a_command_that_only_asks_stops_at_the_first_signal(tmp_path: Path) -> None:
    """Check has nothing to finish: one Ctrl-C is enough, even while the service is silent."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        source.fault("entity-info", times=10**6, stalls=True)
        asked = asyncio.Event()
        source.on_request = lambda seen: asked.set() if "entity-info" in seen.path else None
        async with started(tmp_path, "check") as process:
            await asyncio.wait_for(asked.wait(), 30)
            process.send_signal(signal.SIGINT)
            said, blamed = await asyncio.wait_for(process.communicate(), 30)
            assert process.returncode == 130, said + blamed
            assert b"Traceback" not in blamed


async def python(folder: Path, text: str) -> tuple[int | None, bytes]:
    """Run a program in a folder; returns its exit code and what it wrote to standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", text, cwd=folder, stderr=asyncio.subprocess.PIPE
    )
    _, blamed = await process.communicate()
    return process.returncode, blamed


_SIGNALLED_IN_A_FINALIZER = """
import signal, sys
class Dropped:
    def __del__(self):
        signal.raise_signal(signal.{name})  # heeded here and now, where os.kill may be heeded after this
def on_open(event, details):
    if event == "open" and str(details[0]).endswith("mirror.toml"):
        Dropped()
sys.addaudithook(on_open)
from mirror.cli import main
sys.exit(main(["sync"]))
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
async def test_a_signal_is_heard_while_an_object_is_thrown_away(tmp_path: Path, name: str, code: int) -> None:
    """Python drops what is raised there: the command ends all the same, and calmly."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        ended, blamed = await python(tmp_path, _SIGNALLED_IN_A_FINALIZER.format(name=name))
        assert (ended, blamed) == (code, b"mirror: stopped\n")
        assert source.requests == []


_SIGNALLED_WHILE_THE_LOOP_IS_MADE = """
import os, selectors, signal, sys
class Selector(selectors.DefaultSelector):
    def __init__(self):
        os.kill(os.getpid(), signal.{name})
        super().__init__()
selectors.DefaultSelector = Selector
from mirror.cli import main
sys.exit(main(["sync"]))
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
async def test_a_signal_is_heard_while_the_run_begins(tmp_path: Path, name: str, code: int) -> None:
    """A stop that comes before there is anything to stop is as calm as a later one."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        text = _SIGNALLED_WHILE_THE_LOOP_IS_MADE.format(name=name)
        ended, blamed = await python(tmp_path, text)
        assert (ended, b"Traceback" in blamed) == (code, False), blamed
        assert source.pictures_asked() == 0
        assert_calm(await mirror(tmp_path, "sync"), 0)


_SIGNALLED_WHILE_THE_LOOP_IS_CLOSED = """
import asyncio, os, signal, sys
from asyncio.selector_events import BaseSelectorEventLoop
close = BaseSelectorEventLoop.close
def close_slowly(loop):
    close(loop)
    os.kill(os.getpid(), signal.{name})
BaseSelectorEventLoop.close = close_slowly
from mirror.cli import main
sys.exit(main(["sync", "--quiet"]))
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
async def test_a_signal_is_heard_while_the_run_ends(tmp_path: Path, name: str, code: int) -> None:
    """A stop that comes when all is done is told by the exit code, and by one line."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        text = _SIGNALLED_WHILE_THE_LOOP_IS_CLOSED.format(name=name)
        ended, blamed = await python(tmp_path, text)
        assert (ended, blamed.count(b"\n")) == (code, 1), blamed
        assert_calm(await mirror(tmp_path, "sync"), 0)


async def test_serve_prints_what_works_and_ends_well(tmp_path: Path) -> None:
    """The printed configuration is valid as it stands, every command works with it, and Ctrl-C is the way to end."""
    async with started(tmp_path, "demo", "--serve", "--photos", "5") as service:
        assert service.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("mirror sync 48211"):
            line = await asyncio.wait_for(service.stdout.readline(), 30)
            assert line, lines
            lines.append(line.decode().rstrip())
        start = next(number for number, line in enumerate(lines) if "<<" in line)
        file = tmp_path / "mirror.toml"
        file.write_text("\n".join(lines[start + 1 : lines.index("END")]))
        file.chmod(0o600)
        for words in (["check"], ["races", "harbour"], ["sync"], ["status"]):
            assert_calm(await mirror(tmp_path, *words), 0)
        service.send_signal(signal.SIGINT)
        _, blamed = await asyncio.wait_for(service.communicate(), 30)
        assert service.returncode == 0, blamed
    assert len(list((tmp_path / "photos").rglob("*.jpg"))) == 5


async def test_no_secret_in_any_output(tmp_path: Path) -> None:
    """Whatever goes wrong and however much is said, credentials and signatures stay out of screen and log."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        for photo in source.race.photos.values():
            url = f"{source.image_origin}/gone/{photo.photo_id}.jpg?X-Amz-Signature=hush"
            photo.extra = {"large": {"image_url": url, "width": 1, "height": 1}}
        done = await mirror(tmp_path, "sync", "-vv", "--log-json", "log.jsonl")
        assert_calm(done, 1)
        text = (tmp_path / "log.jsonl").read_text() + done.stdout + done.stderr
        for secret in (source.api_key, source.api_secret, "hush", "rsu_api_key"):
            assert secret not in text
        assert any(json.loads(line)["level"] == "ERROR" for line in (tmp_path / "log.jsonl").read_text().splitlines())


async def test_foreign_text_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """What the service says is shown without its control characters, in one line."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        body = json.dumps({"error": {"error_code": 6, "error_msg": "\x1b[2Jgo\r\naway"}}).encode()
        source.fault("/rest", times=10**6, body=body)
        done = await mirror(tmp_path, "sync")
    assert_calm(done, 3)
    assert "\x1b" not in done.stderr + done.stdout
    assert "[2Jgo away" in done.stderr


async def test_completion_knows_the_commands(tmp_path: Path) -> None:
    """The shell asks for what can follow, and is told."""
    env = {"_MIRROR_COMPLETE": "complete_bash", "COMP_WORDS": "mirror s", "COMP_CWORD": "1"}
    done = await mirror(tmp_path, **env)
    assert set(done.stdout.split()) == {"sync", "status"}


def test_each_ending_has_its_code() -> None:
    """What ends a command, and what it exits with."""
    endings = {
        ConfigError("x"): 2, AccessError("x"): 3, UnreachableError("x"): 3, ArchiveError("x"): 4, ManifestError("x"): 5,
        KeyError("x"): 70, KeyboardInterrupt(): 130, Stopped(signal.SIGINT): 130, Stopped(signal.SIGTERM): 143,
    }  # fmt: skip
    assert {error: exit_code(error) for error in endings} == endings
