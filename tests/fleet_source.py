"""Several small races at one service, and machines that sync them together into one bucket."""

import asyncio
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from mirror.demo import Request
from tests.simulator import SmallRace, SourceSimulator

_RACE = re.compile(r"race_(\d+)_|/race/(\d+)$")


class ManyRaces(SourceSimulator):
    """The simulator with several races, told apart by their ids."""

    def __init__(self, *race_ids: int, photos: int = 4) -> None:
        super().__init__(photos=1)
        self.races = {race_id: SmallRace(photos=photos, race_id=race_id) for race_id in race_ids}

    async def _fault_for(self, seen: Request, request: web.Request) -> web.StreamResponse | None:
        # A fault may wait, or ask for the honest answer, while requests for other races come in.
        self.race = self.races[race_of(seen)]
        answer = await super()._fault_for(seen, request)
        self.race = self.races[race_of(seen)]
        return answer

    def fleet_text(self, root: str, state_dir: Path, **fleet: str) -> str:
        """A machine's configuration for all of the races."""
        head, _, _ = self.config_text().partition("[[races]]")
        head = head.replace('root = "photos"', f'root = "{root}"\nstate_dir = "{state_dir}"')
        settings = {"lease": "60s", "heartbeat": "250ms", **fleet}
        lines = "".join(
            f"{name} = {value if value in {'true', 'false'} else repr(value)}\n" for name, value in settings.items()
        )
        races = "".join(f'[[races]]\nrace = "{race_id}"\ndays = [34168]\n' for race_id in self.races)
        return f"{head}[fleet]\n{lines}{races}"


def race_of(seen: Request) -> int:
    """The race that a request is about."""
    if "race_id" in seen.query:
        return int(seen.query["race_id"])
    found = _RACE.search(seen.path)
    assert found is not None, seen.path
    return int(found[1] or found[2])


@dataclass
class Machine:
    """One machine of a fleet: a folder of its own, and the command as cron starts it.

    Args:
        environ: Leads to the bucket.
    """

    folder: Path
    environ: dict[str, str]
    process: asyncio.subprocess.Process | None = None
    said: str = ""
    complained: str = field(default="")

    async def start(self, *options: str) -> None:
        """Start ``mirror sync --fleet``."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", "-m", "mirror", "sync", "--fleet", "--config", str(self.folder / "mirror.toml"), *options,
            cwd=self.folder, env=os.environ | self.environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def end(self) -> int:
        """Wait for it; returns its exit code."""
        assert self.process is not None
        said, complained = await self.process.communicate()
        self.said, self.complained = said.decode(), complained.decode()
        assert self.process.returncode is not None
        return self.process.returncode

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)
