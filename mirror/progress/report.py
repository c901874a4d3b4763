"""What a person reads after a run: a screenful at most."""

from collections.abc import Iterator

from mirror.model import FailureGroup, PassReport, RunReport
from mirror.progress.numbers import count_text, size_text, time_text

_BIBS_SHOWN = 6
_DAYS_SHOWN = 6
_NOTES_SHOWN = 2
_CAUSES_SHOWN = 12
_NOT_TRIED = "not tried yet"


def summary_lines(report: RunReport) -> Iterator[tuple[str, str]]:
    """Say what the run did, line by line, each with its style; what went wrong is in `causes`."""
    seconds = (report.ended_at - report.started_at).total_seconds()
    headline, style = _headline(report)
    yield headline, f"bold {style}"
    stored = f"{count_text(report.stored, 'file')} stored"
    if report.stored:
        rate = report.stored_bytes / max(seconds, 0.001)
        stored += f", {size_text(report.stored_bytes)} at {size_text(rate)}/s"
    yield f"  {count_text(report.new_photos, 'new photo')}, {stored}, in {time_text(seconds)}", ""
    for text in (*_day_lines(report), *_odd_lines(report), *_bib_lines(report)):
        yield f"  {text}", ""


def next_step(report: RunReport, *, look: str) -> str:
    """Say what to type next.

    Args:
        look: The command that shows the archive.
    """
    if report.is_stopped or not report.is_listing_complete:
        return f"The same command goes on where this run ended; '{look}' shows what is there."
    if not report.is_everything_stored:
        return f"The same command tries again what is missing; '{look}' shows what is there."
    return f"The same command fetches what is new from now on; '{look}' shows what is there."


def _headline(report: RunReport) -> tuple[str, str]:
    if report.is_stopped:
        return "Stopped. What was finished is stored.", "yellow"
    if not report.is_listing_complete:
        return "Not complete: a listing could not be read to its end.", "red"
    if report.missing:
        return f"Finished, but {count_text(report.missing, 'file')} missing.", "yellow"
    if not report.is_everything_stored:
        return "Finished, but not everything could be had.", "yellow"
    if report.unchecked:
        return f"Finished, but {count_text(report.unchecked, 'file')} could not be rechecked.", "yellow"
    return "Complete. Everything wanted is stored.", "green"


def _day_lines(report: RunReport) -> Iterator[str]:
    """Race days with something to say, the ones with most news first."""
    days = [
        each
        for each in report.passes
        if each.new_photos or each.changed_photos or each.unlisted or (each.warnings and each.is_complete)
    ]
    days.sort(key=lambda each: -each.new_photos)
    for each in days[:_DAYS_SHOWN]:
        facts = [f"{count_text(each.photos, 'photo')} read", f"{each.new_photos:,} new"]
        facts += [f"{each.changed_photos:,} changed"] if each.changed_photos else []
        facts += [f"{each.unlisted:,} no longer listed (kept)"] if each.unlisted else []
        yield f"{_day_name(each)}: {', '.join(facts)}"
        yield from (f"  note: {warning}" for warning in each.warnings[:2])
    if len(days) > _DAYS_SHOWN:
        yield f"and {len(days) - _DAYS_SHOWN} more race days with news"


def _day_name(each: PassReport) -> str:
    return f"race {each.race_id} day {each.race_day_id}" if each.race_day_id else f"race {each.race_id}"


def _odd_lines(report: RunReport) -> Iterator[str]:
    for count, words in (
        (report.adopted, "found finished from an earlier run, recorded without a request"),
        (report.vanished, "had vanished or changed in size: wanted again"),
        (report.rechecked, "asked about again at the source"),
        (report.changed, "had other bytes there, or nothing proved the same ones: fetched again"),
        (report.already_gone, "gone at the source since earlier runs"),
    ):
        if count:
            yield f"{count_text(count, 'file')} {words}"


def _bib_lines(report: RunReport) -> Iterator[str]:
    if not report.bibs_changed:
        return
    yield f"bibs changed on {count_text(report.bibs_changed, 'photo')}:"
    for change in report.bib_changes[:_BIBS_SHOWN]:
        before, after = (", ".join(bibs) or "none" for bibs in (change.before, change.after))
        yield f"  photo {change.photo_id}: {before} -> {after}"
    if report.bibs_changed > _BIBS_SHOWN:
        yield f"  and {report.bibs_changed - _BIBS_SHOWN:,} more"


def causes(report: RunReport) -> list[str]:
    """Say why a run is not all well, one line for each cause; empty if it is."""
    lines = [
        f"{_day_name(each)}: listing incomplete: {each.reason}"
        for each in report.passes
        if not each.is_complete and not report.is_stopped
    ]
    lines += [f"{host} is asked no more in this run: {why}" for host, why in report.closed_hosts]
    lines += [
        _failure_line(group) for group in report.failures if not (report.is_stopped and group.reason == _NOT_TRIED)
    ]
    if report.unchecked:
        lines.append(f"{count_text(report.unchecked, 'file')} not rechecked, such as {report.unchecked_example}")
    if report.gone:
        lines.append(f"{count_text(report.gone, 'file')} gone: refused, and no longer listed")
    lines += [f"not usable: {reject}" for reject in report.rejects]
    if len(lines) > _CAUSES_SHOWN:
        lines[_CAUSES_SHOWN:] = [f"and {count_text(len(lines) - _CAUSES_SHOWN, 'more cause')} (--json names them)"]
    return lines


def _failure_line(group: FailureGroup) -> str:
    such = f", such as {group.example}" if group.example else ""
    return f"{count_text(group.count, 'file')} missing: {group.reason} ({group.host}){such}"
