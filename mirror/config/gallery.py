"""Settings of the gallery."""

from mirror.config.kinds import Flag, MaybePath, MaybeText, Variants
from mirror.config.section import Section
from mirror.model import VARIANTS


class GallerySettings(Section):
    """The web site that is made of the archive."""

    refresh: Flag = False
    to: MaybePath = None
    title: MaybeText = None
    variants: Variants = VARIANTS
    copy_pictures: Flag = False
    private: Flag = False
