"""A command loads what it uses, and no more."""

import asyncio
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulator import SourceSimulator
from tests.test_cli import mirror

_LOADS = """
import sys
from mirror.cli import main
code = main(sys.argv[2:])
loaded = [name for name in sys.argv[1].split() if name in sys.modules]
assert (code, loaded) == (0, []), (code, loaded)
"""
_NETWORK = "aiohttp mirror.transport mirror.cluster.crew mirror.archive.objects.archive"


@pytest.mark.parametrize(
    "face", ["mirror", "mirror.archive", "mirror.cluster", "mirror.config", "mirror.manifest", "mirror.progress"]
)
def test_face_gives_every_name_that_it_promises(face: str) -> None:
    """What type checkers see can be imported, from where they see it."""
    package = importlib.import_module(face)
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match=f"module '{face}' has no attribute 'nothing'"):
        _ = package.nothing


async def test_commands_load_only_what_they_use(tmp_path: Path) -> None:
    """Nobody waits for rich without a terminal, for the network in order to look, or for commands not asked for."""

    async def loads_none_of(modules: str, *words: str) -> None:
        command = [sys.executable, "-c", _LOADS, modules, *words]
        environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, text=True, capture_output=True, check=False,
            stdin=subprocess.DEVNULL, env=environ,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    async with SourceSimulator() as source:
        source.config(tmp_path)
        assert (await mirror(tmp_path, "sync")).returncode == 0
        await loads_none_of(
            "rich.console mirror.cli.status mirror.cli.gallery mirror.manifest.history mirror.archive.objects.archive PIL",
            "sync", "--full",
        )  # fmt: skip
    await loads_none_of(f"{_NETWORK} mirror.config mirror.cli.sync", "status", "--archive", "photos")
    await loads_none_of(_NETWORK, "failures", "--archive", "photos")
    await loads_none_of(f"{_NETWORK} PIL.Image", "verify", "--archive", "photos", "--quiet")
    await loads_none_of(_NETWORK, "prune", "--foreign", "--archive", "photos")
