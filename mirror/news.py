"""What a run of a watch brought, in the forms in which others want to hear of it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from mirror.manifest import RunNews
from mirror.model import RunReport

_BIBS_SHOWN = 10
_MOST_PHOTOS = 500
_MOST_BIBS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one run brought.

    Args:
        archive: The archive's folder.
        at: When the run ended.
    """

    archive: str
    at: datetime
    report: RunReport
    brought: RunNews

    @property
    def is_any(self) -> bool:
        """Whether there is anything to tell: photos, files, or bibs."""
        return bool(self.brought.photos or self.brought.bibs or self.report.stored)

    @property
    def bibs(self) -> list[str]:
        """Bibs of the new photos, and bibs added to known ones, in order."""
        found = {bib for photo in self.brought.photos for bib in photo.bibs}
        found |= {each.added for each in self.brought.bibs if each.added is not None}
        return sorted(found, key=lambda bib: (len(bib), bib))

    @property
    def text(self) -> str:
        """The news in a line: ``12 new photos, bibs 1179, 1308 …``."""
        facts = [_count(len(self.brought.photos), "new photo")] if self.brought.photos else []
        changed = len({(each.race_id, each.photo_id) for each in self.brought.bibs})
        facts += [f"bibs changed on {_count(changed, 'photo')}"] if changed else []
        facts += [_count(self.report.stored, "file")] if self.report.stored and not facts else []
        if self.bibs:
            more = " …" if len(self.bibs) > _BIBS_SHOWN else ""
            facts.append(f"bibs {', '.join(map(_printable, self.bibs[:_BIBS_SHOWN]))}{more}")
        facts += [f"{_count(self.report.missing, 'file')} missing"] if self.report.missing else []
        return ", ".join(facts) or "nothing new"

    def plain(self) -> dict[str, object]:
        """The same as plain data, for JSON; of very many photos the first ones."""
        photos = [asdict(each) for each in self.brought.photos[:_MOST_PHOTOS]]
        return {
            "text": self.text,
            "at": self.at.isoformat(),
            "archive": self.archive,
            "run_id": self.report.run_id,
            "new_photos": len(self.brought.photos),
            "stored": self.report.stored,
            "stored_bytes": self.report.stored_bytes,
            "missing": self.report.missing,
            "is_listing_complete": self.report.is_listing_complete,
            "bibs": self.bibs,
            "photos": photos,
            "photos_left_out": len(self.brought.photos) - len(photos),
            "bib_changes": [asdict(each) for each in self.brought.bibs[:_MOST_PHOTOS]],
        }

    def variables(self) -> dict[str, str]:
        """The same as environment variables: no shell reads them, and nothing in them does more than print."""
        return {
            "WATCH_TEXT": self.text,
            "WATCH_ARCHIVE": self.archive,
            "WATCH_RUN_ID": str(self.report.run_id),
            "WATCH_NEW_PHOTOS": str(len(self.brought.photos)),
            "WATCH_STORED": str(self.report.stored),
            "WATCH_MISSING": str(self.report.missing),
            "WATCH_BIBS": ",".join(map(_printable, self.bibs[:_MOST_BIBS])),
        }


def hook_environment(environ: Mapping[str, str], news: News) -> dict[str, str]:
    """Make the environment of a command that is told of news: the credentials stay with us."""
    kept = {name: value for name, value in environ.items() if not name.upper().startswith(_OURS)}
    return {**kept, **news.variables()}


_OURS = ("MIRROR_API__", "MIRROR_WATCH__")


def _count(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)


def next_wait_s(quiet_polls: int, *, every_s: float, quiet_every_s: float, patience: int = 10) -> float:
    """Say how long to wait for the next poll: as long as news are fresh, briefly; then ever longer, up to a limit.

    Args:
        quiet_polls: Polls in a row that brought nothing.
        patience: So many of them change nothing yet.
    """
    return min(every_s * 2.0 ** min(max(0, quiet_polls - patience), 30), quiet_every_s)


def moved(
    before: Mapping[tuple[int, int], str] | None, now: Mapping[tuple[int, int], str]
) -> Sequence[tuple[int, int]]:
    """Name race days whose albums are not as they were; all of them when nothing is known of before."""
    return [day for day, albums in now.items() if before is None or before.get(day) != albums]
