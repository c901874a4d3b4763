"""What a picture program should know of a photo, as XMP: the bib as keyword, where the photo comes from. Pure.

Which fields, and why:
- Flat keywords in ``dc:subject``: everybody reads them. The bib as a hierarchy in ``lr:hierarchicalSubject``
  (Lightroom) and ``digiKam:TagsList`` (digiKam, and first choice of Immich).
- The upload time in ``dc:date`` and our own namespace alone: any ``xmp:`` or ``photoshop:`` date would be taken for
  the time of capture by digiKam and Immich, before what the camera wrote into the picture.
Source: XMP specification, parts 1 to 3; the sources of Immich and PhotoPrism, digiKam's handbook.
"""

import contextlib
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from mirror.export.columns import moment_text, uploaded_at
from mirror.manifest import ExportAsset, ExportPhoto

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
LIGHTROOM = "http://ns.adobe.com/lightroom/1.0/"
DIGIKAM = "http://www.digikam.org/ns/1.0/"
IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
OURS = "urn:uuid:0b6d1a58-8c0f-4c1b-9f43-6f0c3a0f7a15#"
"""Our own namespace; its numbers and times are exact, whatever the other fields are used for."""
PREFIXES = {
    RDF: "rdf", DC: "dc", LIGHTROOM: "lr", DIGIKAM: "digiKam", IPTC_EXT: "Iptc4xmpExt", OURS: "mirror",
}  # fmt: skip

_PACKET_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_PACKET_END = '\n<?xpacket end="w"?>\n'
_OPEN = b"0" * 64
_SEALED = b"<mirror:seal>%s</mirror:seal>"
_SEALS = re.compile(_SEALED % b"([0-9a-f]{64})")
_PLAIN: "AttributesImpl[str]" = AttributesImpl({})
_DEFAULT_LANGUAGE = AttributesImpl({"xml:lang": "x-default"})
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property of a picture.

    Args:
        kind: How its values stand: plainly, or in an RDF container (``Alt`` holds a text in the default language).
    """

    namespace: str
    name: str
    kind: str
    values: tuple[str, ...]

    @property
    def tag(self) -> str:
        """The name with its prefix."""
        return f"{PREFIXES[self.namespace]}:{self.name}"


_SEAL = Property(namespace=OURS, name="seal", kind="", values=(_OPEN.decode(),))


def properties(photo: ExportPhoto, asset: ExportAsset) -> list[Property]:
    """List what is said of one stored file; the same photo always gives the same list."""
    day, moment = photo.day, uploaded_at(photo)
    uploaded = moment_text(moment) if moment else ""
    event = f"{day.race} {day.starts_on}" if day.starts_on else day.race
    said = [
        (DC, "title", "Alt", (_title(event, photo),)),
        (DC, "subject", "Bag", tuple(f"bib {bib}" for bib in photo.bibs)),
        (LIGHTROOM, "hierarchicalSubject", "Bag", tuple(f"bib|{_level(bib)}" for bib in photo.bibs)),
        (DIGIKAM, "TagsList", "Seq", tuple(f"bib/{_level(bib)}" for bib in photo.bibs)),
        (DC, "source", "", (_source(photo),)),
        (DC, "identifier", "", (f"runsignup:race/{day.race_id}/photo/{photo.photo_id}",)),
        (DC, "date", "Seq", (uploaded,)),
        (IPTC_EXT, "Event", "Alt", (event,)),
        (OURS, "raceId", "", (str(day.race_id),)),
        (OURS, "race", "", (day.race,)),
        (OURS, "raceDayId", "", (str(day.race_day_id),)),
        (OURS, "raceDay", "", (day.starts_on or "",)),
        (OURS, "album", "", (photo.album or "",)),
        (OURS, "photoId", "", (str(photo.photo_id),)),
        (OURS, "variant", "", (asset.variant,)),
        (OURS, "bibs", "Seq", photo.bibs),
        (OURS, "uploadedAt", "", (uploaded,)),
        (OURS, "uploadedFilename", "", (photo.uploaded_filename or "",)),
    ]
    return [
        Property(namespace=namespace, name=name, kind=kind, values=known)
        for namespace, name, kind, values in said
        if (known := tuple(text for value in values if (text := _xml_text(value))))
    ]


def _title(event: str, photo: ExportPhoto) -> str:
    if photo.bibs:
        return f"{event}, bib {', '.join(photo.bibs)}"
    return f"{event}, photo {photo.photo_id}"


def _source(photo: ExportPhoto) -> str:
    url = (photo.day.race_url or "").partition("?")[0].partition("#")[0]
    return url or f"RunSignup race {photo.day.race_id}"


def _level(bib: str) -> str:
    """A bib as one step of a hierarchy, whose steps these signs would part."""
    return re.sub(r"[|/\\]", "-", bib)


def _xml_text(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text).strip()


def packet(said: Sequence[Property]) -> bytes:
    """Write properties as a sealed XMP packet: UTF-8, in the given order."""
    return sealed(open_text(said))


def open_text(said: Sequence[Property], *, about: str = "") -> str:
    """Write properties as an XML document whose seal is still open."""
    out = io.StringIO()
    xml = XMLGenerator(out)
    names = {f"xmlns:{prefix}": namespace for namespace, prefix in PREFIXES.items()}
    with (
        _inside(xml, "x:xmpmeta", {"xmlns:x": "adobe:ns:meta/"}),
        _inside(xml, "rdf:RDF", {"xmlns:rdf": RDF}, "\n "),
        _inside(xml, "rdf:Description", {**names, "rdf:about": about}, "\n "),
    ):
        for each in (*said, _SEAL):
            xml.characters(" ")
            _write(xml, each)
            xml.characters("\n ")
    return out.getvalue()


@contextlib.contextmanager
def _inside(xml: XMLGenerator, tag: str, attributes: dict[str, str], space: str = "") -> Iterator[None]:
    xml.startElement(tag, AttributesImpl(attributes))
    xml.characters(space)
    yield
    xml.endElement(tag)
    xml.characters(space[:1])


def _write(xml: XMLGenerator, said: Property) -> None:
    if not said.kind:
        _write_text(xml, said.tag, said.values[0])
        return
    xml.startElement(said.tag, _PLAIN)
    xml.startElement(f"rdf:{said.kind}", _PLAIN)
    for value in said.values:
        _write_text(xml, "rdf:li", value, _DEFAULT_LANGUAGE if said.kind == "Alt" else _PLAIN)
    xml.endElement(f"rdf:{said.kind}")
    xml.endElement(said.tag)


def _write_text(xml: XMLGenerator, tag: str, text: str, attributes: "AttributesImpl[str]" = _PLAIN) -> None:
    xml.startElement(tag, attributes)
    xml.characters(text)
    xml.endElement(tag)


def sealed(text: str) -> bytes:
    """Make a packet of a document, and put its hash into its seal: so it is seen later whether a byte was changed."""
    body = f"{_PACKET_BEGIN}{text}{_PACKET_END}".encode()
    return body.replace(_SEALED % _OPEN, _SEALED % hashlib.sha256(body).hexdigest().encode(), 1)


def is_ours(body: bytes) -> bool:
    """Whether we wrote a packet, and nobody changed a byte of it since."""
    seals: list[bytes] = _SEALS.findall(body)
    if len(seals) != 1:
        return False
    opened = body.replace(_SEALED % seals[0], _SEALED % _OPEN)
    return hashlib.sha256(opened).hexdigest() == seals[0].decode()
