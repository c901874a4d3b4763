"""``mirror demo``: the real sync against a service on loopback, and that service by itself."""

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.exit_codes import exit_code
from mirror.cli.gallery import refresh_gallery, shown_path
from mirror.cli.logs import CAUSES, set_up_logging
from mirror.cli.options import LogFile, Quiet, Verbosity
from mirror.cli.output import console
from mirror.cli.running import STOPPING, run
from mirror.errors import ArchiveError, ConfigError
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    import asyncio

    from rich.console import Console

    from mirror.config import Config
    from mirror.demo import DemoService

EXAMPLES = """\
  [cyan]mirror demo[/]                            a race archived in ./mirror-demo, in seconds
  [cyan]mirror demo --serve[/]                    the service alone, to try every command on
  [cyan]mirror demo --serve --photos 100000[/]    a large race of thumbnails, made up as asked for"""

_MARK = Path(".mirror", "demo")
_UPLOADS, _CORRECTED = 25, 6


def demo(
    to: Annotated[Path, typer.Option(metavar="DIR", help="Where the demo's archive goes.")] = Path("mirror-demo"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Only run the service, for commands in another terminal.")
    ] = False,
    photos: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, show_default=False, help="With --serve: a made-up race of N photos, thumbnails only."
        ),
    ] = 0,
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65535,
            show_default=False,
            help="With --serve: the API's port; 0 takes a free one.",
        ),
    ] = 0,
    quiet: Quiet = False,
    verbose: Verbosity = 0,
    log_json: LogFile = None,
) -> int:
    """See it work, without a key.

    A service like RunSignup, with drawn photos, runs on this machine alone. Its race is archived; then it gains
    uploads and corrected bibs, and a second run fetches only what is new.
    """
    if not serve and (photos or port):
        raise ConfigError("--photos and --port go with --serve")
    set_up_logging(verbosity=verbose, is_quiet=quiet, file=log_json)
    if serve:
        return run(
            lambda stop: _serve(stop, photos=photos, port=port), notice="Stopping the service.", is_over_then=True
        )
    _make_room(to)
    return run(lambda stop: _show(stop, to, is_quiet=quiet), notice=STOPPING, is_quiet=quiet)


# -- the service alone ------------------------------------------------------------------------------------------------


async def _serve(stop: "asyncio.Event", *, photos: int, port: int) -> int:
    from mirror.demo import DemoRace, DemoService, GeneratedRace

    race = GeneratedRace(photos=photos) if photos else DemoRace()
    service = DemoService(race, port=port)
    service.keeps_log = False
    try:
        await service.__aenter__()
    except OSError as error:
        raise ConfigError(f"--port {port} cannot be used: {error.strerror or error}") from None
    try:
        count = photos or len(race.photos)
        console().print(f"Serving {race.name} with {count:,} photos on this machine alone. Ctrl-C ends it.\n")
        typer.echo(_advice(service))
        await stop.wait()
    finally:
        await service.__aexit__()
    return 0


def _advice(service: "DemoService") -> str:
    """What to type in another terminal: the file and the commands, ready to be copied."""
    return (
        "In another terminal, in an empty folder, copy and paste:\n\n"
        "(umask 077; cat > mirror.toml <<'END'\n"
        f"{config_text(service, 'photos')}"
        "END\n)\n"
        "mirror check\nmirror sync --dry-run\nmirror sync\nmirror status\n\n"
        "Or without a file:\n\n"
        f"export MIRROR_API__BASE_URL={service.base_url}\n"
        f"export MIRROR_API__KEY={service.api_key} MIRROR_API__SECRET={service.api_secret}\n"
        "export MIRROR_DOWNLOAD__ALLOWED_HOSTS=127.0.0.1 MIRROR_DOWNLOAD__ALLOW_HTTP=true\n"
        "export MIRROR_DOWNLOAD__ALLOW_PRIVATE=true MIRROR_ARCHIVE__MIN_FREE=100MB\n"
        "mirror races harbour\n"
        f"mirror sync {service.race.race_id} --to photos"
    )


def config_text(service: "DemoService", root: str) -> str:
    """Write the configuration for an archive of the service's race."""
    return (
        "[api]\n"
        f'base_url = "{service.base_url}"\n'
        f'key = "{service.api_key}"\n'
        f'secret = "{service.api_secret}"\n\n'
        f'[archive]\nroot = "{root}"\nmin_free = "100MB"\n\n'
        '[download]\nallowed_hosts = ["127.0.0.1"]\nallow_http = true\nallow_private = true\n\n'
        f'[[races]]\nrace = {service.race.race_id}\ndays = "all"\n'
    )


# -- the story --------------------------------------------------------------------------------------------------------


