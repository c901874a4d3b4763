"""What a new manifest begins from: the one in place, its snapshot in the tree, a file that was named, or nothing."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mirror.errors import ManifestError, NewerError
from mirror.manifest import Workshop, forgotten_in, id_of

log = logging.getLogger(__name__)

_MANIFEST = "manifest.sqlite"
_NOTHING_TELLS = "if photos were ever forgotten on request, forget them again: nothing tells of it any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What was found to begin from."""

    path: Path | None = None
    """The earlier manifest; None if there is no sound one."""
    unused: tuple[Path, ...] = ()
    """Manifests that lie there and from which nothing was taken."""
    forgotten: tuple[tuple[int, int, str], ...] = ()
    """Photos that were forgotten on request, as far as a damaged manifest can still tell: race, photo, when."""
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
    there = [path for path in dict.fromkeys((current, state / _MANIFEST)) if path.exists()]
    if given is None:
        return _Search(workshop=workshop, tree_id=tree_id).among(there)
    for path in there:
        _refuse_newer(path)
    workshop.begin_from(given)
    found_id = id_of(given)
    is_of_another = tree_id is not None and found_id != tree_id
    note = f"{given} was made for another archive ({found_id}), and was begun from because you named it"
    unused = tuple(path for path in there if path != given.absolute())
    return Basis(path=given, unused=unused, notes=(note,) if is_of_another else ())


def _refuse_newer(path: Path) -> None:
    try:
        id_of(path)
    except NewerError:
        raise
    except ManifestError:  # it is to be replaced
        return


@dataclass(slots=True, kw_only=True)
class _Search:
    """Tries one manifest after the other, and remembers what each was good for."""

    workshop: Workshop
    tree_id: str | None
    unused: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    forgotten: set[tuple[int, int, str]] = field(default_factory=set)
    is_told: bool = False
    """Whether anything tells of forgotten photos."""

    def among(self, paths: Sequence[Path]) -> Basis:
        found = next((path for path in paths if self._can_use(path)), None)
        if found is None and not self.is_told:
            self.notes.append(_NOTHING_TELLS)
        return Basis(
            path=found, unused=tuple(self.unused), forgotten=tuple(sorted(self.forgotten)), notes=tuple(self.notes)
        )

    def _can_use(self, path: Path) -> bool:
        try:
            found_id = id_of(path)
            if self.tree_id is None or found_id == self.tree_id:
                self.workshop.begin_from(path)
                return True
            self.notes.append(f"{path} belongs to another archive ({found_id}): nothing was taken from it")
        except NewerError:
            raise
        except ManifestError as error:
            log.info("%s", error)
            self.workshop.restart()
            self.notes.append(f"{path} is damaged: nothing was taken from it")
            if (forgotten := forgotten_in(path)) is not None:
                self.is_told = True
                self.forgotten.update(forgotten)
        self.unused.append(path)
        return False
