"""From the manifest to a report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from mirror.errors import ConfigError
from mirror.manifest import AlbumCount, CoverageReader, DayCount, DayKey, Duplicate, Hours
from mirror.report.bibs import compare
from mirror.report.facts import Bar, DayReport, Report
from mirror.report.names import Names
from mirror.report.start_list import StartList

_HOUR_S = 3600
_MOST_HOURS = 36


@dataclass(slots=True, kw_only=True)
class _Counts:
    """What was counted of all race days, by race day."""

    albums: Mapping[DayKey, list[AlbumCount]]
    hours: Mapping[DayKey, Hours]
    bibs: Mapping[DayKey, Mapping[str, int]]
    duplicates: Mapping[DayKey, list[Duplicate]]
    names: dict[DayKey, Names] = field(default_factory=dict)


def gather(
    reader: CoverageReader,
    *,
    archive: str,
    days: tuple[tuple[int, int | None], ...] = (),
    start_list: StartList | None = None,
) -> Report:
    """Count the photos of some race days, of all if none is named.

    Args:
        archive: What the report calls the archive.
        start_list: Of the one race day that is meant.
    Raises:
        ConfigError: A start list is given, and more than one race day could be meant.
    """
    found = reader.day_counts(days)
    if start_list is not None and len(found) != 1:
        there = ", ".join(f"{day.race_day_id} ({day.race_name}, {day.starts_on or 'no date'})" for day in found)
        raise ConfigError(f"which race day is the start list of? Give --race with one of: {there or 'none has photos'}")
    counts = _Counts(
        albums=reader.album_counts(days),
        hours=reader.hours(days),
        bibs=reader.bib_counts(days),
        duplicates=reader.duplicates(days),
    )
    for key, name in reader.names(days):
        counts.names.setdefault(key, Names()).add(name)
    return Report(
        archive=archive,
        made_at=datetime.now(UTC),
        days=tuple(_day(day, counts, start_list) for day in found),
    )


def _day(day: DayCount, counts: _Counts, start_list: StartList | None) -> DayReport:
    key = (day.race_id, day.race_day_id)
    names = counts.names.get(key, Names())
    hours = counts.hours.get(key, Hours())
    bibs = counts.bibs.get(key, {})
    zone, clock = _zone(day.timezone)
    uploaders = sorted(names.prefixes.items(), key=lambda item: (-item[1], item[0]))
    return DayReport(
        race_id=day.race_id,
        race_name=day.race_name,
        race_day_id=day.race_day_id,
        starts_on=day.starts_on,
        photos=day.photos,
        untagged=day.untagged,
        unlisted=day.unlisted,
        bibs=len(bibs),
        albums=tuple(Bar(label=each.name or "(no album)", photos=each.photos) for each in counts.albums.get(key, [])),
        taken=_calm({f"{hour.replace('T', ' ')}:00": count for hour, count in hours.taken.items()}),
        uploaded=_calm(_local(hours.uploaded, zone)),
        upload_clock=clock,
        undated=day.photos - sum(hours.taken.values()) - sum(hours.uploaded.values()),
        uploaders=tuple(Bar(label=prefix or "(number only)", photos=count) for prefix, count in uploaders),
        sequences=names.sequences(),
        duplicates=tuple(counts.duplicates.get(key, ())),
        start_list=compare(start_list, bibs) if start_list is not None else None,
    )


def _zone(name: str | None) -> tuple[tzinfo, str]:
    """The race's own time zone; UTC where nobody knows it."""
    try:
        return (ZoneInfo(name), name) if name else (UTC, "UTC")
    except (KeyError, ValueError, OSError):
        return UTC, "UTC"


def _local(hours: Mapping[int, int], zone: tzinfo) -> dict[str, int]:
    """Hours since 1970 as the race's clock showed them; absurd ones stand apart."""
    counts: dict[str, int] = {}
    for hour, count in hours.items():
        try:
            label = datetime.fromtimestamp(hour * _HOUR_S, zone).strftime("%Y-%m-%d %H:00")
        except (ValueError, OverflowError, OSError):
            label = "(no such time)"
        counts[label] = counts.get(label, 0) + count
    return counts


def _calm(hours: Mapping[str, int]) -> tuple[Bar, ...]:
    """Make bars of hours; of days, where there are too many hours to look at."""
    counts: dict[str, int] = {}
    for hour, count in hours.items():
        label = hour[: len("2026-05-17")] if len(hours) > _MOST_HOURS and hour[0].isdigit() else hour
        counts[label] = counts.get(label, 0) + count
    return tuple(Bar(label=label, photos=count) for label, count in counts.items())