def _make_room(root: Path) -> None:
    """Replace an earlier demo, and nothing else: its service, and so every address in it, is gone."""
    try:
        if root.is_symlink() or (root.exists() and not root.is_dir()):
            raise ConfigError(f"{root} is in the way: move it away, or give --to DIR")
        if root.is_dir() and any(root.iterdir()):
            if not (root / _MARK).is_file():
                raise ConfigError(f"{root} is there and is no earlier demo: move it away, or give --to DIR")
            typer.echo(f"Replacing the earlier demo in {root}.", err=True)
            _remove_gallery(root)
            shutil.rmtree(root)
        (root / _MARK.parent).mkdir(parents=True, exist_ok=True)
        (root / _MARK).write_text("Made by 'mirror demo', which may replace this folder.\n", encoding="utf-8")
    except OSError as error:
        raise ArchiveError(f"{root} cannot be written: {error.strerror}") from None


def _remove_gallery(root: Path) -> None:
    """Remove the gallery of the demo that is replaced, if it has one."""
    from mirror.gallery import default_folder, is_gallery_of

    owner, gallery = root / ".mirror" / "archive-id", default_folder(ArchiveRoot(root))
    if owner.is_file() and is_gallery_of(gallery, owner.read_text("utf-8").strip()):
        shutil.rmtree(gallery)


async def _show(stop: "asyncio.Event", root: Path, *, is_quiet: bool) -> int:
    from mirror.demo import DemoService

    out = console()
    out.quiet = is_quiet
    async with DemoService() as service:
        settings = _settings(service, root)
        race = service.race
        out.print(f"A service with {len(race.photos):,} photos of {race.name} runs on this machine. The first run:\n")
        code = await _run_once(settings, service, stop, out, is_quiet=is_quiet)
        if code or stop.is_set():
            return code
        race.gain_uploads(_UPLOADS)
        race.correct_bibs(_CORRECTED)
        out.print(f"\nNow {_UPLOADS} photos are uploaded, and bibs are corrected on {_CORRECTED}. The same again:\n")
        code = await _run_once(settings, service, stop, out, is_quiet=is_quiet, is_full=True)
        if code or stop.is_set():
            return code
    gallery = await refresh_gallery(settings)
    _show_tree(root, out)
    out.print(f"\nLook at it: open {shown_path(gallery.index)} in a browser.", style="bold", soft_wrap=True)
    _show_next(root, out)
    return code


def _settings(service: "DemoService", root: Path) -> "Config":
    from mirror.config import load_config

    file = root / "mirror.toml"
    text = f"# Made by 'mirror demo'. Its service is gone; 'mirror status' still works.\n{config_text(service, '.')}"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)
    return load_config(file, environ={})


async def _run_once(
    settings: "Config", service: "DemoService", stop: "asyncio.Event", out: "Console",
    *, is_quiet: bool, is_full: bool = False,
) -> int:  # fmt: skip
    from mirror.progress import Progress, causes
    from mirror.sync import run_sync
    from mirror.tally import Tally

    asked = service.image_requests
    tally = Tally()
    progress = Progress(tally, is_quiet=is_quiet, out=out)
    with progress:
        report = await run_sync(settings, is_full=is_full, stop=stop, tally=tally)
    progress.summary(report)
    out.print(
        f"  the service was asked for {service.image_requests - asked:,} pictures, in {report.api_calls} API calls"
    )
    for cause in causes(report):
        CAUSES.error("%s", cause)
    return exit_code(report)


def _show_tree(root: Path, out: "Console") -> None:
    """Say what lies where."""
    from rich.text import Text

    out.print(f"\n{root}/")
    for race in sorted(each for each in root.iterdir() if each.is_dir() and each.name != ".mirror"):
        out.print(f"  {race.name}/")
        for day in sorted(race.iterdir()):
            out.print(f"    {day.name}/")
            for variant in sorted(each for each in day.iterdir() if each.is_dir()):
                files = sorted(each.name for each in variant.iterdir())
                name = f"      {variant.name + '/':<11}"
                out.print(Text.assemble(name, (f"{len(files):>4} files, such as {files[0]}", "dim")))
    out.print(Text.assemble("  .mirror/manifest.sqlite ", ("  what is held and how it came, in SQLite", "dim")))


def _show_next(root: Path, out: "Console") -> None:
    """Say what to type next."""
    shown = shlex.quote(str(root))
    out.print("\nThen type:")
    out.print(f"  mirror status --archive {shown}     what the archive holds", soft_wrap=True)
    out.print("  mirror demo --serve                     the service alone, to try every command on", soft_wrap=True)
    out.print("  mirror init                             an archive of your own", soft_wrap=True)
