"""How a body was coded on the way, and how much of it we take. Pure."""

import zlib
from collections.abc import Iterator

from mirror.errors import MismatchError, RefusedError, TruncatedError

_PLAIN = {"", "identity"}
_GZIP = {"gzip", "x-gzip"}
_PIECE_BYTES = 262_144


def is_plain(coding: str) -> bool:
    """Whether a ``Content-Encoding`` leaves the bytes as they are."""
    return coding.strip().lower() in _PLAIN


class Decoder:
    """Undoes gzip or deflate piece by piece, and never gives more than a limit.

    Args:
        coding: The ``Content-Encoding`` header's value.
        limit_bytes: The most decoded bytes that are taken.
        limit_name: The setting that says so.
        what: The address, fit to be shown.
    Raises:
        RefusedError: The coding is not one that we undo.
    """

    def __init__(self, coding: str, *, limit_bytes: int, limit_name: str, what: str) -> None:
        name = coding.strip().lower()
        if name not in {*_PLAIN, *_GZIP, "deflate"}:
            raise RefusedError(f"{what}: coded as {name[:40]!r}, which was not asked for", url=what)
        self._name = name
        self._inflate: zlib._Decompress | None = None
        self._limit_bytes = limit_bytes
        self._limit_name = limit_name
        self._what = what
        self.size_bytes = 0
        """Decoded so far."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode what has come, in pieces small enough that no bomb fills the memory.

        Raises:
            RefusedError: More than the limit.
            MismatchError: Not what the coding promises.
        """
        if self._name in _PLAIN:
            yield self._counted(data)
            return
        while data:
            if self._inflate is None or self._inflate.eof:
                # Several gzip members in a row are one body; zeros behind the last are padding.
                data = data.lstrip(b"\0") if self._inflate is not None else data
                if not data:
                    return
                self._inflate = self._begin(data)
            try:
                piece = self._inflate.decompress(data, _PIECE_BYTES)
            except zlib.error:
                raise MismatchError(f"{self._what}: damaged compression", url=self._what) from None
            if piece:
                yield self._counted(piece)
            data = self._inflate.unconsumed_tail or self._inflate.unused_data

    def finish(self) -> None:
        """Check that the coding came to its end.

        Raises:
            TruncatedError: It did not.
        """
        if self._inflate is not None and not self._inflate.eof:
            raise TruncatedError(f"{self._what}: compressed data without its end", url=self._what)

    def _begin(self, data: bytes) -> "zlib._Decompress":
        if self._name in _GZIP:
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        # "deflate" means zlib's wrapping; some servers leave the wrapping out.
        return zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS)

    def _counted(self, piece: bytes) -> bytes:
        self.size_bytes += len(piece)
        if self.size_bytes > self._limit_bytes:
            text = f"larger than {self._limit_name} ({self._limit_bytes} bytes)"
            raise RefusedError(f"{self._what}: {text}", url=self._what)
        return piece
