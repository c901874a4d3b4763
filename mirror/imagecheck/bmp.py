"""BMP: the pixels that its header announces lie within the file.

Source: Microsoft, Windows GDI, BITMAPFILEHEADER and BITMAPINFOHEADER.
"""

import struct

from mirror.errors import MismatchError, TruncatedError
from mirror.imagecheck.picture import Data, Picture

HEADER_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_PLAIN = {0, 3, 6}
"""Compressions without compression: plain and with bit masks."""


def check_bmp(data: Data) -> Picture:
    """Hold the pixels of a BMP against the file's length.

    Raises:
        TruncatedError: They reach beyond its end.
        MismatchError: There are none.
        struct.error: It stops inside a header.
    """
    pixels_at, header_bytes = struct.unpack_from("<II", data, 10)
    compression = size_bytes = 0
    if header_bytes == 12:
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, depth = struct.unpack_from("<iiHH", data, 18)
    if header_bytes >= 40:
        compression, size_bytes = struct.unpack_from("<II", data, 30)
    height = abs(height)  # negative: the top row comes first
    if compression in _PLAIN:
        size_bytes = (width * depth + 31) // 32 * 4 * height
    if width <= 0 or not height or not size_bytes:
        raise MismatchError("BMP file without a picture in it")
    if pixels_at + size_bytes > len(data):
        raise TruncatedError(f"BMP picture stops at byte {len(data)} of {pixels_at + size_bytes}")
    return Picture(kind="BMP", extension="bmp", width_px=width, height_px=height)
