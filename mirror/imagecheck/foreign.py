"""What bytes look like that are no picture: a few words for a person, taken from nothing but their beginning."""

import re

_LOOKED_AT_BYTES = 4096

_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "gzip data"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"8BPS", "a Photoshop document"),
    (b"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
    (b"\xff\x0a", "a JPEG XL picture, whose end cannot be checked"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture, whose end cannot be checked"),
    (b"FUJIFILMCCD-RAW", "a raw photo (RAF)"),
    (b"\0\0\1\xba", "a video (MPEG)"),
)
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_XML = re.compile(rb"<(?:\?xml|Error\b|[A-Za-z][\w:.-]*[\s/>])")
_CODE = re.compile(rb"<Code>\s*([^<]{1,80})</Code>")
_TEXT = re.compile(rb"[\t\n\f\r\x20-\x7e\x80-\xff]+")
_UNSAID = re.compile(r"[^A-Za-z0-9 ._:-]+")


def describe_foreign(data: bytes) -> str:
    """Name what the first bytes of something look like, in a few words without control characters.

    Args:
        data: The beginning of a body, 4096 bytes are enough; more is not looked at.
    """
    head = data[:_LOOKED_AT_BYTES]
    if not head:
        return "empty"
    for signature, words in _SIGNATURES:
        if head.startswith(signature):
            return words
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide"}:
        return _describe_film(head)
    if head.startswith(b"RIFF"):
        return "a video (AVI)" if head[8:12] == b"AVI " else "a RIFF file that is no picture"
    if not head.strip(b"\0"):
        return "nothing but zero bytes"
    return _describe_text(head) or f"unknown data beginning with {head[:8].hex(' ')}"


def _describe_film(head: bytes) -> str:
    if head[8:11] == b"crx":
        return "a raw photo (CR3)"
    is_quicktime = head[4:8] != b"ftyp" or head[8:10] == b"qt"
    return "a video (QuickTime)" if is_quicktime else "a video (MP4)"


def _describe_text(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _HTML.match(text) or (text.startswith(b"<") and _HTML.search(text)):
        return "an HTML page"
    if _XML.match(text):
        if b"<svg" in text:
            return "an SVG drawing"
        code = _CODE.search(text)
        return f"an XML document ({_clean(code[1])})" if code else "an XML document"
    if not _TEXT.fullmatch(head) or not _is_utf8(head):
        return None
    return "JSON" if text.startswith((b"{", b"[")) else "plain text"


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A letter cut in two where the look ends is no fault.
        return error.start > len(head) - 4 and len(head) == _LOOKED_AT_BYTES
    return True


def _clean(code: bytes) -> str:
    return _UNSAID.sub(" ", code.decode("ascii", "replace")).strip()[:60] or "without a code"
