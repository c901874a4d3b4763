"""Workers of a real Dask cluster, or of this machine, fetch: the archive is the one that a single process makes."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import mirror as package
from mirror.demo import Request
from tests.dask_cluster import DaskCluster, tapped
from tests.judge import Judge, account_of
from tests.s3_server import required
from tests.simulator import PICTURES, SourceSimulator
from tests.test_cli import assert_calm, mirror
from tests.test_cli_signals import started

LOCAL = ("sync", "--local-workers", "2")


@pytest.fixture(autouse=True)
def _needs_dask() -> None:
    required("distributed")


async def one_process(source: SourceSimulator, folder: Path) -> dict[str, object]:
    """What a run in a single process makes of a race."""
    await asyncio.to_thread(folder.mkdir)
    source.config(folder)
    assert_calm(await mirror(folder, "sync"), 0)
    return account_of(folder / "photos")


async def test_local_workers_make_the_archive_of_one_process(tmp_path: Path) -> None:
    """Two processes fetch, and tree, hashes and manifest are the same; nothing else is left anywhere."""
    async with SourceSimulator(photos=40) as source:
        expected = await one_process(source, tmp_path / "alone")
        folder = tmp_path / "together"
        folder.mkdir()
        source.config(folder)
        done = await mirror(folder, *LOCAL)
        assert_calm(done, 0)
        assert "2 workers on this machine" in done.stderr
        assert account_of(folder / "photos") == expected
        Judge.of(source.race).check_ended(folder / "photos")
        assert sorted(each.name for each in folder.iterdir()) == ["mirror.toml", "photos"]
        assert not (folder / "photos/.mirror/cluster-token").exists()


async def test_cluster_makes_the_archive_of_one_process(tmp_path: Path) -> None:
    """A running scheduler and its workers do the same, failures and retries too."""
    async with SourceSimulator(photos=40) as source, DaskCluster(tmp_path / "dask") as cluster:
        source.fault("thumbs", status=500, times=3)
        expected = await one_process(source, tmp_path / "alone")
        source.config(tmp_path)
        source.fault("thumbs", status=500, times=3)
        done = await mirror(tmp_path, "sync", "--cluster", cluster.address, "--json")
        assert_calm(done, 0)
        assert '"retries": 3' in done.stdout
        assert account_of(tmp_path / "photos") == expected


async def test_nothing_that_travels_to_the_cluster_holds_a_secret(tmp_path: Path) -> None:
    """All bytes between client and scheduler hold addresses of pictures, and no credential of the API's."""
    async with SourceSimulator() as source, DaskCluster(tmp_path / "dask", workers=1) as cluster:
        source.config(tmp_path)
        async with tapped(cluster.address) as (address, heard):
            assert_calm(await mirror(tmp_path, "sync", "--cluster", address), 0)
        everything = bytes(heard) + b"".join(unfolded(bytes(heard)))
        assert PICTURES.encode() in everything
        for secret in (source.api_key, source.api_secret):
            assert secret.encode() not in everything


def unfolded(stream: bytes) -> Iterator[bytes]:
    """Whatever was compressed in a stream."""
    for found in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", stream):
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj().decompress(stream[found.start() :])


def children_of(pid: int) -> Iterator[psutil.Process]:
    """The worker processes of a command."""
    yield from psutil.Process(pid).children(recursive=True)


