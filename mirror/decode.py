"""Can this picture be decoded, pixel by pixel? The one room of ours, beside the demo's, that asks Pillow."""

import io
import struct
from typing import Literal

from mirror.errors import FetchError
from mirror.imagecheck import check_image

Verdict = Literal["decoded", "broken", "not tried"]

_MOST_PIXELS = 89_000_000
"""Larger ones are not tried, as Pillow advises: they take a quarter of a gigabyte each, or are made to take more."""

_BROKEN = (
    OSError, EOFError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RuntimeError,
    struct.error,
)  # fmt: skip
"""What decoders say of broken bytes: it is the bytes' fault. That memory ran out is not."""


def try_decoding(body: bytes) -> Verdict:
    """Decode a whole picture and throw the pixels away.

    Returns:
        "not tried" for a format that Pillow does not read, and for a picture too large to be decoded.
    """
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - most verifications decode nothing

    try:
        picture = check_image(body)
    except FetchError:
        return "broken"
    if (picture.width_px or 0) * (picture.height_px or 0) > _MOST_PIXELS:
        return "not tried"
    try:
        with Image.open(io.BytesIO(body)) as image:
            image.load()
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return "not tried"
    except _BROKEN:
        return "broken"
    return "decoded"
