"""What changed about photos that the manifest knows: compared record by record, written in a few statements."""

from collections.abc import Sequence
from typing import NamedTuple

from mirror.manifest.ledger import Ledger
from mirror.manifest.selection import want_new
from mirror.manifest.text import address_of, host_of, id_list, now_text, without_query
from mirror.model import BibChange, Photo, Variant

FRESH_START = (
    "failure = NULL, failure_detail = NULL, failure_status = NULL, failed_at = NULL, failed_on = NULL, "
    "failed_days = 0, failed_runs = 0"
)
"""An asset that becomes wanted anew owes nothing to its earlier failures."""


class Known(NamedTuple):
    """A photo as its row has it."""

    photo_no: int
    photo_id: int
    race_day_id: int
    listed_under: int
    album_id: str | None
    unlisted_at: str | None
    json: str
    is_seen: bool
    """Whether this run has seen it before."""


class _Asset(NamedTuple):
    asset_id: int
    photo_no: int
    variant: str
    state: str
    is_offered: bool
    url: str
    stored_url: str | None
    width_px: int | None
    height_px: int | None


def known_photos(ledger: Ledger, race_id: int, photo_ids: Sequence[int]) -> dict[int, Known]:
    """Read those of the photos that the manifest knows, by photo_id."""
    rows = ledger.connection.execute(
        "SELECT p.photo_no, p.photo_id, p.race_day_id, p.listed_under, p.album_id, p.unlisted_at, j.json, "
        "p.seen_pass_id >= ? FROM photo AS p JOIN photo_json AS j USING (photo_no) "
        "WHERE p.race_id = ? AND p.photo_id IN (SELECT value FROM json_each(?))",
        (ledger.first_pass_id, race_id, id_list(photo_ids)),
    )
    return {row[1]: Known._make(row) for row in rows}


