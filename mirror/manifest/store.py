"""The writing face: every method is one transaction, in one thread that owns the connection."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mirror.manifest import bibs, choice, passes, planning, races, recording, refused, selection, summary
from mirror.manifest.rows import (
    Commit,
    HeldRow,
    Leftover,
    Missing,
    PassMemory,
    Planned,
    Recorded,
    Selected,
    StoredRow,
    Unlisted,
)
from mirror.manifest.snapshot import is_snapshot_current, place_of, write_snapshot
from mirror.manifest.thread import ManifestThread
from mirror.model import Album, Failed, Fetched, Job, Page, PassKind, Race, Scope, Stored, Variant


class Manifest(ManifestThread):
    """The ledger of an archive, open for the one program that may write it.

    Every method is one transaction: done as a whole or, when it raises, not at all. All of them raise `ManifestError`
    (in use by another program, damaged) and `ArchiveError` (disk full, read-only, I/O error).
    """

    # -- runs ---------------------------------------------------------------------------------------------------

    async def begin_run(self, command: str) -> int:
        """Write down that a run begins; what is seen from here on is seen in this run."""
        return await self._write(passes.begin_run, command)

    async def end_run(
        self, *, exit_code: int | None, new_photos: int, stored: int, stored_bytes: int, failed: int
    ) -> None:
        """Write down how the run ended."""
        await self._write_durably(
            passes.end_run,
            exit_code=exit_code, new_photos=new_photos, stored=stored, stored_bytes=stored_bytes, failed=failed,
        )  # fmt: skip

    # -- races --------------------------------------------------------------------------------------------------

    async def note_race(self, race: Race) -> None:
        """Remember a race and its race days as the race call gave them."""
        await self._write(races.note_race, race)

    async def race(self, race_id: int) -> Race | None:
        """The race with its race days as noted last, oldest first; None if it never was."""
        return await self._read(races.race, race_id)

    async def races(self) -> list[Race]:
        """Every race that was ever noted."""
        return await self._read(races.races)

    async def race_age_s(self, race_id: int) -> float | None:
        """Seconds since the race was noted; None if it never was, or in the future."""
        return await self._read(races.race_age_s, race_id)

    async def note_albums(self, race_id: int, race_day_id: int, albums: Sequence[Album]) -> None:
        """Remember the albums of a race day as the source names them now."""
        await self._write(races.note_albums, race_id, race_day_id, albums)

    # -- what is wanted -----------------------------------------------------------------------------------------

    async def select(self, selections: Sequence[Selected], *, variants_of: Callable[[str], tuple[Variant, ...]]) -> int:
        """Say what today's configuration wants; a newly wanted variant is planned from the stored records.

        Args:
            variants_of: Lists the usable variants of one photo's stored JSON.
        Returns:
            How many assets became wanted.
        """
        stale = await self._write(selection.select, selections)
        count = 0
        for race_id, variants in stale:
            after: int | None = 0
            while after is not None:
                # A batch is a transaction: a kill in between only means that the next run goes through them again.
                found, after = await self._write(selection.widen, race_id, variants, after, variants_of)
                count += found
        return count

    async def choose(self, asset_ids: Sequence[int]) -> None:
        """Put these assets in the place of a selection: they alone are fetched and counted, set aside or not.

        Those that are gone become wanted; what is stored stays as it is.
        """
        await self._write_durably(choice.choose, asset_ids)

    async def hosts(self) -> list[str]:
        """Hosts with wanted assets in the selection, sorted; one may have nothing left."""
        return await self._read(selection.hosts)

    async def wanted(self, host: str, after_no: int, limit: int) -> list[Job]:
        """Jobs of one host with a higher ``wanted_no``, in its order; those set aside are left out."""
        return await self._read(selection.wanted, host, after_no, limit)

    async def hold_refused(self) -> None:
        """Let `wanted` leave out what was refused (401, 403) last time, until `release_refused`."""
        await self._read(refused.hold)

    async def release_refused(self) -> None:
        """Let `wanted` hand that out now, behind everything else: the listing has had its chance."""
        await self._write(refused.release)

    async def wanted_by_ids(self, asset_ids: Sequence[int]) -> list[Job]:
        """Jobs of those of the assets that are wanted, selected or not."""
        return await self._read(selection.wanted_by_ids, asset_ids)

    async def newest_wanted_no(self) -> int:
        """The highest ``wanted_no`` ever given; 0 before the first."""
        return await self._read(selection.newest_wanted_no)

    async def count_wanted(self) -> int:
        """How many assets `wanted` would hand out over all hosts."""
        return await self._read(selection.count_wanted)

    async def known_sizes(self) -> dict[str, tuple[int, int]]:
        """For each variant, how many of its assets the archive holds and their bytes in all."""
        return await self._read(summary.known_sizes)

    # -- passes -------------------------------------------------------------------------------------------------

    async def pass_memory(self, race_id: int, race_day_id: int, scope: Scope) -> PassMemory:
        """What complete passes of this scope left behind."""
        return await self._read(passes.pass_memory, race_id, race_day_id, scope)

    async def begin_pass(
        self, race_id: int, race_day_id: int, scope: Scope, kind: PassKind, since_ts: int | None
    ) -> int:
        """Write down that a pass begins; its number is higher than any before."""
        return await self._write(passes.begin_pass, race_id, race_day_id, scope, kind=kind, since_ts=since_ts)

    async def plan(self, pass_id: int, page: Page) -> Planned:
        """Write down what a page shows: photos, changes, assets to fetch, and the pass's progress.

        Planning the same page again changes nothing but the progress.
        """
        return await self._write(planning.plan, pass_id, page)

    async def end_pass(
        self, pass_id: int, *, is_complete: bool, reason: str, watermark_ts: int | None, albums: str | None,
        photos: int, is_loss_believed: bool = False,
    ) -> Unlisted:  # fmt: skip
        """Write down how a pass ended; after a complete full one, mark what two of them no longer found.

        Args:
            reason: Why it is not complete.
            watermark_ts: Highest ``uploaded_ts`` seen; the scope's watermark never falls.
            albums: The albums as read before the last walk, as text.
            photos: Distinct photos seen.
            is_loss_believed: Whether any number may be missed; a pass without any photo proves nothing all the same.
        """
        return await self._write_durably(
            passes.end_pass, pass_id,
            is_complete=is_complete, reason=reason, watermark_ts=watermark_ts, albums=albums, photos=photos,
            is_loss_believed=is_loss_believed,
        )  # fmt: skip

    # -- outcomes -----------------------------------------------------------------------------------------------

    async def prepare_commit(self, group: Sequence[Fetched]) -> list[Commit]:
        """Give each draft its key and write the group down, durably, before any file gets its name.

        Drafts whose asset is wanted no more, or is listed elsewhere by now, are not in the answer.
        """
        return await self._write_durably(recording.prepare_commit, group)

    async def bibs_of(self, asset_ids: Sequence[int]) -> list[tuple[int, str]]:
        """The bibs on the photos of assets, in the source's order: asset id and bib."""
        return await self._read(bibs.bibs_of, asset_ids)

    async def record(self, stored: Sequence[Stored], failed: Sequence[Failed]) -> Recorded:
        """Write down, durably, what became of a group of jobs."""
        return await self._write_durably(recording.record, stored, failed)

    async def old_versions(self, most_bytes: int) -> list[tuple[int, str]]:
        """Find the oldest versions beyond so many bytes: their ids and keys, oldest first."""
        return await self._read(recording.old_versions, most_bytes)

    async def drop_versions(self, version_ids: Sequence[int]) -> None:
        """Forget versions whose files are gone."""
        await self._write(recording.drop_versions, version_ids)

    async def drop_unkept(self, keys: Sequence[str]) -> None:
        """Forget versions that this run noted and could not keep, by their keys."""
        await self._write_durably(recording.drop_unkept, keys)

    async def note_foreign(self, moved: Sequence[tuple[str, str]]) -> None:
        """Remember what was not ours and lay under keys of recorded assets: each key, and where it is now."""
        await self._write_durably(recording.note_foreign, moved)

    async def leftovers(self) -> list[Leftover]:
        """What a killed run wrote down before its renames and never recorded."""
        return await self._read(recording.leftovers)

    async def settle(self, adopted: Sequence[int], dropped: Sequence[int]) -> int:
        """Record the leftovers whose files were found whole; the others stay wanted.

        Returns:
            How many assets became stored.
        """
        return await self._write_durably(recording.settle, adopted, dropped)

    async def stored_batch(self, after_asset_id: int, limit: int) -> list[StoredRow]:
        """Assets of the selection whose bytes are held, stored or wanted anew, with a higher id, in its order."""
        return await self._read(summary.stored_batch, after_asset_id, limit)

    async def held_batch(self, after_asset_id: int, limit: int) -> list[HeldRow]:
        """Read stored assets of the selection that the source still offers, in order of their ids."""
        return await self._read(summary.held_batch, after_asset_id, limit)

    async def has_stored(self) -> bool:
        """Whether the archive holds any asset, selected or not."""
        return await self._read(summary.has_stored)

    async def want_again(self, asset_ids: Sequence[int], why: str, *, is_lost: bool = True) -> int:
        """Want stored assets again.

        Args:
            why: One word for the history: vanished, damaged, changed.
            is_lost: Whether the stored bytes are no longer there, or no longer right.
        Returns:
            How many became wanted.
        """
        return await self._write_durably(recording.want_again, asset_ids, why, is_lost=is_lost)

    # -- the end of a run ---------------------------------------------------------------------------------------

    async def missing(self) -> Missing:
        """Assets of the selection that are wanted and not stored, by reason and host."""
        return await self._read(summary.missing)

    async def gone_count(self) -> int:
        """How many assets of the selection are gone."""
        return await self._read(summary.gone_count)

    async def rejects_of_run(self, limit: int = 50) -> tuple[str, ...]:
        """Records that this run could not use, each named, fit for a terminal."""
        return await self._read(summary.rejects_of_run, limit)

    async def snapshot(self, to: Path) -> None:
        """Copy the manifest, as it is now, to another file, which is whole at every moment.

        The copy says of itself that it is one: it is read like a manifest, and never written. One that knows all
        photos and assets already is left as it is.
        """
        connection = self._ledger.connection
        if not await self._run(partial(is_snapshot_current, connection, to)):
            await self._run(partial(write_snapshot, connection, to, of=place_of(self._ledger.path)))
