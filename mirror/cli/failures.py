"""``mirror failures``: what is missing, and why."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from mirror.cli.exit_codes import OK, PARTIAL
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, Host, Races, Reason
from mirror.cli.output import console, local_time, printable, to_json
from mirror.cli.places import find_manifest

if TYPE_CHECKING:
    from rich.console import Console

    from mirror.manifest import FailureReader, Missed, Trouble

EXAMPLES = """\
  [cyan]mirror failures[/]                  by reason, host and race, with what to do
  [cyan]mirror failures --race harbour[/]   of one race
  [cyan]mirror failures --json[/]           the same for a program"""


def failures(
    race: Races = None,
    reason: Reason = "",
    host: Host = "",
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Show what is wanted and failed: by reason, host and race, with what to do.

    Ends with 1 if something wanted is missing. Needs no network, and reads media that cannot be written.
    """
    from mirror.manifest import FailureReader

    _, path = find_manifest(archive, config)
    with FailureReader(path) as reader:
        troubles = reader.troubles(missed_of(reader, race or (), reason, host))
        not_tried = reader.count_not_tried()
    if as_json:
        typer.echo(to_json({"troubles": [_plain(each) for each in troubles], "not_tried": not_tried}))
    else:
        _show(console(), troubles, not_tried)
    return PARTIAL if any(each.state != "gone" for each in troubles) else OK


def missed_of(reader: "FailureReader", races: Sequence[str], reason: str, host: str) -> "Missed":
    """Read what the options mean."""
    from mirror.manifest import Missed
    from mirror.race_choice import choose_days

    return Missed(
        reason=reason.strip(), host=host.strip().lower(), days=choose_days(races, reader.races()) if races else ()
    )


def _plain(trouble: "Trouble") -> dict[str, object]:
    """The fields of `Trouble`, and what to do."""
    from mirror.failures import advice

    return {**asdict(trouble), "advice": advice(trouble)}


def _show(out: "Console", troubles: "Sequence[Trouble]", not_tried: int) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from mirror.failures import advice
    from mirror.progress import count_text

    for trouble in troubles:
        where = " · ".join(filter(None, (printable(trouble.host), printable(trouble.race_name))))
        head = f"{trouble.reason}, gone" if trouble.state == "gone" and trouble.reason != "gone" else trouble.reason
        things = "record" if trouble.state == "unusable" else "file"
        style = "yellow" if trouble.state == "gone" else "bold red"
        out.print(Text.assemble((count_text(trouble.count, things), "bold"), " ", (printable(head), style)))
        out.print(Text(f"  {where}, last {local_time(trouble.last_at)}", style="dim"))
        if trouble.set_aside:
            out.print(Text(f"  {trouble.set_aside:,} set aside after failing on five days: tried weekly", style="dim"))
        out.print(Text(f"  such as {printable(trouble.example)}"), soft_wrap=True)
        out.print(Padding(Text(advice(trouble), style="cyan"), (0, 0, 1, 2), expand=False))
    if not_tried:
        out.print(f"{count_text(not_tried, 'file')} wanted and not tried yet: 'mirror sync' fetches them.")
    if not troubles:
        out.print("Nothing failed.")
    elif any(each.state != "unusable" for each in troubles):
        out.print(Text("'mirror retry' tries them all now; --reason, --host and --race choose.", style="dim"))
