"""XMP: bibs as keywords where picture programs look for them, never over another program's work."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any
from xml.dom import minidom

import pytest
from PIL import Image, ImageChops

from mirror.errors import ConfigError
from mirror.export.containers import NoPlaceError, find_packet, put_packet
from mirror.export.exports import Exported, XmpKind, export_xmp
from mirror.export.merging import merged
from mirror.export.xmp import DC, OURS, Property, is_ours, packet
from mirror.model import Photo
from tests.export_archive import HOSTILE, Shelf, both, found, hostile_photos, picture, shelf, tool, tree
from tests.test_manifest_desk import DAY, HOST, RACE

__all__ = ["shelf"]

BIBS = ("1179", "0117")
LIGHTROOM_PACKET = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="uuid:1" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    b' xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:Rating="4" dc:source="card 7">'
    b"<dc:subject><rdf:Bag><rdf:li>finish</rdf:li><rdf:li>bib 1179</rdf:li></rdf:Bag></dc:subject>"
    b"<dc:rights><rdf:Alt><rdf:li xml:lang='x-default'>(c) Ann</rdf:li></rdf:Alt></dc:rights>"
    b'</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def export(shelf: Shelf, kind: XmpKind, to: Path, **options: Any) -> Exported:
    """Write the metadata of everything."""
    with shelf.export(**options) as everything:
        return export_xmp(everything, kind, to)


def exiftool(*paths: Path) -> list[dict[str, Any]]:
    """What the program that everybody checks with reads: tags with their groups, lists as lists."""
    command = [tool("exiftool"), "-json", "-G1", "-a", "-all", "-validate", *map(str, paths)]
    tags: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return tags


def said(metadata: dict[str, Any]) -> dict[str, Any]:
    """The tags that say what we say."""
    return {tag: value for tag, value in metadata.items() if tag.startswith("XMP-") and not tag.startswith("XMP-x:")}


EXPECTED = {
    "XMP-dc:Title": "Harbour 10K 2025-05-17, bib 1179, 0117",
    "XMP-dc:Subject": ["bib 1179", "bib 0117"],
    "XMP-lr:HierarchicalSubject": ["bib|1179", "bib|0117"],
    "XMP-digiKam:TagsList": ["bib/1179", "bib/0117"],
    "XMP-dc:Source": f"RunSignup race {RACE}",
    "XMP-dc:Identifier": f"runsignup:race/{RACE}/photo/1",
    "XMP-dc:Date": "2024:10:27 03:33:20Z",
    "XMP-iptcExt:Event": "Harbour 10K 2025-05-17",
    "XMP-mirror:RaceId": RACE,
    "XMP-mirror:Race": "Harbour 10K",
    "XMP-mirror:RaceDayId": DAY,
    "XMP-mirror:RaceDay": "2025-05-17",
    "XMP-mirror:PhotoId": 1,
    "XMP-mirror:Variant": "original",
    "XMP-mirror:Bibs": [1179, "0117"],
    "XMP-mirror:UploadedAt": "2024:10:27 03:33:20Z",
    "XMP-mirror:UploadedFilename": "IMG_1.JPG",
}


def without_seal(tags: dict[str, Any]) -> dict[str, Any]:
    """All but the hash."""
    return {tag: value for tag, value in tags.items() if tag != "XMP-mirror:Seal"}


# -- sidecars ---------------------------------------------------------------------------------------------------------


async def test_exiftool_reads_every_field_of_a_sidecar(shelf: Shelf, tmp_path: Path) -> None:
    """Each in the field that digiKam, Lightroom, Immich or PhotoPrism looks at; and no complaint."""
    place, *_ = await shelf.store([both(1, bibs=BIBS)])
    export(shelf, "sidecars", tmp_path / "out")
    (tags,) = exiftool(tmp_path / "out" / f"{place.relative_to(shelf.root)}.xmp")
    assert without_seal(said(tags)) == EXPECTED
    assert "ExifTool:Warning" not in tags


async def test_sidecar_names_no_date_that_would_be_taken_for_the_capture(shelf: Shelf, tmp_path: Path) -> None:
    """Immich and digiKam would put any of these before what the camera wrote into the picture."""
    await shelf.store([both(1)])
    export(shelf, "sidecars", tmp_path / "out")
    (body,) = tree(tmp_path / "out").values()
    for name in (b"CreateDate", b"DateCreated", b"DateTimeOriginal", b"MetadataDate", b"ModifyDate"):
        assert name not in body


async def test_sidecars_lie_beside_the_stored_files_when_asked_for(shelf: Shelf) -> None:
    """The name is the picture's and .xmp behind it; stored files are not touched, and one that is lost is named."""
    places = await shelf.store([both(1), both(2)])
    before = {place: (place.read_bytes(), place.stat().st_mtime_ns) for place in places}
    lost = next(place for place in places if place.name.startswith("2_") and "original" in str(place))
    lost.unlink()
    done = export(shelf, "beside", shelf.root)
    assert (done.files, len(done.wrong)) == (1, 1)
    assert lost.name in done.wrong[0]
    written = found(shelf.root, "*.xmp")
    assert [each.name for each in written] == ["1_IMG_1.jpg.xmp"]
    assert all((place.read_bytes(), place.stat().st_mtime_ns) == before[place] for place in places if place != lost)


