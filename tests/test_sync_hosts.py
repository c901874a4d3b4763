"""Hosts that fail: a run leaves them alone, says why, keeps what is wanted, and goes on elsewhere."""

from pathlib import Path

import pytest

from mirror import run_sync
from mirror.progress import causes
from tests.simulator import SourceSimulator
from tests.test_sync import assert_agrees

ALWAYS = 10**9


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"status": 403}, {"status": 200, "body": b"no"}])
async def test_host_that_fails_everything_does_not_cost_every_photo_its_tries(
    tmp_path: Path, fault: dict[str, object]
) -> None:
    """Thousands of pictures at a host that gives none: asked a bounded number of times, and the reason is said."""
    async with SourceSimulator(photos=1500) as source:
        source.fault("_v", times=ALWAYS, **fault)
        report = await run_sync(source.config(tmp_path, DOWNLOAD__HOST_PATIENCE="0s", DOWNLOAD__CONCURRENCY="8"))
        assert report.exit_code == 1
        assert report.stored == 0
        assert report.missing > 1200
        assert source.pictures_asked() <= 1064
        assert any("asked no more in this run" in cause for cause in causes(report))


async def test_run_goes_on_when_a_lost_host_is_back(tmp_path: Path) -> None:
    """An outage that outlasts the first requests is waited out, and then everything is fetched."""
    async with SourceSimulator(photos=60) as source:
        source.fault("_v", times=104, status=500)
        report = await run_sync(source.config(tmp_path, DOWNLOAD__ATTEMPTS="100"))
        assert (report.exit_code, report.closed_hosts) == (0, ())
        assert source.pictures_asked() == report.stored + 104
    assert_agrees(tmp_path / "photos")
