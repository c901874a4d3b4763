"""The races of a fleet: each an archive of its own below one root, in a folder with the race's id."""

from collections.abc import Sequence
from dataclasses import dataclass

from mirror.config import Config, RaceSettings
from mirror.errors import AccessError
from mirror.opening import open_source, open_transport
from mirror.race_ref import RaceRef
from mirror.targets import find_race_id
from mirror.transport import ApiGate

Refusal = tuple[str, AccessError]
"""A race as it is configured, and why nobody knows its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRace:
    """A race as it is configured, in one block or several."""

    race_id: int
    settings: tuple[RaceSettings, ...]

    @property
    def name(self) -> str:
        """What people call it: its id or address, as configured."""
        return str(self.settings[0].race)

    @property
    def folder(self) -> str:
        """Where it lies below the root."""
        return f"race-{self.race_id}"

    @property
    def lease(self) -> str:
        """The object that says who works on it."""
        return f"fleet/{self.folder}.json"

    def config(self, config: Config) -> Config:
        """Make the configuration of this race alone, out of that of all."""
        archive = config.archive
        state_dir = archive.state_dir / self.folder if archive.state_dir is not None else None
        own = archive.model_copy(update={"root": archive.root.below(self.folder), "state_dir": state_dir})
        return config.model_copy(update={"archive": own, "races": self.settings})


async def find_races(
    config: Config, chosen: Sequence[RaceSettings], *, api_gate: ApiGate
) -> tuple[list[FleetRace], list[Refusal]]:
    """Give each race its folder, asking the API for the ids of those that are configured by their address.

    Raises:
        AccessError: The API refuses this caller altogether.
    """
    refusals: list[Refusal] = []
    known = [(each.race.race_id, each) for each in chosen if each.race.race_id]
    unknown = [each for each in chosen if not each.race.race_id]
    if unknown:
        found, refusals = await _ask_ids(config, unknown, api_gate)
        known += found
    blocks: dict[int, tuple[RaceSettings, ...]] = {}
    for race_id, each in known:
        blocks[race_id] = (*blocks.get(race_id, ()), each)
    return [FleetRace(race_id=race_id, settings=settings) for race_id, settings in blocks.items()], refusals


async def _ask_ids(
    config: Config, unknown: Sequence[RaceSettings], api_gate: ApiGate
) -> tuple[list[tuple[int, RaceSettings]], list[Refusal]]:
    found, refusals = [], []
    transport = open_transport(config, api_gate=api_gate)
    try:
        source = open_source(config, transport)
        for each in unknown:
            try:
                race_id = await find_race_id(each.race, source=source)
            except AccessError as error:
                if error.ends_run:
                    raise
                refusals.append((str(each.race), error))
            else:
                ref = RaceRef(race_id=race_id, slug=each.race.slug)
                found.append((race_id, each.model_copy(update={"race": ref})))
    finally:
        await transport.aclose()
    return found, refusals
