"""``mirror find``: the photos of a bib, and copies of them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.exit_codes import OK, PARTIAL
from mirror.cli.logs import CAUSES
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, Races
from mirror.cli.output import console, from_stamp, local_time, printable, short_path, to_json
from mirror.cli.places import find_manifest, moment_of
from mirror.errors import ConfigError
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from mirror.find import Absent
    from mirror.handout import Handed
    from mirror.manifest import FoundPhoto, PhotoFinder, Search

EXAMPLES = """\
  [cyan]mirror find 1179[/]                          every photo of a bib, over all races and years
  [cyan]mirror find 1179 1308 --race harbour[/]      of one race, of either bib
  [cyan]mirror find 1179 --to runner-1179.zip[/]     handed on in one file
  [cyan]mirror find --untagged --since yesterday[/]  nobody's yet, uploaded since yesterday"""

_MOST_CAUSES = 12


def find(
    bibs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[BIB]...", help="Bib numbers, as they are tagged.", show_default=False),
    ] = None,
    race: Races = None,
    album: Annotated[
        str, typer.Option(metavar="ALBUM", help="Only this album: its id or a part of its name.", show_default=False)
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="Only uploads since: a date, sunday, '2 days ago'.", show_default=False)
    ] = "",
    uploaded_by: Annotated[
        str,
        typer.Option(metavar="PREFIX", help="Only uploads whose file name begins so: ABC_.", show_default=False),
    ] = "",
    untagged: Annotated[bool, typer.Option("--untagged", help="Only photos without a bib.")] = False,
    variant: Annotated[
        str,
        typer.Option(metavar="NAME", help="This variant, not the best that is held.", show_default=False),
    ] = "",
    to: Annotated[
        Path | None, typer.Option(metavar="DIR|ZIP", help="Put copies into a folder, or into one ZIP file.")
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="With --to DIR: symbolic links instead of copies.")] = False,
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Look photos up by bib, and hand them on.

    Bibs are text: 007 is another bib than 7. Copies are named by date, race and photo, share the disk's blocks where
    the file system can, and are left alone once they are there. Needs no network, and reads media that cannot be
    written.
    """
    from mirror.find import find as look_up
    from mirror.handout import check_way
    from mirror.manifest import PhotoFinder

    _check(bibs or (), variant, has_filter=bool(race or album or since or uploaded_by or untagged), to=to, is_link=link)
    if untagged and bibs:
        raise ConfigError("a photo with a bib is not untagged: give bibs, or --untagged")
    root, path = find_manifest(archive, config)
    if to is not None:
        check_way(root, to, is_link=link)
    with PhotoFinder(path) as finder:
        search = _search(finder, bibs or (), race or (), album, since, uploaded_by, is_untagged=untagged)
        found = look_up(finder, search)
        handed = _hand_out(root, finder, found.numbers, to, variant, is_link=link) if to is not None else []
        if as_json:
            photos = [_plain(each, root) for each in finder.photos(found.numbers)]
            typer.echo(to_json({
                "archive": str(root), "photos": photos, "absent": [asdict(each) for each in found.absent],
                "handed": [asdict(each) for each in handed],
            }))  # fmt: skip
        elif to is not None:
            _say_handed(handed, to)
        else:
            _show(console(), root, finder.photos(found.numbers), search, variant)
    for each in found.absent:
        CAUSES.error("%s", _absent_text(each, is_filtered=_is_filtered(search)))
    wrong = [each.reason for each in handed if not each.is_right]
    for reason in wrong[:_MOST_CAUSES]:
        CAUSES.error("%s", reason)
    if len(wrong) > _MOST_CAUSES:
        CAUSES.error("and %s more (--json names them)", len(wrong) - _MOST_CAUSES)
    return PARTIAL if found.absent or wrong or not found.numbers else OK


def _check(bibs: Sequence[str], variant: str, *, has_filter: bool, to: Path | None, is_link: bool) -> None:
    from mirror.model import VARIANTS

    if not bibs and not has_filter:
        raise ConfigError("which photos? Give bibs, --untagged, --race, --album, --since or --uploaded-by")
    if variant and variant not in VARIANTS:
        raise ConfigError(f"--variant {variant}: expected one of {', '.join(VARIANTS)}")
    if is_link and to is None:
        raise ConfigError("--link goes with --to DIR")


def _search(
    finder: "PhotoFinder", bibs: Sequence[str], races: Sequence[str], album: str, since: str, uploaded_by: str,
    *, is_untagged: bool,
) -> "Search":  # fmt: skip
    from mirror.manifest import Search
    from mirror.race_choice import choose_days

    return Search(
        bibs=tuple(dict.fromkeys(each.strip() for each in bibs)),
        is_untagged=is_untagged,
        days=choose_days(races, finder.races()) if races else (),
        album=album,
        since_ts=int(moment_of(since, "--since").start.timestamp()) if since else None,
        uploaded_by=uploaded_by,
    )


def _is_filtered(search: "Search") -> bool:
    return bool(search.days or search.album or search.since_ts is not None or search.uploaded_by)


# -- handing out ------------------------------------------------------------------------------------------------------


def _hand_out(
    root: ArchiveRoot, finder: "PhotoFinder", numbers: Sequence[int], to: Path, variant: str, *, is_link: bool
) -> "list[Handed]":
    from rich.console import Console
    from rich.progress import track

    from mirror.handout import hand_out
    from mirror.manifest import note_export

    if not numbers:
        return []
    photos = finder.photos(numbers)
    steps = hand_out(root, photos, to, variant=variant, is_link=is_link)
    err = Console(stderr=True)
    shown = track(steps, total=len(numbers), description="Handing out", console=err, transient=True,
                  disable=not err.is_terminal)  # fmt: skip
    handed = list(shown)
    if any(each.is_right for each in handed):
        # What is forgotten later is looked for there.
        note_export(finder.path, to, "copies")
    return handed


def _say_handed(handed: "Sequence[Handed]", to: Path) -> None:
    from mirror.progress import count_text

    if not handed:
        return
    counts = Counter[str](each.how for each in handed)
    words = {"copied": "copied to", "linked": "linked in", "packed": "packed into"}
    facts = [f"{count_text(counts[how], 'photo')} {words[how]} {short_path(to)}" for how in words if counts[how]]
    if counts["there already"]:
        facts.append(f"{counts['there already']:,} there already")
    typer.echo(", ".join(facts) or f"nothing new in {short_path(to)}")


# -- showing ----------------------------------------------------------------------------------------------------------


def _plain(photo: "FoundPhoto", root: ArchiveRoot) -> dict[str, object]:
    """The fields of `FoundPhoto`, each file with its path, hashes in hex, times in ISO 8601."""
    files = [
        {
            **asdict(each),
            "sha256": each.sha256.hex() if each.sha256 else None,
            "path": root.at(each.key) if each.key else None,
        }
        for each in photo.files
    ]
    return {**asdict(photo), "uploaded_at": from_stamp(photo.uploaded_ts), "taken_at": photo.taken_at, "files": files}


def _show(out: "Console", root: ArchiveRoot, photos: "Iterator[FoundPhoto]", search: "Search", variant: str) -> None:
    from rich.text import Text

    from mirror.progress import count_text

    day: tuple[int, int] | None = None
    count = days = 0
    for photo in photos:
        if day != (photo.race_id, photo.race_day_id):
            day = (photo.race_id, photo.race_day_id)
            days += 1
            head = f"{'' if days == 1 else chr(10)}{printable(photo.race_name)}"
            when = str(photo.starts_on or "no date")
            out.print(Text.assemble((f"{head}  {when}", "bold"), (f"  race {day[0]}, day {day[1]}", "dim")))
        count += 1
        for line in _lines(photo, root, search.bibs, variant):
            # Lists go into files and other programs, and may be long: no detour where there is nothing to colour.
            out.print(line, soft_wrap=True) if out.is_terminal else typer.echo(line.plain)
    if count:
        where = f" in {count_text(days, 'race day')}" if days > 1 else ""
        out.print(
            Text(f"\n{count_text(count, 'photo')}{where}; --to DIR or --to FILE.zip hands copies out.", style="dim")
        )
    elif not search.bibs:
        out.print("No such photo.")


def _lines(photo: "FoundPhoto", root: ArchiveRoot, asked: Sequence[str], variant: str) -> "Iterator[Text]":
    from rich.text import Text

    line = Text(f"  {photo.photo_id}")
    line.append("  bib " if photo.bibs else "  no bib", style="dim")
    for at, bib in enumerate(photo.bibs):
        line.append(", " if at else "", style="dim")
        line.append(printable(bib), style="bold green" if bib in asked else "")
    if photo.taken_at:
        line.append(f"  taken {printable(photo.taken_at[:16]).replace('T', ' ')}", style="dim")
    if photo.uploaded_ts:
        line.append(f"  uploaded {local_time(from_stamp(photo.uploaded_ts))}", style="dim")
    if photo.unlisted_at:
        line.append("  no longer listed", style="yellow")
    yield line
    held = [each for each in photo.held if variant in {"", each.variant}]
    if held:
        yield Text(f"    {_short(root, held[0].key or '')}")
        return
    states = ", ".join(f"{each.variant} {each.state}" for each in photo.files if variant in {"", each.variant})
    yield Text(f"    not held: {states or 'not offered'}", style="yellow")


def _short(root: ArchiveRoot, key: str) -> str:
    return short_path(root.folder / key) if root.folder is not None else printable(root.at(key))


def _absent_text(absent: "Absent", *, is_filtered: bool) -> str:
    from mirror.progress import count_text

    text = f"no photo shows bib {printable(absent.bib)}"
    if absent.elsewhere and is_filtered:
        return f"{text} there; {count_text(absent.elsewhere, 'photo')} elsewhere in the archive"
    if not absent.near:
        return f"{text} in this archive"
    near = ", ".join(f"{printable(bib)} ({count_text(count, 'photo')})" for bib, count in absent.near)
    return f"{text}, but there is {near}: bibs are text, {printable(absent.bib)} is another one"