class Changes:
    """The changes of one page: noted photo by photo, then written together."""

    def __init__(self, ledger: Ledger, pass_id: int) -> None:
        self._ledger = ledger
        self._pass_id = pass_id
        self._pass = ledger.passes[pass_id]
        self._pairs: list[tuple[Known, Photo]] = []
        self._history: list[tuple[object, ...]] = []
        self._again: list[tuple[_Asset, Variant]] = []
        """To be fetched (again), from the URL that is listed now."""
        self._refreshed: list[tuple[_Asset, Variant]] = []
        self._renumbered: list[int] = []
        self._withdrawn: list[int] = []
        self._offered: list[tuple[int, Variant]] = []
        self._now = now_text()
        self.changed_photos = 0
        self.newly_wanted = 0
        self.bib_changes: list[BibChange] = []
        self.contradictory: list[int] = []
        """Photos that an earlier record of this run places elsewhere: that one counts."""

    def note(self, old: Known, photo: Photo) -> None:
        """Take in a known photo whose record, or whose place, is not what the manifest has."""
        self._pairs.append((old, photo))

    def write(self) -> None:
        """Compare, and write down what is different."""
        if not self._pairs:
            return
        ids = id_list(old.photo_no for old, _ in self._pairs)
        bibs = self._bibs(ids)
        assets = self._assets(ids)
        for old, photo in self._pairs:
            self._compare(old, photo, bibs.get(old.photo_no, ()), assets.get(old.photo_no, []))
        self._write_assets()
        self._ledger.connection.executemany(
            "INSERT INTO history (run_id, at, race_id, photo_id, what, variant, before, after) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            self._history,
        )

    def _bibs(self, ids: str) -> dict[int, tuple[str, ...]]:
        bibs: dict[int, tuple[str, ...]] = {}
        query = "SELECT photo_no, bib FROM bib WHERE photo_no IN (SELECT value FROM json_each(?)) ORDER BY 1, position"
        for photo_no, bib in self._ledger.connection.execute(query, (ids,)):
            bibs[photo_no] = (*bibs.get(photo_no, ()), bib)
        return bibs

    def _assets(self, ids: str) -> dict[int, list[_Asset]]:
        assets: dict[int, list[_Asset]] = {}
        query = (
            "SELECT asset_id, photo_no, variant, state, is_offered, url, stored_url, listed_width_px, listed_height_px "
            "FROM asset WHERE photo_no IN (SELECT value FROM json_each(?))"
        )
        for row in self._ledger.connection.execute(query, (ids,)):
            assets.setdefault(row[1], []).append(_Asset._make(row))
        return assets

    # -- comparing ----------------------------------------------------------------------------------------------

    def _compare(self, old: Known, photo: Photo, bibs: tuple[str, ...], assets: Sequence[_Asset]) -> None:
        race_day_id = photo.race_day_id or self._pass.race_day_id
        offered = {variant.name: variant for variant in photo.variants}
        is_moved = race_day_id != old.race_day_id or photo.album_id != old.album_id
        if old.is_seen and (is_moved or any(_has_new_address(asset, offered) for asset in assets)):
            self.contradictory.append(photo.photo_id)
            return
        so_far = len(self._history)
        if race_day_id != old.race_day_id:
            self._remember(photo, "race day", before=str(old.race_day_id), after=str(race_day_id))
        if photo.album_id != old.album_id:
            self._remember(photo, "album", before=old.album_id, after=photo.album_id)
        if old.unlisted_at is not None:
            self._remember(photo, "listed again", before=old.unlisted_at)
        self._compare_bibs(old, photo, bibs)
        is_elsewhere = is_moved or (not old.is_seen and old.listed_under != self._pass.race_day_id)
        for asset in assets:
            self._compare_asset(photo, asset, offered.get(asset.variant), old=old, is_elsewhere=is_elsewhere)
        self._find_offered(old, photo, {asset.variant for asset in assets})
        self._update_photo(old, photo, race_day_id)
        self.changed_photos += len(self._history) > so_far

    def _remember(
        self,
        photo: Photo,
        what: str,
        *,
        variant: str | None = None,
        before: str | None = None,
        after: str | None = None,
    ) -> None:
        run_id, race_id = self._ledger.run_id, self._pass.race_id
        self._history.append((run_id, self._now, race_id, photo.photo_id, what, variant, before, after))

    def _compare_bibs(self, old: Known, photo: Photo, bibs: tuple[str, ...]) -> None:
        if bibs == photo.bibs:
            return
        for bib in photo.bibs:
            if bib not in bibs:
                self._remember(photo, "bib added", after=bib)
        for bib in bibs:
            if bib not in photo.bibs:
                self._remember(photo, "bib removed", before=bib)
        if set(bibs) != set(photo.bibs):
            change = BibChange(race_id=self._pass.race_id, photo_id=photo.photo_id, before=bibs, after=photo.bibs)
            self.bib_changes.append(change)
        run = self._ledger.connection
        run.execute("DELETE FROM bib WHERE photo_no = ?", (old.photo_no,))
        run.executemany(
            "INSERT INTO bib (photo_no, position, bib) VALUES (?, ?, ?)",
            [(old.photo_no, at, bib) for at, bib in enumerate(photo.bibs)],
        )

    def _compare_asset(
        self, photo: Photo, asset: _Asset, listed: Variant | None, *, old: Known, is_elsewhere: bool
    ) -> None:
        if listed is None:
            if asset.is_offered and not old.is_seen:
                self._remember(photo, "variant withdrawn", variant=asset.variant)
                self._withdrawn.append(asset.asset_id)
            return
        is_back = old.unlisted_at is not None or not asset.is_offered
        if not asset.is_offered:
            self._remember(photo, "variant offered", variant=asset.variant)
        if address_of(listed.url) != address_of(asset.url):
            before, after = without_query(asset.url), without_query(listed.url)
            self._remember(photo, "url", variant=asset.variant, before=before, after=after)
            self._again.append((asset, listed))
        elif is_back and (asset.state == "gone" or _is_outdated(asset)):
            self._again.append((asset, listed))
        else:
            if (asset.url, asset.width_px, asset.height_px) != (
                listed.url,
                listed.width_px,
                listed.height_px,
            ) or is_back:
                self._refreshed.append((asset, listed))
            if is_elsewhere and asset.state == "wanted":
                # It may only now belong to what is selected, and the jobs of this run may be past its number.
                self._renumbered.append(asset.asset_id)

    def _find_offered(self, old: Known, photo: Photo, present: set[str]) -> None:
        for variant in photo.variants:
            if variant.name not in present and variant.name in self._ledger.variants.get(self._pass.race_id, ()):
                self._remember(photo, "variant offered", variant=variant.name)
                self._offered.append((old.photo_no, variant))

    # -- writing ------------------------------------------------------------------------------------------------

    def _update_photo(self, old: Known, photo: Photo, race_day_id: int) -> None:
        run = self._ledger.connection
        run.execute(
            "UPDATE photo SET race_day_id = ?, album_id = ?, uploaded_filename = ?, uploaded_ts = ?, "
            "unlisted_at = NULL WHERE photo_no = ?",
            (race_day_id, photo.album_id, photo.uploaded_filename, photo.uploaded_ts, old.photo_no),
        )
        if not old.is_seen:
            run.execute(
                "UPDATE photo SET listed_under = ?, seen_pass_id = ? WHERE photo_no = ?",
                (self._pass.race_day_id, self._pass_id, old.photo_no),
            )
        if old.json != photo.json:
            run.execute("UPDATE photo_json SET json = ? WHERE photo_no = ?", (photo.json, old.photo_no))

    def _write_assets(self) -> None:
        run = self._ledger.connection
        run.executemany(
            "UPDATE asset SET is_offered = 0 WHERE asset_id = ?", [(asset_id,) for asset_id in self._withdrawn]
        )
        listed = [
            (variant.url, host_of(variant.url), variant.width_px, variant.height_px, asset.asset_id)
            for asset, variant in (*self._refreshed, *self._again)
        ]
        run.executemany(
            "UPDATE asset SET url = ?, host = ?, listed_width_px = ?, listed_height_px = ?, is_offered = 1 "
            "WHERE asset_id = ?",
            listed,
        )
        self._ledger.hosts.update(row[1] for row in listed)
        self._number([asset.asset_id for asset, _ in self._again], f"state = 'wanted', {FRESH_START}, ")
        self._number(self._renumbered, "")
        self.newly_wanted = len(self._again) + want_new(self._ledger, self._offered)

    def _number(self, asset_ids: Sequence[int], and_set: str) -> None:
        """Give assets new numbers, in their order."""
        if asset_ids:
            first = self._ledger.take_wanted_no(len(asset_ids)) + 1
            self._ledger.connection.executemany(
                f"UPDATE asset SET {and_set}wanted_no = ? WHERE asset_id = ?",  # noqa: S608 - our own text
                list(enumerate(asset_ids, first)),
            )


def _has_new_address(asset: _Asset, offered: dict[str, Variant]) -> bool:
    listed = offered.get(asset.variant)
    return listed is not None and address_of(listed.url) != address_of(asset.url)


def _is_outdated(asset: _Asset) -> bool:
    """Whether the stored bytes came from elsewhere than the URL that is listed."""
    return (
        asset.state == "stored"
        and asset.stored_url is not None
        and address_of(asset.stored_url) != address_of(asset.url)
    )
