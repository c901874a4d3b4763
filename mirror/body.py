"""Reading a body: how it was coded on the way, and how much of it we take. Pure."""

import zlib

from mirror.errors import MismatchError, RefusedError, TruncatedError


class Decoder:
    """Undoes gzip or deflate piece by piece, and never gives more than a limit.

    Args:
        coding: The ``Content-Encoding`` header's value.
        limit_bytes: Decoded bytes that are too many.
    Raises:
        RefusedError: The coding is not one that we undo.
    """

    def __init__(self, coding: str, *, limit_bytes: int, what: str) -> None:
        name = coding.strip().lower()
        if name not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise RefusedError(f"{what}: coded as {name[:40]!r}, which was not asked for")
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32) if name not in {"", "identity"} else None
        self._limit = limit_bytes
        self._what = what
        self.size_bytes = 0

    @property
    def is_plain(self) -> bool:
        """Whether the bytes come as they are."""
        return self._inflate is None

    def feed(self, data: bytes) -> bytes:
        """Decode the next piece.

        Raises:
            RefusedError: More than the limit.
            MismatchError: Not what the coding promises.
        """
        if self._inflate is not None:
            try:
                data = self._inflate.decompress(data, self._limit - self.size_bytes + 1)
            except zlib.error:
                raise MismatchError(f"{self._what}: damaged compression") from None
        self.size_bytes += len(data)
        if self.size_bytes > self._limit:
            raise RefusedError(f"{self._what}: larger than the limit of {self._limit} bytes")
        return data

    def finish(self) -> None:
        """Check that the coding came to its end.

        Raises:
            TruncatedError: It did not.
        """
        if self._inflate is not None and not self._inflate.eof:
            raise TruncatedError(f"{self._what}: compressed data without its end")
