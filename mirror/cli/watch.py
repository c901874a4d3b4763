"""``mirror watch``: race-day mode."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.exit_codes import OK, exit_code
from mirror.cli.logs import CAUSES, set_up_logging
from mirror.cli.options import ArchiveDir, AsJson, ConfigFile, LogFile, Quiet, Verbosity
from mirror.cli.output import printable, to_json
from mirror.cli.places import load_settings
from mirror.cli.running import run
from mirror.errors import ConfigError
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    import asyncio

    from mirror.config import Config
    from mirror.hooks import Hook
    from mirror.metrics import Metrics
    from mirror.news import News
    from mirror.tally import Tally
    from mirror.watch import Watching

EXAMPLES = """\
  [cyan]mirror watch[/]                               every minute while photos arrive
  [cyan]mirror watch --until 18:00 --every 30s[/]     until the race is over
  [cyan]mirror watch --run ./announce[/]              and run a command when there is news
  [cyan]mirror watch --metrics 9180[/]                and let Prometheus measure"""

_STOPPING = "Ending the watch: finishing what is on its way (once more to stop at once)."
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


def watch(
    races: Annotated[
        list[str] | None, typer.Argument(metavar="RACE...", help="Only these of the configured races.")
    ] = None,
    every: Annotated[
        str | None, typer.Option(metavar="TIME", help="Pause between polls while news are fresh [1m].")
    ] = None,
    quiet_every: Annotated[
        str | None, typer.Option(metavar="TIME", help="The longest pause when nothing comes [15m].")
    ] = None,
    command: Annotated[
        str | None, typer.Option("--run", metavar="CMD", help="Run CMD when there is news: JSON on its standard input.")
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Send the news to URL, as JSON; better in MIRROR_WATCH__WEBHOOK.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="PORT|FILE", help="Measurements for Prometheus, on a port or in a file.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="When to end: 18:00, or 2026-05-17T18:00.")] = None,
    lasting: Annotated[str | None, typer.Option("--for", metavar="TIME", help="How long to watch, such as 6h.")] = None,
    archive: ArchiveDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbosity = 0,
    log_json: LogFile = None,
) -> int:
    """Look for new photos again and again, fetch them, and tell of them.

    A network that is away, for hours too, only means to try again;
    a key that the service refuses ends it.

    Ctrl-C and SIGTERM end it with 0, --until and --for with the code of its last run.
    Between its runs the archive is free for other commands.
    With --json each piece of news is a line of JSON.
    """
    given = {"every": every, "quiet_every": quiet_every, "run": command, "webhook": webhook, "metrics": metrics}
    settings = _settings(archive, config, given)
    hidden = [*settings.credentials().secrets(), settings.watch.webhook.get_secret_value()]
    set_up_logging(verbosity=verbose, is_quiet=quiet, file=log_json, secrets=hidden)
    end = parse_end(until, lasting, now=datetime.now().astimezone())

    async def work(stop: "asyncio.Event") -> int:
        from mirror.watch import watch as watch_archive

        with _measuring(settings) as measuring:
            watching = _watching(settings, races or [], end, measuring, as_json=as_json, is_quiet=quiet)
            if not as_json and not quiet:
                _tell(f"watching {settings.archive.root}" + (f" until {end:%Y-%m-%d %H:%M}" if end else ""))
            report = await watch_archive(settings, watching, stop=stop)
        return OK if stop.is_set() or report is None else exit_code(report)

    return run(work, notice=_STOPPING, is_quiet=quiet, is_over_then=True)


def _settings(archive: ArchiveRoot | None, config: Path | None, given: dict[str, str | None]) -> "Config":
    from mirror.config import load_config

    settings = load_settings(archive, config)
    if not any(value is not None for value in given.values()):
        return settings
    overrides = {"archive.root": settings.archive.root, **{f"watch.{name}": value for name, value in given.items()}}
    return load_config(settings.source_path, overrides=overrides)


def parse_end(until: str | None, lasting: str | None, *, now: datetime) -> datetime | None:
    """Read when to end, from the one or the other; None for never.

    Raises:
        ConfigError: Both are given, or one is wrong.
    """
    from mirror.units import parse_duration

    if until is not None and lasting is not None:
        raise ConfigError("--until and --for both say when to end: give one of them")
    if lasting is None:
        return None if until is None else parse_until(until, now=now)
    try:
        return now + timedelta(seconds=parse_duration(lasting))
    except ValueError as error:
        raise ConfigError(f"--for: found {lasting!r}, {error}") from None


def parse_until(text: str, *, now: datetime) -> datetime:
    """Read when to end: a time of day means the next one there is, a date with a time is local unless it says.

    Raises:
        ConfigError: It is neither, or has passed.
    """
    try:
        if found := _CLOCK.fullmatch(text.strip()):
            end = now.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
            return end if end > now else end + timedelta(days=1)
        end = datetime.fromisoformat(text.strip()).astimezone()
    except ValueError:
        raise ConfigError(f"--until: found {text!r}, expected a time such as 18:00 or 2026-05-17T18:00") from None
    if end <= now:
        raise ConfigError(f"--until: {text} has passed")
    return end


@contextmanager
def _measuring(settings: "Config") -> "Iterator[Metrics | None]":
    if not settings.watch.metrics:
        yield None
        return
    from mirror.metrics import Metrics

    metrics = Metrics(settings.watch.metrics)
    try:
        yield metrics
    finally:
        metrics.close()


def _watching(
    settings: "Config", races: list[str], end: datetime | None, metrics: "Metrics | None",
    *, as_json: bool, is_quiet: bool,
) -> "Watching":  # fmt: skip
    from mirror.watch import Watching

    return Watching(
        races=races,
        every_s=settings.watch.every,
        quiet_every_s=settings.watch.quiet_every,
        until=end,
        hooks=_hooks(settings),
        metrics=metrics,
        tell=_teller(as_json=as_json, is_quiet=is_quiet),
        on_news=_news_teller(as_json=as_json, is_quiet=is_quiet),
        showing=_showing(is_quiet=is_quiet or as_json),
    )


def _hooks(settings: "Config") -> "list[Hook]":
    from mirror import __version__
    from mirror.hooks import CommandHook, WebHook
    from mirror.transport import Post

    wishes = settings.watch
    found: list[Hook] = []
    if wishes.run:
        found.append(CommandHook(words=wishes.run))
    if url := wishes.webhook.get_secret_value():
        download = settings.download
        post = Post(url=url, user_agent=f"mirror/{__version__}", proxy=download.proxy, ca_file=download.ca_file)
        found.append(WebHook(post=post))
    return found


# -- what a person reads ----------------------------------------------------------------------------------------------


def _tell(text: str) -> None:
    typer.echo(f"{datetime.now():%H:%M:%S}  {printable(text)}")  # noqa: DTZ005 - the clock on the wall


def _teller(*, as_json: bool, is_quiet: bool) -> Callable[[str], None]:
    """Where a line about the watch itself goes: beside JSON, and with --quiet, it is a cause like any other."""
    if as_json or is_quiet:
        return lambda text: CAUSES.error("%s", text)
    return _tell


def _news_teller(*, as_json: bool, is_quiet: bool) -> "Callable[[News], None]":
    def tell(news: "News") -> None:
        if as_json:
            typer.echo(to_json(news.plain()))
        elif not is_quiet:
            _tell(news.text)

    return tell


def _showing(*, is_quiet: bool) -> "Callable[[Tally], AbstractContextManager[object]]":
    """A live view in a terminal; elsewhere a run a minute has nothing to say."""
    import sys

    from mirror.progress import Progress

    if is_quiet or not sys.stderr.isatty():
        return lambda _: nullcontext()
    return Progress