async def test_hostile_texts_make_sound_sidecars(shelf: Shelf, tmp_path: Path) -> None:
    """Every sidecar is XML, and holds the bib that it should; signs that part levels do not part a bib."""
    await shelf.store([*hostile_photos(), both(900, bibs=("1/2|3\\4",))])
    export(shelf, "sidecars", tmp_path / "out")
    bodies = tree(tmp_path / "out")
    assert len(bodies) == len(HOSTILE) + 1
    for body in bodies.values():
        minidom.parseString(body)  # noqa: S318 - our own
        assert is_ours(body)
    (odd,) = (body for name, body in bodies.items() if "/900_" in name)
    assert b"<rdf:li>bib|1-2-3-4</rdf:li>" in odd
    assert b"<rdf:li>bib/1-2-3-4</rdf:li>" in odd
    assert b"<rdf:li>bib 1/2|3\\4</rdf:li>" in odd


async def test_only_what_changed_is_written(shelf: Shelf, tmp_path: Path) -> None:
    """A second export touches nothing; a corrected bib rewrites that sidecar alone."""
    await shelf.store([both(1), both(2)])
    export(shelf, "sidecars", tmp_path)
    first = {each: each.stat().st_mtime_ns for each in found(tmp_path, "*.xmp")}
    done = export(shelf, "sidecars", tmp_path)
    assert (done.files, done.unchanged) == (0, 2)
    await shelf.store([both(1), both(2, bibs=("13",))])
    done = export(shelf, "sidecars", tmp_path)
    assert (done.files, done.unchanged) == (1, 1)
    changed = [each.name for each, at in first.items() if each.stat().st_mtime_ns != at]
    assert changed == ["2_IMG_1.jpg.xmp"]


@pytest.mark.parametrize("edit", ["edited", "foreign"])
async def test_sidecar_of_another_program_is_left_alone(shelf: Shelf, tmp_path: Path, edit: str) -> None:
    """One that it wrote, and one of ours that it changed: named, and not a byte of it is touched."""
    await shelf.store([both(1)])
    export(shelf, "sidecars", tmp_path)
    (sidecar,) = found(tmp_path, "*.xmp")
    body = sidecar.read_bytes().replace(b"bib 12<", b"bib 12, Ann<") if edit == "edited" else LIGHTROOM_PACKET
    sidecar.write_bytes(body)
    await shelf.store([both(1, bibs=("13",))])
    done = export(shelf, "sidecars", tmp_path)
    assert (done.files, done.left) == (0, (str(sidecar),))
    assert sidecar.read_bytes() == body


async def test_file_that_a_power_cut_emptied_is_written_again(shelf: Shelf, tmp_path: Path) -> None:
    """Nobody's work is lost with it."""
    await shelf.store([both(1)])
    export(shelf, "sidecars", tmp_path)
    (sidecar,) = found(tmp_path, "*.xmp")
    body = sidecar.read_bytes()
    sidecar.write_bytes(b"")
    assert export(shelf, "sidecars", tmp_path).files == 1
    assert sidecar.read_bytes() == body


async def test_best_stored_file_is_taken_unless_a_variant_is_named(shelf: Shelf, tmp_path: Path) -> None:
    """The original where there is one, else the next best."""
    thumb = {"thumbnail": f"https://{HOST}/thumbnail/2.jpg"}
    await shelf.store([both(1), both(2, variants=thumb)])
    export(shelf, "sidecars", tmp_path / "best")
    export(shelf, "sidecars", tmp_path / "thumbs", variants=("thumbnail",))
    assert [name.split("/")[2:] for name in sorted(tree(tmp_path / "best"))] == [
        ["original", "1_IMG_1.jpg.xmp"], ["thumbnail", "2_IMG_1.jpg.xmp"],
    ]  # fmt: skip
    assert {name.split("/")[2] for name in tree(tmp_path / "thumbs")} == {"thumbnail"}


