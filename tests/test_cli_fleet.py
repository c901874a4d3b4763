"""What a fleet's pass is told in, and what it ends with."""

from pathlib import Path

import pytest

from mirror.cli import main
from mirror.cli.fleet import fleet_exit_code, outcome_line, summary_line
from mirror.errors import AccessError, ManifestError
from mirror.fleet.report import FleetReport, RaceOutcome, What

DONE = RaceOutcome(race="48211", what=What.DONE, exit_code=0)
PARTIAL = RaceOutcome(race="48212", what=What.DONE, exit_code=1)
FRESH = RaceOutcome(race="48213", what=What.FRESH, by="box-b:17", exit_code=3)
HELD = RaceOutcome(race="48214", what=What.HELD, by="box-c:\x1b[2J9")
LOST = RaceOutcome(race="48215", what=What.LOST, taken_from="box-d:4")
FOREIGN = RaceOutcome(race="48216", what=What.FAILED, error=ManifestError("foreign"))
UNKNOWN = RaceOutcome(race="/Race/NJ/Camden/None", what=What.FAILED, error=AccessError("no race found"))


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((), 0),
        ((DONE,), 0),
        ((DONE, HELD), 0),
        ((DONE, PARTIAL), 1),
        ((DONE, LOST), 1),
        ((PARTIAL, FRESH), 3),
        ((DONE, UNKNOWN), 3),
        ((FOREIGN, DONE), 5),
    ],
)
def test_exit_code_is_the_worst_of_all_but_those_in_work(outcomes: tuple[RaceOutcome, ...], code: int) -> None:
    """What another machine has in hand is that machine's to answer for; what it has done counts here too."""
    assert fleet_exit_code(FleetReport(machine="box-a:1", outcomes=outcomes)) == code


def test_lines_name_races_and_machines() -> None:
    """One line a race, whatever other machines call themselves, and one for all."""
    assert outcome_line(FRESH) == "race 48213: done by box-b:17 a short while ago, exit code 3"
    assert outcome_line(HELD) == "race 48214: in work at box-c: [2J9"
    assert outcome_line(LOST) == "race 48215: lost, taken over from box-d:4"
    report = FleetReport(machine="box-a:1", outcomes=(DONE, PARTIAL, FRESH, HELD, LOST))
    assert summary_line(report) == ("5 races: 2 synced here, 1 done elsewhere, 1 in work elsewhere, 1 lost (box-a:1)")


@pytest.mark.parametrize(
    ("more", "names"),
    [
        (["--dry-run"], "--dry-run"),
        (["--local-workers", "2"], "--local-workers"),
        (["--cluster", "tcp://a"], "--cluster"),
    ],
)
def test_fleet_is_refused_beside_what_it_cannot_be_combined_with(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], more: list[str], names: str
) -> None:
    """Two ways at once are named in one sentence, before anything is opened."""
    (tmp_path / "mirror.toml").write_text('[archive]\nroot = "s3://club-photos/races"\n[[races]]\nrace = "48211"\n')
    assert main(["sync", "--fleet", *more, "--config", str(tmp_path / "mirror.toml")]) == 2
    assert names in capfd.readouterr().err
