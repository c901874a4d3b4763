"""``mirror gallery``: the archive as a web site without a server."""

import os
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.exit_codes import OK, PARTIAL, exit_code
from mirror.cli.logs import CAUSES, set_up_logging
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, Quiet, Verbosity
from mirror.cli.output import console, to_json
from mirror.cli.places import find_manifest, is_same_root
from mirror.cli.running import run
from mirror.errors import ConfigError
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    import asyncio

    from mirror.config import Config, GallerySettings
    from mirror.gallery import GalleryOptions, GalleryReport
    from mirror.race_ref import RaceRef

EXAMPLES = """\
  [cyan]mirror gallery[/]                      pages beside the archive that point into it
  [cyan]mirror gallery --copy --to usb[/]      a folder that stands alone, for a stick or a web host
  [cyan]mirror gallery --copy --no-originals --private --to public[/]
  [cyan]mirror gallery --serve[/]              on this machine alone, fresh while a sync is on"""


def gallery(
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", show_default=False, help="Where it goes, if not beside the archive."),
    ] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the pictures too, so that it stands alone.")] = False,
    variants: Annotated[
        str | None, typer.Option(metavar="LIST", show_default=False, help="Of original,large,thumbnail.")
    ] = None,
    no_originals: Annotated[bool, typer.Option("--no-originals", help="Leave the originals out.")] = False,
    race: Annotated[
        list[str] | None, typer.Option(metavar="RACE", show_default=False, help="Only this race; repeatable.")
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", show_default=False, help="What it is called.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Leave out bibs, and photos no longer listed.")] = False,
    link_base: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            show_default=False,
            help="Point to the pictures where the archive's folder or bucket can be had on the web: https://...",
        ),
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Serve it to this machine, and keep it fresh.")] = False,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="With --serve: the port; 0 takes a free one.")
    ] = 8470,
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbosity = 0,
) -> int:
    """Make a web site of the archive: open it from the disk, or put it on any web host.

    Race days, albums, a timeline, bib search and every photo, without a server and without a network. Run it again
    after a sync: only what changed is written, and the site is whole at every moment.
    """
    set_up_logging(verbosity=verbose, is_quiet=quiet)
    root, manifest = find_manifest(archive, config)
    options = _options(
        root, _settings(root, config), to=to, copy=copy, variants=variants, races=race or (), title=title,
        private=private, no_originals=no_originals, link_base=link_base,
    )  # fmt: skip
    if serve:
        options = _served(options, root, manifest)
        return run(
            lambda stop: _serve(stop, root, manifest, options, port=port),
            notice="Stopping to serve. The gallery stays.", is_over_then=True,
        )  # fmt: skip
    from mirror.gallery import build_gallery

    report = build_gallery(root, manifest, options)
    if as_json:
        typer.echo(to_json(asdict(report)))
    elif not quiet:
        show_report(report)
    return PARTIAL if report.missing else OK


# -- what it is to be -------------------------------------------------------------------------------------------------


def _settings(root: ArchiveRoot, config: Path | None) -> "GallerySettings":
    """The settings that the configuration of this archive makes, if there is one."""
    from mirror.config import GallerySettings, find_config, load_config

    file = config or find_config(root.folder or Path())
    if file is None:
        return GallerySettings()
    settings = load_config(file, is_offline=True)
    is_its_own = config is not None or is_same_root(settings.archive.root, root)
    return settings.gallery if is_its_own else GallerySettings()


def _options(
    root: ArchiveRoot, settings: "GallerySettings", *, to: Path | None, copy: bool, variants: str | None,
    races: "list[str] | tuple[str, ...]", title: str | None, private: bool, no_originals: bool, link_base: str | None,
) -> "GalleryOptions":  # fmt: skip
    """Join settings and options; what was typed wins."""
    from mirror.model import VARIANTS

    wanted = (
        tuple(filter(None, (each.strip() for each in variants.split(","))))
        if variants is not None
        else settings.variants
    )
    if unknown := [each for each in wanted if each not in VARIANTS]:
        raise ConfigError(f"--variants: expected some of {', '.join(VARIANTS)}, not {unknown[0]}")
    wanted = tuple(each for each in VARIANTS if each in wanted and not (no_originals and each == "original"))
    if not wanted:
        raise ConfigError("--variants: nothing is left to show")
    changes = {
        "to": to or settings.to,
        "variants": wanted,
        "title": settings.title if title is None else title,
        "private": private or settings.private,
        "copy_pictures": copy or settings.copy_pictures,
        "link_base": settings.link_base if link_base is None else _base(link_base),
    }
    if changes["copy_pictures"] and changes["link_base"]:
        raise ConfigError("pages point to copies of their own, or to where --link-base says: take one of the two")
    return gallery_options(root, settings.model_copy(update=changes), races=tuple(map(_race, races)))


