"""The manifest of one race on its way between the bucket and this machine."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.config import Config
from mirror.errors import ArchiveError
from mirror.manifest import Manifest, install_snapshot
from mirror.opening import PROGRAM, leave_snapshot, open_archive
from mirror.root import STATE

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket

_NOTE = "fleet.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceManifest:
    """The manifest of one race: fetched before its run when another machine has put it back since ours.

    Args:
        bucket: The fleet's.
        folder: The race's, below the fleet's root.
        config: Of that race alone.
    """

    bucket: "Bucket"
    folder: str
    config: Config

    @property
    def path(self) -> Path:
        """Where it lies on this machine."""
        return self.config.archive.manifest

    @property
    def key(self) -> str:
        """Where its snapshot lies in the bucket."""
        return f"{self.folder}/{STATE}/{self.path.name}"

    async def fetch(self) -> None:
        """Bring it here, unless what is here goes on from what lies there; make one where there is none.

        What a killed run of ours knew beyond what it had put back stays, unless somebody else went on meanwhile: then
        theirs counts, and what we had stored is found again under its name.
        """
        facts = await self.bucket.find(self.key)
        if facts is not None and (facts.etag != self._seen() or not self.path.exists()):
            await asyncio.to_thread(self.path.parent.mkdir, parents=True, exist_ok=True)
            arrived = self.path.with_name(f"{self.path.name}.arrived")
            with arrived.open("wb") as file:
                facts = await self.bucket.read(self.key, file.write)
            await asyncio.to_thread(install_snapshot, arrived, self.path)
            self._note(facts.etag)

    async def put_first(self, *, is_anew: bool) -> None:
        """Put a snapshot there before the run, where there is none, or anew.

        The first goes before anything else of the race, so that no race is ever there without its manifest. One that
        is written anew no longer is what a machine that was taken for dead has in hand: it can put back nothing.

        Raises:
            ManifestError: Somebody else was quicker.
        """
        if not is_anew and await self.bucket.find(self.key) is not None:
            return
        archive = await open_archive(self.config, create=True)
        try:
            manifest = await Manifest.open(
                self.path, create=True, program=PROGRAM, template=self.config.archive.template,
                keeps_versions=self.config.archive.versions != 0,
            )  # fmt: skip
            try:
                # A snapshot that knows everything would be left as it is, and be the same object again.
                archive.own_file(self.path.name).unlink(missing_ok=True)
                await leave_snapshot(self.config, archive, manifest)
            finally:
                await manifest.aclose()
        finally:
            await archive.aclose()
        await self.note_put()

    async def note_put(self) -> None:
        """Remember that what lies there now is ours, after a run that put it back under its lease."""
        facts = await self.bucket.find(self.key)
        if facts is None:
            raise ArchiveError(f"{self.bucket.place}/{self.key}: was put back and is not there")
        self._note(facts.etag)

    def _seen(self) -> str:
        try:
            return str(json.loads((self.path.parent / _NOTE).read_text("utf-8"))["etag"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""  # none yet, or not readable: then it is fetched

    def _note(self, etag: str) -> None:
        draft = self.path.parent / f"{_NOTE}.new"
        draft.write_text(json.dumps({"etag": etag}), "utf-8")
        draft.replace(self.path.parent / _NOTE)
