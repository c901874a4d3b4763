"""What is written beside an object's bytes, for whoever meets it without the manifest; pure."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

_MOST_BIBS_BYTES = 1000
"""Stores take about 2 kB of labels in all."""
_KINDS = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG", "image/png"), (b"GIF8", "image/gif"), (b"II*\0", "image/tiff"))
_AT_EIGHT = {b"WEBP": "image/webp", b"avif": "image/avif", b"heic": "image/heic", b"mif1": "image/heif"}
_HEAD_BYTES = 12

SHA256 = "sha256"


def labels_of(sha256: bytes, head: bytes, *, photo_id: int | None = None, bibs: Sequence[str] = ()) -> dict[str, str]:
    """Write the labels of a picture.

    Args:
        head: How its bytes begin, for the content type that a browser is told.
        bibs: Percent-encoded, with commas between; left out when they are too many.
    """
    labels = {SHA256: sha256.hex()}
    if kind := content_type(head):
        labels["Content-Type"] = kind
    if photo_id is not None:
        labels["photo"] = str(photo_id)
    written = ",".join(quote(bib, safe="") for bib in bibs)
    if written and len(written) <= _MOST_BIBS_BYTES:
        labels["bibs"] = written
    return labels


def content_type(head: bytes) -> str | None:
    """Say what a browser calls such a picture, as far as its first bytes tell."""
    start = head[:_HEAD_BYTES]
    return next((kind for magic, kind in _KINDS if start.startswith(magic)), _AT_EIGHT.get(start[8:12]))


def sha256_in(labels: Mapping[str, str]) -> bytes | None:
    """Read the digest out of labels; None where there is none, or something else."""
    try:
        digest = bytes.fromhex(labels.get(SHA256, ""))
    except ValueError:
        return None
    return digest or None