async def test_ctrl_c_reaches_the_client_alone_and_workers_never_had_a_secret(tmp_path: Path) -> None:
    """A terminal's Ctrl-C ends a run of local workers in order; their environment holds nothing of ours."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        source.fault("customOriginal", times=10**6, stalls=True)
        asked = asyncio.Event()

        def on_request(seen: Request) -> None:
            if not seen.is_api and "customOriginal" in seen.path:
                asked.set()

        source.on_request = on_request
        secrets = {"MIRROR_API__SECRET": source.api_secret, "MIRROR_API__KEY": source.api_key}
        (tmp_path / "mirror.toml").write_text(
            re.sub(r"(?m)^(key|secret) = .*\n", "", (tmp_path / "mirror.toml").read_text())
        )
        async with started(tmp_path, *LOCAL, environ=secrets, start_new_session=True) as process:
            await asyncio.wait_for(asked.wait(), 60)
            workers = list(children_of(process.pid))
            assert len(workers) == 2
            assert not any(name.startswith("MIRROR_") for worker in workers for name in worker.environ())
            os.killpg(process.pid, signal.SIGINT)
            said, blamed = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 130, blamed
        text = (said + blamed).decode()
        assert "Traceback" not in text
        assert "Stopping: finishing what is on its way" in text
        assert not any(worker.is_running() for worker in workers)
        Judge.of(source.race).check(tmp_path / "photos")
        source.faults.clear()
        assert_calm(await mirror(tmp_path, "sync", **secrets), 0)
        Judge.of(source.race).check_ended(tmp_path / "photos")


def another_version(folder: Path) -> Path:
    """A copy of the package that calls itself older; returns where it is found."""
    home = Path(package.__file__).parent
    shutil.copytree(home, folder / "mirror", ignore=shutil.ignore_patterns("__pycache__", "demo"))
    face = folder / "mirror/__init__.py"
    face.write_text(re.sub(r'__version__ = ".*"', '__version__ = "0.0.9"', face.read_text()))
    return folder


async def test_worker_of_another_version_is_refused(tmp_path: Path) -> None:
    """Both versions are named, and no picture is asked for."""
    async with SourceSimulator() as source, DaskCluster(tmp_path / "dask", workers=1) as cluster:
        await cluster.add_worker(modules=another_version(tmp_path / "old"))
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync", "--cluster", cluster.address)
        assert_calm(done, 2)
        assert "version 0.0.9" in done.stderr
        assert f"version {package.__version__}" in done.stderr
        assert source.pictures_asked() == 0


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root can hide a folder")
@pytest.mark.parametrize("hidden", ["nothing there", pytest.param("another archive", marks=pytest.mark.slow)])
async def test_worker_that_does_not_see_the_archive_is_refused(tmp_path: Path, hidden: str) -> None:
    """Neither an empty place nor a copy of the archive will do; the worker is named, and no picture is asked for."""
    async with SourceSimulator() as source, DaskCluster(tmp_path / "dask", workers=1) as cluster:
        source.config(tmp_path)
        photos, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
        (photos / ".mirror/drafts").mkdir(parents=True)
        elsewhere.mkdir()
        if hidden == "another archive":
            shutil.copytree(photos, elsewhere, dirs_exist_ok=True)
        hide = f'mount --bind {elsewhere} {photos} && exec "$@"'
        await cluster.add_worker("unshare", "-m", "sh", "-c", hide, "sh")
        done = await mirror(tmp_path, "sync", "--cluster", cluster.address)
        assert_calm(done, 2)
        assert "worker tcp://127.0.0.1:" in done.stderr
        assert f"every worker must reach the archive at {photos}" in done.stderr
        assert source.pictures_asked() == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--cluster", "tcp://127.0.0.1:1"], "no scheduler answers"),
        (["--cluster", "127.0.0.1:8786"], "expected a scheduler such as tcp://"),
        (["--local-workers", "0"], "expected a number from 1"),
        (["--local-workers", "2", "--cluster", "tcp://127.0.0.1:8786"], "give one of them"),
    ],
)
async def test_what_cannot_be_meant_is_refused(tmp_path: Path, words: list[str], text: str) -> None:
    """Wrong options and an absent scheduler are usage errors, in one line."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        done = await mirror(tmp_path, "sync", *words)
        assert_calm(done, 2)
        assert text in done.stderr
        assert source.requests == []


_WITHOUT_DASK = """
import sys
sys.modules["distributed"] = None
from mirror.cli import main
sys.exit(main(["sync", "--local-workers", "2"]))
"""


async def test_missing_extra_is_named(tmp_path: Path) -> None:
    """Who has no Dask is told how to get it."""
    async with SourceSimulator() as source:
        source.config(tmp_path)
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", _WITHOUT_DASK], cwd=tmp_path, text=True, capture_output=True,
            check=False,
        )  # fmt: skip
        assert_calm(done, 2)
        assert "pip install 'mirror[dask]'" in done.stderr
