"""``mirror demo``: the real sync against a service on loopback, and that service by itself."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.logs import set_up_logging
from mirror.cli.running import run
from mirror.errors import ConfigError

if TYPE_CHECKING:
    from mirror.demo import DemoService

_MARK = "demo"


def demo(
    to: Annotated[Path, typer.Option("--to", help="Where the demo's archive goes.")] = Path("mirror-demo"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Only run the service, for commands in another terminal.")
    ] = False,
    photos: Annotated[int, typer.Option(help="With --serve: a generated race of so many photos, thumbnails only.")] = 0,
    port: Annotated[int, typer.Option(help="With --serve: the API's port; 0 takes a free one.")] = 0,
) -> None:
    """See it work without a key: a service with drawn photos, archived, changed, archived again."""
    run(lambda stop: _serve(stop, photos, port) if serve else _show(stop, to))


def config_text(service: "DemoService", root: str) -> str:
    """Write the configuration for an archive of the demo's race."""
    return (
        "# Made by 'mirror demo': the service on loopback.\n"
        f'[api]\nbase_url = "{service.base_url}"\nkey = "{service.api_key}"\nsecret = "{service.api_secret}"\n\n'
        f'[archive]\nroot = "{root}"\nmin_free = "100MB"\n\n'
        '[download]\nallowed_hosts = ["127.0.0.1"]\nallow_http = true\nallow_private = true\n\n'
        f'[[races]]\nrace = {service.race.race_id}\ndays = "all"\n'
    )


async def _serve(stop: asyncio.Event, photos: int, port: int) -> int:
    from mirror.demo import DemoRace, DemoService, GeneratedRace

    race = GeneratedRace(photos=photos) if photos else DemoRace()
    async with DemoService(race, port=port) as service:
        service.keeps_log = False
        typer.echo(
            f"Serving {race.name} ({photos or len(race.photos):,} photos) on loopback until Ctrl-C.\n\n"
            "In another terminal, in an empty folder, put this into mirror.toml:\n"
        )
        typer.echo(config_text(service, "photos"))
        typer.echo(
            "and type:\n  chmod 600 mirror.toml\n  mirror check\n  mirror sync\n  mirror status\n\n"
            "or, without a file:\n"
            f"  export MIRROR_API__BASE_URL={service.base_url} MIRROR_API__KEY={service.api_key} \\\n"
            f"    MIRROR_API__SECRET={service.api_secret} MIRROR_DOWNLOAD__ALLOWED_HOSTS=127.0.0.1 \\\n"
            "    MIRROR_DOWNLOAD__ALLOW_HTTP=true MIRROR_DOWNLOAD__ALLOW_PRIVATE=true\n"
            f"  mirror sync {race.race_id} --to photos"
        )
        await stop.wait()
    return 0


def _make_room(root: Path) -> None:
    """Replace an earlier demo, and nothing else."""
    if not root.exists():
        return
    if not (root / ".mirror" / _MARK).exists():
        raise ConfigError(f"{root} is there and is no earlier demo: move it away, or give --to DIR")
    typer.echo(f"Replacing the earlier demo in {root}.")
    shutil.rmtree(root)


async def _show(stop: asyncio.Event, root: Path) -> int:
    from mirror.config import load_config
    from mirror.demo import DemoService
    from mirror.progress import Progress, summary
    from mirror.sync import run_sync

    _make_room(root)
    (root / ".mirror").mkdir(parents=True)
    (root / ".mirror" / _MARK).touch()
    async with DemoService() as service:
        file = root / "mirror.toml"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as opened:
            opened.write(config_text(service, "."))
        config = load_config(file, environ={})
        set_up_logging(verbose=0, is_quiet=False, file=None, secrets=config.credentials().secrets())
        race = service.race
        code = 0
        for number in (1, 2):
            if number == 1:
                typer.echo(f"A service with {len(race.photos)} photos of {race.name} runs on loopback. First run:\n")
            else:
                race.gain_uploads(25)
                race.correct_bibs(6)
                typer.echo(
                    "\nNow 25 photos are uploaded and 6 are tagged anew. Second run, reading everything again:\n"
                )
            asked = service.image_requests
            async with Progress() as progress:
                report = await run_sync(config, is_full=number > 1, stop=stop, tally=progress.tally)
            progress.print(summary(report, root=root))
            typer.echo(f"  Pictures asked for: {service.image_requests - asked:,}; API calls: {report.api_calls}.")
            code = report.exit_code
            if stop.is_set():
                return code
    typer.echo(_tree(root))
    return code


def _tree(root: Path) -> str:
    """What lies where, and what to type next."""
    lines = ["", f"{root}/"]
    folders = sorted({path.parent for path in root.rglob("*.*") if ".mirror" not in path.parts and path.parent != root})
    for folder in folders:
        files = sorted(each.name for each in folder.iterdir() if each.is_file())
        lines.append(f"  {folder.relative_to(root)}/  {len(files)} files, such as {files[0]}")
    lines += [
        "  .mirror/manifest.sqlite  what is held and how it came, for any SQLite tool",
        "",
        "Next, type:",
        f"  mirror status --archive {root}",
        f"  mirror status --archive {root} --json",
        "  mirror demo --serve",
    ]
    return "\n".join(lines)
