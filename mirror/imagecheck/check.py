"""Which format is it, and is it whole?"""

import struct
from collections.abc import Callable

from mirror.errors import MismatchError, TruncatedError
from mirror.imagecheck.bmp import HEADER_SIZES, check_bmp
from mirror.imagecheck.foreign import describe_foreign
from mirror.imagecheck.gif import check_gif
from mirror.imagecheck.heif import check_heif, heif_kind
from mirror.imagecheck.jpeg import check_jpeg
from mirror.imagecheck.jpeg2000 import check_j2k, check_jp2
from mirror.imagecheck.picture import Data, Picture
from mirror.imagecheck.png import check_png
from mirror.imagecheck.tiff import check_tiff
from mirror.imagecheck.webp import check_webp

_Check = Callable[[Data], Picture]

_CHECKS: tuple[tuple[bytes, str, _Check], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG", check_png),
    (b"GIF89a", "GIF", check_gif),
    (b"GIF87a", "GIF", check_gif),
    (b"II\x2a\0", "TIFF", check_tiff),
    (b"MM\0\x2a", "TIFF", check_tiff),
    (b"II\x2b\0\x08\0\0\0", "TIFF", check_tiff),
    (b"MM\0\x2b\0\x08\0\0", "TIFF", check_tiff),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", check_jp2),
    (b"\xff\x4f\xff\x51", "JPEG 2000", check_j2k),
)
_SHORTEST_BYTES = 16
_LOOKED_AT_BYTES = 4096


def check_image(data: Data) -> Picture:
    """Make sure that bytes are one whole picture, whatever format, camera or editor they come from.

    The structure is walked to its end: nothing is decoded, so a picture announced larger than any memory costs
    nothing, and one that a certain library dislikes is no fault. Size and capture time are read on the way; no size is
    demanded. Data behind a picture's end is fine.

    Args:
        data: The whole file. A mapping may be closed as soon as this has returned or raised.
    Returns:
        What kind of picture it is and what it says of itself.
    Raises:
        TruncatedError: A picture that stops before its end, or is damaged where its structure can tell.
        MismatchError: No picture; the message names what it looks like.
    Source: each format's standard is named in its own file.
    """
    if data[:2] == b"\xff\xd8":
        return _run(check_jpeg, "JPEG", data)
    head = data[:_LOOKED_AT_BYTES]
    for signature, kind, check in _CHECKS:
        if head.startswith(signature):
            return _run(check, kind, data)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _run(check_webp, "WebP", data)
    if head[4:8] == b"ftyp":
        kinds = heif_kind(_brands(head))
        if kinds is not None:
            return _run(lambda whole: check_heif(whole, *kinds), kinds[0], data)
    if head[:2] == b"BM" and _is_bmp(head):
        return _run(check_bmp, "BMP", data)
    if 2 < len(head) < _SHORTEST_BYTES and any(signature.startswith(head) for signature, _, _ in _CHECKS):
        raise TruncatedError(f"picture stops after {len(head)} bytes")
    raise MismatchError(f"not a picture but {describe_foreign(head)}" if head else "empty, not a picture")


def _run(check: _Check, kind: str, data: Data) -> Picture:
    try:
        return check(data)
    except (IndexError, struct.error):
        # The walk ran off the end of the data: that is how most cut pictures show.
        raise TruncatedError(f"{kind} picture stops at byte {len(data)}, before its end") from None


def _brands(head: bytes) -> set[bytes]:
    """Return the major and the compatible brands of an ``ftyp`` box."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))}


def _is_bmp(head: bytes) -> bool:
    if len(head) < 18:
        return head[6:10] == b"\0\0\0\0"
    return int.from_bytes(head[14:18], "little") in HEADER_SIZES
