"""Is this a whole picture? Its structure is walked to the end; nothing is decoded, nothing read or written."""

from mirror.imagecheck.check import check_image
from mirror.imagecheck.picture import Data, Picture

__all__ = ["Data", "Picture", "check_image"]