async def test_sidecars_elsewhere_lie_outside_the_archive(shelf: Shelf) -> None:
    """Inside it they are asked for by name: --beside."""
    with pytest.raises(ConfigError, match="inside the archive"):
        export(shelf, "sidecars", shelf.root)


# -- embedded ---------------------------------------------------------------------------------------------------------

EXIF = Image.Exif()
EXIF.get_ifd(0x8769)[0x9003] = "2025:05:17 09:00:00"
PICTURES = {
    "jpg": picture(),
    "exif.jpg": picture(exif=EXIF),
    "progressive.jpg": picture(progressive=True, comment=b"hello"),
    "png": picture("PNG"),
    "webp": picture("WEBP"),
    "odd.webp": picture("WEBP", size=(23, 7), quality=3),
    "lossless.webp": picture("WEBP", lossless=True),
    "exif.webp": picture("WEBP", exif=EXIF),
}


def with_name(photo_id: int, name: str, **changes: Any) -> Photo:
    """A photo with an original of some format."""
    return both(photo_id, variants={"original": f"https://{HOST}/original/{name}"}, **changes)


async def test_exiftool_reads_every_field_out_of_copies(shelf: Shelf, tmp_path: Path) -> None:
    """Of JPEG, PNG and WebP; what the camera wrote is still there, and the pictures are the same to the pixel."""
    names = sorted(PICTURES)
    photos = [with_name(at, name, bibs=BIBS) for at, name in enumerate(names, start=1)]
    places = await shelf.store(photos, PICTURES)
    done = export(shelf, "embedded", tmp_path)
    copies = [tmp_path / place.relative_to(shelf.root) for place in places]
    assert (done.files, done.beside, done.wrong) == (len(names), 0, ())
    for at, (name, place, copy, tags) in enumerate(zip(names, places, copies, exiftool(*copies), strict=True), start=1):
        ids = {"XMP-mirror:PhotoId": at, "XMP-dc:Identifier": f"runsignup:race/{RACE}/photo/{at}"}
        assert without_seal(said(tags)) == {**EXPECTED, **ids}, name
        assert tags.get("ExifIFD:DateTimeOriginal", "") == ("2025:05:17 09:00:00" if "exif" in name else "")
        assert place.read_bytes() == PICTURES[name]
        with Image.open(place) as one, Image.open(copy) as other:
            assert (one.mode, one.size, one.format) == (other.mode, other.size, other.format)
            assert ImageChops.difference(one, other).getbbox() is None


@pytest.mark.parametrize("name", [name for name in sorted(PICTURES) if name.endswith(("jpg", "png"))])
def test_copy_is_the_picture_and_one_more_segment(name: str) -> None:
    """Every byte of a JPEG or PNG is where it was, but for what was put in."""
    body = PICTURES[name]
    added = packet([Property(namespace=DC, name="source", kind="", values=("x",))])
    copy = put_packet(body, added)
    at = next(at for at, (one, other) in enumerate(zip(body, copy, strict=False)) if one != other)
    start = next(start for start in range(at, 0, -1) if copy[:start] + copy[start + len(copy) - len(body) :] == body)
    inside = copy[start : start + len(copy) - len(body)]
    assert added in inside
    assert find_packet(copy) == added
    with Image.open(io.BytesIO(copy)) as opened:
        opened.verify()


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_packet_is_replaced_not_added(name: str) -> None:
    """A picture holds one packet, the last."""
    first = put_packet(PICTURES[name], b"<first/>")
    second = put_packet(first, b"<second/>")
    assert find_packet(second) == b"<second/>"
    assert second == put_packet(PICTURES[name], b"<second/>")


