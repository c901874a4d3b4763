"""``mirror sync --fleet``: what a person sees of one pass of one machine among others."""

from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from mirror.cli.exit_codes import OK, PARTIAL, exit_code
from mirror.cli.logs import CAUSES
from mirror.cli.output import printable, to_json
from mirror.cli.running import STOPPING, run

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from mirror.config import Config
    from mirror.fleet.report import FleetReport, RaceOutcome
    from mirror.tally import Tally


def sync_fleet(
    settings: "Config", races: list[str], *, is_full: bool, is_recheck: bool, is_loss_believed: bool, as_json: bool,
    is_quiet: bool,
) -> int:  # fmt: skip
    """Make one pass over the races beside other machines."""
    from mirror.fleet.run import Ways, run_fleet

    ways = Ways(is_full=is_full, is_recheck=is_recheck, is_loss_believed=is_loss_believed)
    is_silent = is_quiet or as_json

    @contextmanager
    def show(race: str, tally: "Tally") -> "Iterator[None]":
        from mirror.progress import Progress

        if not is_silent:
            typer.echo(f"race {printable(race)}: claimed", err=True)
        with Progress(tally, is_quiet=is_quiet):
            yield

    def tell(outcome: "RaceOutcome") -> None:
        if not is_silent:
            typer.echo(outcome_line(outcome))
        for cause in _causes(outcome):
            CAUSES.error("%s", cause)

    async def work(stop: "asyncio.Event") -> int:
        report = await run_fleet(settings, races=races, ways=ways, stop=stop, show=show, on_outcome=tell)
        if as_json:
            typer.echo(fleet_json(report))
        elif not is_quiet:
            typer.echo(summary_line(report))
        return fleet_exit_code(report)

    return run(work, notice=STOPPING, is_quiet=is_quiet)


def fleet_exit_code(report: "FleetReport") -> int:
    """The worst of all races, but for those that other machines have in hand and answer for."""
    return max((_race_exit_code(each) for each in report.outcomes), default=OK)


def _race_exit_code(outcome: "RaceOutcome") -> int:
    from mirror.fleet.report import What

    if outcome.error is not None:
        return exit_code(outcome.error)
    return PARTIAL if outcome.what is What.LOST else outcome.exit_code or OK


def outcome_line(outcome: "RaceOutcome") -> str:
    """Say what became of a race, in one line."""
    from mirror.fleet.report import What
    from mirror.progress.numbers import count_text, size_text

    race, by, report = printable(outcome.race), printable(outcome.by), outcome.report
    taken = f", taken over from {printable(outcome.taken_from)}" if outcome.taken_from else ""
    match outcome.what:
        case What.FRESH:
            code = f", exit code {outcome.exit_code}" if outcome.exit_code else ""
            return f"race {race}: done by {by} a short while ago{code}"
        case What.HELD:
            return f"race {race}: in work at {by or 'another machine'}"
        case What.LOST | What.FAILED:
            return f"race {race}: {outcome.what.value}{taken}"
        case _:
            words = "stopped" if outcome.what is What.STOPPED else "incomplete" if outcome.exit_code else "complete"
            if report is None:
                return f"race {race}: {words}{taken}"
            news = f"{count_text(report.new_photos, 'new photo')}, {count_text(report.stored, 'file')} stored"
            size = f", {size_text(report.stored_bytes)}" if report.stored else ""
            return f"race {race}: {words}{taken}; {news}{size}"


def summary_line(report: "FleetReport") -> str:
    """Say how the pass went, in one line."""
    from mirror.fleet.report import What
    from mirror.progress.numbers import count_text

    facts = [f"{report.count(What.DONE)} synced here"]
    facts += [f"{number} {what.value}" for what in What if what is not What.DONE and (number := report.count(what))]
    return f"{count_text(len(report.outcomes), 'race')}: {', '.join(facts)} ({printable(report.machine)})"


def fleet_json(report: "FleetReport") -> str:
    """Write a report as JSON: its fields, those of each race's run, and the exit code."""
    return to_json({**asdict(report), "exit_code": fleet_exit_code(report)})


def _causes(outcome: "RaceOutcome") -> list[str]:
    from mirror.fleet.report import What
    from mirror.progress import causes

    own = [f"race {outcome.race}: {outcome.error}"] if outcome.error is not None else []
    if outcome.what is What.LOST:
        own.append(f"race {outcome.race}: its lease could not be renewed in time, so that another machine may have it")
    of_run = causes(outcome.report) if outcome.report is not None else []
    return [*own, *of_run]
