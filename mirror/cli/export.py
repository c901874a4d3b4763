"""``mirror export``: what the archive holds, in forms that other programs take."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.exit_codes import OK
from mirror.cli.exporting import counting, opened_export, remember, say_exported
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, Races
from mirror.cli.output import console, to_json
from mirror.cli.page import Command, Group
from mirror.errors import ConfigError
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    from mirror.export.exports import TableKind, XmpKind

EXAMPLES = """\
  [cyan]mirror export csv --excel[/]                a row for each photo, in ./photos.csv
  [cyan]mirror export sha256[/]                     for sha256sum -c
  [cyan]mirror export bagit --to bags[/]            a bag for each race day
  [cyan]mirror export xmp --embed lightroom[/]      copies that carry their bibs as keywords"""

RaceDays = Annotated[
    list[str] | None,
    typer.Option("--race-day", metavar="DAY", help="Only this race day: its date or id; repeatable."),
]
Variants = Annotated[
    list[str] | None,
    typer.Option("--variant", metavar="NAME", help="Only this variant; repeatable."),
]
ToDir = Annotated[Path, typer.Option("--to", metavar="DIR", help="Where; it is made.")]


def csv(
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="Where; - is standard output.")
    ] = Path("photos.csv"),
    excel: Annotated[
        bool, typer.Option("--excel", help="So that Excel reads it without a question and keeps bibs such as 0117.")
    ] = False,
    race: Races = None, race_day: RaceDays = None, variant: Variants = None,
    archive: ArchiveDir = None, config: ConfigFile = None, as_json: AsJson = False,
) -> int:  # fmt: skip
    """Write a table for spreadsheets: one row for each photo.

    Text that would run as a formula gets an apostrophe before it. 'mirror export columns' explains the columns.
    """
    return _table("csv", to, race, race_day, variant, archive, config, as_json=as_json, for_excel=excel)


def jsonl(
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="Where; - is standard output.")
    ] = Path("photos.jsonl"),
    race: Races = None, race_day: RaceDays = None, variant: Variants = None,
    archive: ArchiveDir = None, config: ConfigFile = None, as_json: AsJson = False,
) -> int:  # fmt: skip
    """Write a table for programs: one JSON object a line, one line for each photo.

    'mirror export columns' explains the fields.
    """
    return _table("jsonl", to, race, race_day, variant, archive, config, as_json=as_json)


def parquet(
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where.")] = Path("photos.parquet"),
    race: Races = None, race_day: RaceDays = None, variant: Variants = None,
    archive: ArchiveDir = None, config: ConfigFile = None, as_json: AsJson = False,
) -> int:  # fmt: skip
    """Write a table for DuckDB, pandas and their like: one row for each photo, with types.

    Needs pyarrow: pip install 'mirror[parquet]'. 'mirror export columns' explains the columns.
    """
    return _table("parquet", to, race, race_day, variant, archive, config, as_json=as_json)


def columns(as_json: AsJson = False) -> int:
    """Explain the columns of csv, jsonl and parquet."""
    from mirror.export.columns import explained_columns, photos_table

    if as_json:
        typer.echo(to_json([asdict(each) for each in photos_table().columns]))
        return OK
    from rich.table import Table
    from rich.text import Text

    from mirror.model import VARIANTS

    table = Table.grid(padding=(0, 2, 0, 0))
    for each in explained_columns():
        table.add_row(each.name, Text(each.kind, style="dim"), each.what)
    console().print(table)
    typer.echo(f"\nVARIANT is one of {', '.join(VARIANTS)}; each has its own columns.")
    return OK


def sha256(
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="Where; - is standard output.")
    ] = Path("SHA256SUMS"),
    race: Races = None, race_day: RaceDays = None, variant: Variants = None,
    archive: ArchiveDir = None, config: ConfigFile = None, as_json: AsJson = False,
) -> int:  # fmt: skip
    """Write the hashes of all stored files, as sha256sum reads them.

    Check with them in the archive's folder: sha256sum -c FILE.
    """
    from mirror.export.exports import export_checksums

    with opened_export(archive, config, race, race_day, variant) as export:
        return say_exported(export, "sha256", [export_checksums(export, to)], as_json=as_json)


def datapackage(
    to: ToDir,
    race: Races = None, race_day: RaceDays = None, variant: Variants = None,
    archive: ArchiveDir = None, config: ConfigFile = None, as_json: AsJson = False,
) -> int:  # fmt: skip
    """Write tables of photos, bibs and files with a Frictionless descriptor.

    In DIR: photos.csv, bibs.csv, assets.csv, and datapackage.json, which says what is in them.
    """
    from mirror.export.exports import export_package

    with opened_export(archive, config, race, race_day, variant) as export:
        return say_exported(export, "datapackage", [export_package(export, to)], as_json=as_json)


def bagit(
    to: ToDir,
    link: Annotated[
        bool, typer.Option("--link", help="Hard links instead of copies: editing one edits both.")
    ] = False,
    info: Annotated[
        list[str] | None,
        typer.Option("--info", metavar="LINE", help="A line for bag-info.txt, 'Label: value'; repeatable."),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option("--date", metavar="DATE", help="Bagging-Date; else the day on which the newest file was stored."),
    ] = None,
    race: Races = None, race_day: RaceDays = None, variant: Variants = None,
    archive: ArchiveDir = None, config: ConfigFile = None, as_json: AsJson = False,
) -> int:  # fmt: skip
    """Make BagIt bags: one for each race day, with all stored files and the tables.

    The hashes are those under which the files were stored: no picture is read again to make them.

    A bag that is up to date is left as it is; any other of ours is replaced in one step.
    """
    from mirror.export.exports import export_bags

    with opened_export(archive, config, race, race_day, variant) as export:
        with counting("Bagging") as tick:
            bags = export_bags(export, to, how="link" if link else "copy", info=info or (), date=date, on_file=tick)
            done = []
            for each in bags:  # noted one by one: the next may be stopped
                remember(export, "bagit", each.to)
                done.append(each)
        return say_exported(export, "bagit", done, as_json=as_json)


def xmp(
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Sidecars alone, in folders as the archive has them.")
    ] = None,
    beside: Annotated[
        bool, typer.Option("--beside", help="Sidecars beside the stored files, inside the archive.")
    ] = False,
    embed: Annotated[
        Path | None, typer.Option("--embed", metavar="DIR", help="Copies of the pictures with the metadata inside.")
    ] = None,
    race: Races = None, race_day: RaceDays = None, variant: Variants = None,
    archive: ArchiveDir = None, config: ConfigFile = None, as_json: AsJson = False,
) -> int:  # fmt: skip
    """Write metadata for picture programs: bibs as keywords, title, source, ids.

    digiKam, Immich and PhotoPrism read sidecars (photo.jpg.xmp); Lightroom wants it inside the JPEG: --embed.

    Only what changed is written, and what another program wrote or edited is left alone.

    Without --variant, each photo's best stored file is taken.
    """
    from mirror.export.exports import export_xmp, folder_beside

    if (to is not None) + beside + (embed is not None) != 1:
        raise ConfigError("where? Give one of --to DIR (sidecars), --beside (in the archive), --embed DIR (copies)")
    kind: XmpKind = "beside" if beside else "embedded" if embed else "sidecars"
    with opened_export(archive, config, race, race_day, variant) as export:
        where = to or embed or folder_beside(export.root)
        remember(export, "xmp", where)
        with counting("Writing") as tick:
            done = export_xmp(export, kind, where, on_file=tick)
        return say_exported(export, "xmp", [done], as_json=as_json)


def _table(
    kind: "TableKind", to: Path, race: list[str] | None, race_day: list[str] | None, variant: list[str] | None,
    archive: ArchiveRoot | None, config: Path | None, *, as_json: bool, for_excel: bool = False,
) -> int:  # fmt: skip
    from mirror.export.exports import export_table

    with opened_export(archive, config, race, race_day, variant) as export:
        return say_exported(export, kind, [export_table(export, kind, to, for_excel=for_excel)], as_json=as_json)


app = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode="rich",
    help="Hand the archive on: tables, checksums, bags, metadata.", epilog=f"[bold]Examples[/]\n\n{EXAMPLES}",
)  # fmt: skip
for _command in (csv, jsonl, parquet, columns, datapackage, sha256, bagit, xmp):
    app.command(_command.__name__, cls=Command)(_command)