async def test_what_the_photographer_said_stays(shelf: Shelf, tmp_path: Path) -> None:
    """Rating, rights, source and keywords of a picture's own XMP are kept; bibs come to the keywords, once each."""
    body = put_packet(picture(), LIGHTROOM_PACKET)
    place, *_ = await shelf.store([with_name(1, "1.jpg", bibs=BIBS)], {"1.jpg": body})
    export(shelf, "embedded", tmp_path)
    (tags,) = exiftool(tmp_path / place.relative_to(shelf.root))
    assert (tags["XMP-xmp:Rating"], tags["XMP-dc:Rights"], tags["XMP-dc:Source"]) == (4, "(c) Ann", "card 7")
    assert tags["XMP-dc:Subject"] == ["finish", "bib 1179", "bib 0117"]
    assert tags["XMP-digiKam:TagsList"] == ["bib/1179", "bib/0117"]
    assert tags["XMP-mirror:PhotoId"] == 1
    assert export(shelf, "embedded", tmp_path).unchanged == 1


def test_merging_twice_says_everything_once() -> None:
    """A picture that went through an archive before holds today's facts alone."""
    facts = [
        Property(namespace=DC, name="subject", kind="Bag", values=("bib 7",)),
        Property(namespace=OURS, name="photoId", kind="", values=("7",)),
    ]
    once = merged(LIGHTROOM_PACKET, facts)
    twice = merged(once, facts)
    assert (is_ours(once), is_ours(twice)) == (True, True)
    assert twice.count(b"bib 7<") == twice.count(b"<mirror:photoId>") == twice.count(b"<mirror:seal>") == 1


@pytest.mark.parametrize(
    "broken",
    [
        b"<x", b"", b"<a/>", b"\xff\xfe\x00",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>',
    ],
)  # fmt: skip
async def test_picture_whose_own_xmp_cannot_be_read_gets_a_sidecar(shelf: Shelf, tmp_path: Path, broken: bytes) -> None:
    """The copy is the picture, byte for byte, and what we say lies beside it."""
    body = put_packet(picture(), broken)
    await shelf.store([with_name(1, "1.jpg")], {"1.jpg": body})
    done = export(shelf, "embedded", tmp_path / "out")
    copy, sidecar = found(tmp_path / "out", "1_*")
    assert (done.beside, copy.read_bytes(), is_ours(sidecar.read_bytes())) == (1, body, True)


async def test_format_without_a_place_gets_a_copy_and_a_sidecar(shelf: Shelf, tmp_path: Path) -> None:
    """As sidecar programs want it; the second time nothing is written."""
    body = picture("GIF")
    await shelf.store([with_name(1, "1.gif")], {"1.gif": body})
    done = export(shelf, "embedded", tmp_path / "out")
    assert (done.beside, sorted(name.rpartition("/")[2] for name in tree(tmp_path / "out"))) == (
        1, ["1_IMG_1.gif", "1_IMG_1.gif.xmp"],
    )  # fmt: skip
    assert export(shelf, "embedded", tmp_path / "out").files == 0


@pytest.mark.parametrize("edit", ["retagged", "repainted"])
async def test_copy_that_was_edited_is_left_alone(shelf: Shelf, tmp_path: Path, edit: str) -> None:
    """Lightroom writes into the copy: from then on it is its."""
    place, *_ = await shelf.store([with_name(1, "1.jpg")])
    export(shelf, "embedded", tmp_path)
    copy = tmp_path / place.relative_to(shelf.root)
    body = put_packet(copy.read_bytes(), LIGHTROOM_PACKET) if edit == "retagged" else picture(size=(9, 9))
    copy.write_bytes(body)
    await shelf.store([with_name(1, "1.jpg", bibs=("13",))])
    done = export(shelf, "embedded", tmp_path)
    assert (done.left, copy.read_bytes()) == ((str(copy),), body)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\xff\xff", PICTURES["jpg"][:30], PICTURES["png"][:60],
     PICTURES["webp"][:15], b"RIFF\x10\0\0\0WEBPVP8 \x04\0\0\0abcd", b"RIFF\4\0\0\0WEBP", b"\x89PNG\r\n\x1a\n"],
)  # fmt: skip
def test_damaged_picture_takes_no_packet(body: bytes) -> None:
    """It is refused in words, not by a crash."""
    with pytest.raises(NoPlaceError):
        put_packet(body, b"<x/>")


def test_packet_too_long_for_a_jpeg_is_refused() -> None:
    """A segment holds 64 KiB."""
    with pytest.raises(NoPlaceError, match="too long"):
        put_packet(picture(), b"x" * 65536)


def test_seal_shows_every_changed_byte() -> None:
    """Also a byte of the seal itself."""
    body = packet([Property(namespace=DC, name="source", kind="", values=("x",))])
    assert is_ours(body)
    for at in range(len(body)):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        assert not is_ours(changed)
    assert not is_ours(b"")
