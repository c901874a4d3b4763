"""The manifest for those who keep an archive: what verify, forget, prune and watch read and write."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from mirror.manifest import checking, forgetting, pruning, watching
from mirror.manifest.checking import Choice, StoredFile
from mirror.manifest.forgetting import DoomedPhoto, ExportRow
from mirror.manifest.ledger import Ledger, translated
from mirror.manifest.pruning import DayShare, Prunable
from mirror.manifest.queries import ManifestReader
from mirror.manifest.store import Manifest
from mirror.manifest.watching import RunNews

P = ParamSpec("P")
T = TypeVar("T")


class KeepingReader(ManifestReader):
    """A manifest open for reading, with what the keeping commands ask of it."""

    def _ask(self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with translated(self.path):
            return function(self._connection, *args, **kwargs)

    def is_snapshot(self) -> bool:
        """Whether this is a copy, to be read and never written."""
        return self._ask(checking.is_snapshot)

    # -- verify -------------------------------------------------------------------------------------------------

    def count_stored(self, choice: Choice) -> tuple[int, int]:
        """How many stored files are meant, and their bytes."""
        return self._ask(checking.count_stored, choice)

    def stored_files(self, choice: Choice, after: str, limit: int) -> list[StoredFile]:
        """The next stored files that are meant, by key."""
        return self._ask(checking.stored_files, choice, after, limit)

    def drawn_files(self, choice: Choice, count: int) -> list[StoredFile]:
        """So many of the files that are meant, drawn by lot."""
        return self._ask(checking.drawn_files, choice, count)

    def version_files(self, choice: Choice) -> list[StoredFile]:
        """Earlier versions, each as it should be."""
        return self._ask(checking.version_files, choice)

    def known_keys(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that belong to an asset, in lower case."""
        return self._ask(checking.known_keys, keys)

    def stopped_since(self, command: str, earliest: str) -> str | None:
        """When the verification began that the newest runs of a command left unfinished."""
        return self._ask(checking.stopped_since, command, earliest)

    # -- forget -------------------------------------------------------------------------------------------------

    def photos_by_id(self, photo_ids: Sequence[int], race_id: int | None) -> list[DoomedPhoto]:
        """Photos by the source's ids."""
        return self._ask(forgetting.photos_by_id, photo_ids, race_id)

    def photos_by_bib(self, bib: str, race_id: int | None) -> list[DoomedPhoto]:
        """Photos that show a bib."""
        return self._ask(forgetting.photos_by_bib, bib, race_id)

    def half_forgotten(self) -> list[DoomedPhoto]:
        """Photos that a killed run began to forget."""
        return self._ask(forgetting.half_forgotten)

    def unfinished(self) -> int:
        """How many photos were not forgotten to the end."""
        return self._ask(forgetting.unfinished)

    def forgotten(self, photo_ids: Sequence[int], race_id: int | None) -> set[int]:
        """Those of the photos that were forgotten before."""
        return self._ask(forgetting.forgotten, photo_ids, race_id)

    def exports(self) -> list[ExportRow]:
        """Where copies were written to."""
        return self._ask(forgetting.exports)

    # -- prune, watch -------------------------------------------------------------------------------------------

    def unlisted_files(self, before: str) -> list[Prunable]:
        """Files of photos that are unlisted since before a moment."""
        return self._ask(pruning.unlisted_files, before)

    def versions_before(self, before: str, whys: Sequence[str]) -> list[Prunable]:
        """Versions that were replaced before a moment."""
        return self._ask(pruning.versions_before, before, whys)

    def day_shares(self, before: str) -> list[DayShare]:
        """How much of each race day would be pruned."""
        return self._ask(pruning.day_shares, before)

    def news_of_run(self, run_id: int) -> RunNews:
        """What a run brought."""
        return self._ask(watching.news_of_run, run_id)

    def count_failed(self) -> int:
        """How many wanted assets have failed so far."""
        return self._ask(watching.count_failed)


class KeepingManifest(Manifest):
    """A manifest open for writing, with what the keeping commands write."""

    async def note_verified(self, asset_ids: Sequence[int]) -> None:
        """Write down that files were found as they should be."""
        await self._write(checking.note_verified, asset_ids)

    async def forget_carefully(self) -> None:
        """From here on, overwrite what is deleted: nothing of it stays in pages that are free."""
        await self._read(_delete_securely)

    async def bury(self, photos: Sequence[DoomedPhoto]) -> None:
        """Set tombstones, durably; from here on no run brings the photos back."""
        await self._write_durably(forgetting.bury, photos)

    async def erase(self, photos: Sequence[DoomedPhoto]) -> int:
        """Delete every row about the photos; returns how many entries of the history were among them."""
        return await self._write_durably(forgetting.erase, photos)

    async def scrub(self) -> None:
        """Make the file anew without what was deleted, and empty the log beside it."""
        await self._run(partial(forgetting.scrub, self._ledger))

    async def finish_forgetting(self) -> int:
        """Note that nothing is left; returns of how many photos."""
        return await self._write_durably(forgetting.finish)

    async def note_pruned(self, files: Sequence[Prunable]) -> None:
        """Let assets be gone, durably."""
        await self._write_durably(pruning.note_pruned, files)

    async def give_up_unlisted(self, before: str) -> int:
        """Want no more what was never fetched of pruned photos; returns how many assets that were."""
        return await self._write_durably(pruning.give_up_unlisted, before)

    async def prune_versions(self, files: Sequence[Prunable]) -> None:
        """Delete the rows of versions, durably."""
        await self._write_durably(pruning.prune_versions, files)


def _delete_securely(ledger: Ledger) -> None:
    ledger.connection.execute("PRAGMA secure_delete = ON")
