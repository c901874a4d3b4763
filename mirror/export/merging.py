"""An XMP packet that a picture brought with it, and what we add: nothing that the photographer said is lost. Pure."""

from collections.abc import Iterator, Sequence
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from mirror.export.containers import NoPlaceError
from mirror.export.xmp import OURS, RDF, Property, open_text, sealed

_LISTS = frozenset(("subject", "hierarchicalSubject", "TagsList"))
"""Properties that take more values; of all others the picture's own stays."""


def merged(packet: bytes, said: Sequence[Property]) -> bytes:
    """Add properties to a packet, sealed anew: keywords beside those that are there, others where there are none.

    Raises:
        NoPlaceError: The packet cannot be read.
    """
    document = _parse(packet)
    root = next(iter(document.getElementsByTagNameNS(RDF, "RDF")), None)
    if root is None:
        raise NoPlaceError("its XMP holds no RDF")
    for each in list(_descriptions(root)):
        _remove_ours(each)
    more = [each for each in said if not _is_said(document, root, each)]
    about = next((each.getAttributeNS(RDF, "about") for each in _descriptions(root)), "")
    ours = minidom.parseString(open_text(more, about=about))  # noqa: S318 - our own text
    for each in _descriptions(ours.getElementsByTagNameNS(RDF, "RDF")[0]):
        root.appendChild(document.importNode(each, deep=True))
    return sealed(document.documentElement.toxml() if document.documentElement else "")


def _parse(packet: bytes) -> minidom.Document:
    if b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        raise NoPlaceError("its XMP declares a document type")
    try:
        # Declarations of types and entities, the way to make a small text large, were refused above.
        return minidom.parseString(packet.strip(b"\0 \r\n\t"))  # noqa: S318
    except (ExpatError, ValueError) as error:
        raise NoPlaceError(f"its XMP is broken ({error})") from None


def _descriptions(root: minidom.Element) -> Iterator[minidom.Element]:
    for each in root.childNodes:
        if isinstance(each, minidom.Element) and (each.namespaceURI, each.localName) == (RDF, "Description"):
            yield each


def _remove_ours(description: minidom.Element) -> None:
    """Take away what an earlier archive said: the picture went through one before."""
    for each in list(description.childNodes):
        if isinstance(each, minidom.Element) and each.namespaceURI == OURS:
            description.removeChild(each)


def _is_said(document: minidom.Document, root: minidom.Element, said: Property) -> bool:
    """Whether a property is there; missing keywords are put into its list."""
    for description in _descriptions(root):
        if description.hasAttributeNS(said.namespace, said.name):
            return True
        for each in description.childNodes:
            if isinstance(each, minidom.Element) and (each.namespaceURI, each.localName) == (said.namespace, said.name):
                if said.name in _LISTS:
                    _fill(document, each, said)
                return True
    return False


def _fill(document: minidom.Document, there: minidom.Element, said: Property) -> None:
    container = next((each for each in there.childNodes if isinstance(each, minidom.Element)), None)
    if container is None:
        return
    known = {_text(each) for each in container.childNodes if isinstance(each, minidom.Element)}
    for value in said.values:
        if value not in known:
            item = document.createElement(f"{container.prefix or 'rdf'}:li")
            item.appendChild(document.createTextNode(value))
            container.appendChild(item)


def _text(node: minidom.Element) -> str:
    return "".join(each.data for each in node.childNodes if isinstance(each, minidom.Text)).strip()