def _base(text: str) -> str:
    from mirror.root import parse_web_base

    try:
        return parse_web_base(text)
    except ValueError as error:
        raise ConfigError(f"--link-base: {error}") from None


def _served(options: "GalleryOptions", root: ArchiveRoot, manifest: Path) -> "GalleryOptions":
    """Pages of a bucket that are only good while they are served lie where nobody opens them by mistake."""
    from mirror.gallery import PICTURES

    if root.is_local or options.is_copy or options.link_base:
        return options
    return replace(options, folder=manifest.parent / "gallery", link_base=PICTURES)


def _race(text: str) -> "RaceRef":
    from mirror.race_ref import parse_race_ref

    try:
        return parse_race_ref(text)
    except ValueError as error:
        raise ConfigError(f"--race: {error}") from None


def gallery_options(
    root: ArchiveRoot, settings: "GallerySettings", *, races: "tuple[RaceRef, ...]" = ()
) -> "GalleryOptions":
    """Say what the gallery of an archive is to be."""
    from mirror.gallery import GalleryOptions, default_folder

    return GalleryOptions(
        folder=(settings.to or default_folder(root)).absolute(), title=settings.title or "", races=races,
        variants=settings.variants, is_private=settings.private, is_copy=settings.copy_pictures,
        link_base=settings.link_base or "",
    )  # fmt: skip


# -- making it --------------------------------------------------------------------------------------------------------


async def refresh_gallery(settings: "Config") -> "GalleryReport":
    """Bring the gallery of a configured archive up to date."""
    import asyncio

    from mirror.gallery import build_gallery
    from mirror.opening import manifest_path

    root = settings.archive.root
    return await asyncio.to_thread(
        build_gallery, root, manifest_path(settings), gallery_options(root, settings.gallery)
    )


def show_report(report: "GalleryReport", *, is_for_disk: bool = True) -> None:
    """Say what was made, and what to open, unless that is only good while it is served."""
    from mirror.progress import count_text, size_text, time_text

    out = console()
    what = f"{count_text(report.photos, 'photo')} of {count_text(report.race_days, 'race day')}"
    out.print(f"{what}, in {time_text(report.seconds)}")
    files = f"  {count_text(report.written, 'file')} written" if report.written else "  nothing new"
    copied = (
        f", {count_text(report.copied, 'picture')} copied ({size_text(report.copied_bytes)})" if report.copied else ""
    )
    removed = f", {report.removed:,} of an earlier state removed" if report.removed else ""
    out.print(f"{files}{copied}{removed}")
    if report.missing:
        out.print(f"  {count_text(report.missing, 'picture')} could not be copied")
    if report.left_out:
        out.print(f"  {count_text(report.left_out, 'photo')} left out: nothing of them that a browser can show is held")
    if is_for_disk:
        out.print(f"Open {shown_path(report.index)}", soft_wrap=True)


def shown_path(path: Path) -> str:
    """Write a path as it works from the current folder."""
    try:
        way = os.path.relpath(path)
    except ValueError:  # another drive
        way = str(path)
    return shlex.quote(min(way, str(path), key=len))


async def _serve(
    stop: "asyncio.Event", root: ArchiveRoot, manifest: Path, options: "GalleryOptions", *, port: int
) -> int:
    import asyncio

    from mirror.gallery import PICTURES, GalleryServer, build_gallery, keep_fresh

    report = await asyncio.to_thread(build_gallery, root, manifest, options)
    show_report(report, is_for_disk=options.link_base != PICTURES)
    with GalleryServer(options.folder, root, port=port) as server:
        typer.echo(f"Serving {server.url} to this machine alone. Ctrl-C ends it.")
        await keep_fresh(root, manifest, options, stop=stop, on_built=_say_built)
    return 0


def _say_built(report: "GalleryReport") -> None:
    typer.echo(f"Made again: {report.photos:,} photos, {report.written:,} files written.")


async def refresh_if_wanted(settings: "Config", *, is_quiet: bool) -> int:
    """Bring the gallery up to date at the end of a sync, if the configuration says so; returns an exit code.

    Whatever keeps it from being made is said and leaves the photos as they are.
    """
    from mirror.errors import MirrorError

    if not settings.gallery.refresh:
        return OK
    try:
        report = await refresh_gallery(settings)
    except MirrorError as error:
        CAUSES.error("the gallery was not made: %s", error)
        return exit_code(error)
    if not is_quiet:
        typer.echo(f"Gallery: {shown_path(report.index)} ({report.written:,} files written)")
    return OK
