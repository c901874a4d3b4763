"""What a new manifest begins from: the one in place, its snapshot in the tree, a file that was named, or nothing."""

import logging
from dataclasses import dataclass
from pathlib import Path

from mirror.errors import ManifestError, NewerError
from mirror.manifest import Workshop, forgotten_in, id_of

log = logging.getLogger(__name__)

_MANIFEST = "manifest.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What was found to begin from."""

    path: Path | None = None
    """The earlier manifest; None if there is no sound one."""
    forgotten: tuple[tuple[int, int, str], ...] = ()
    """Photos that were forgotten on request, as far as an unsound manifest could still tell: race, photo, when."""
    notes: tuple[str, ...] = ()
    """What was found on the way, for people."""


def choose_basis(workshop: Workshop, current: Path, state: Path, *, given: Path | None, tree_id: str | None) -> Basis:
    """Copy the best earlier manifest into the workshop.

    The one in place comes first, if it is sound and the tree's; then the snapshot in the tree. One that belongs to
    another tree is taken only when it was named. Blocks: it belongs into a thread.

    Args:
        current: The manifest in place; it may be missing.
        state: The tree's own folder, where a snapshot may lie.
        given: A manifest that was named; nothing else is tried then.
        tree_id: Which archive the tree says it is; None if it does not say.
    Raises:
        NewerError: One of them is of a newer version: only the newer program may replace it.
        ManifestError: The one that was named cannot be used.
    """
    if given is not None:
        if current.exists():
            _refuse_newer(current)
        workshop.begin_from(given)
        return Basis(path=given, notes=tuple(_of_another(given, tree_id)))
    notes: list[str] = []
    forgotten: dict[tuple[int, int], str] = {}
    is_told = False
    for path in dict.fromkeys((current, state / _MANIFEST)):
        if not path.exists():
            continue
        try:
            found_id = id_of(path)
            if tree_id is not None and found_id != tree_id:
                notes.append(f"{path} belongs to another archive ({found_id}), so nothing was taken from it")
                continue
            workshop.begin_from(path)
        except NewerError:
            raise
        except ManifestError as error:
            log.warning("%s", error)
            notes.append(f"{path} is damaged, so nothing was taken from it")
            said = forgotten_in(path)
            is_told = is_told or said is not None
            forgotten |= {(race_id, photo_id): at for race_id, photo_id, at in said or ()}
            workshop.restart()
            continue
        return Basis(path=path, forgotten=_rows(forgotten), notes=tuple(notes))
    if not is_told:
        notes.append("if photos were ever forgotten on request, forget them again: nothing tells of it any more")
    return Basis(forgotten=_rows(forgotten), notes=tuple(notes))


def _refuse_newer(path: Path) -> None:
    try:
        id_of(path)
    except NewerError:
        raise
    except ManifestError:
        return


def _of_another(path: Path, tree_id: str | None) -> list[str]:
    found_id = id_of(path)
    if tree_id is None or found_id == tree_id:
        return []
    return [f"{path} was made for another archive ({found_id}); it was begun from because you named it"]


def _rows(forgotten: dict[tuple[int, int], str]) -> tuple[tuple[int, int, str], ...]:
    return tuple((race_id, photo_id, at) for (race_id, photo_id), at in forgotten.items())
