"""Settings of the gallery."""

from collections.abc import Iterator

from mirror.config.kinds import Flag, MaybePath, MaybeText, MaybeWebBase, Variants
from mirror.config.section import Section
from mirror.model import VARIANTS


class GallerySettings(Section):
    """The web site that is made of the archive."""

    refresh: Flag = False
    to: MaybePath = None
    title: MaybeText = None
    variants: Variants = VARIANTS
    copy_pictures: Flag = False
    link_base: MaybeWebBase = None
    private: Flag = False

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield two ways to one picture."""
        if self.copy_pictures and self.link_base:
            yield "link_base", "is set and copy_pictures is too, expected one of the two"
