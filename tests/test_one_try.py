"""One try at one asset: what is held in memory, and what survives a body that breaks off."""

import hashlib
from pathlib import Path

import pytest

from mirror.archive import LocalArchive
from mirror.errors import TruncatedError
from mirror.model import Job
from mirror.one_try import fetch_asset
from mirror.transport.room import Room
from tests.wire import Request, Wire, always, answer, open_transport, raw_server

_ETAG = '"of-this-version"'
_SIZE = 3_000_000


def _picture() -> bytes:
    """A JPEG of 3 MB: a real head, coded data without markers, and the end marker."""
    frame = b"\xff\xc0\x00\x0b\x08\x00\x40\x00\x40\x01\x01\x11\x00"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    head = b"\xff\xd8" + frame + scan
    return head + b"\x5a" * (_SIZE - len(head) - 2) + b"\xff\xd9"


def _job(url: str) -> Job:
    return Job(
        asset_id=1, wanted_no=1, race_id=48211, race_day_id=34168, photo_id=900101, variant="original", url=url,
        host="127.0.0.1",
    )  # fmt: skip


async def test_body_that_broke_off_in_memory_is_gone_on_with(tmp_path: Path) -> None:
    """What came of a held body goes into its draft, and the next try asks for the rest alone."""
    body = _picture()
    asked: list[str] = []

    async def handler(request: Request, wire: Wire) -> None:
        asked.append(request.headers.get("range", ""))
        whole = answer(body, ETag=_ETAG, Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")
        if len(asked) == 1:
            await wire.send(whole[: len(whole) - 1_000_000])
            wire.close()
            return
        start = int(asked[-1].removeprefix("bytes=").rstrip("-"))
        part = answer(
            body[start:], status="206 Partial Content", ETag=_ETAG,
            Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}",
        )  # fmt: skip
        await wire.send(part)

    archive = await LocalArchive.open(tmp_path / "photos", create=True, min_free_bytes=0)
    async with raw_server(handler) as server, open_transport() as transport:
        draft = await archive.open_draft(1, address="0123456789abcdef")
        labels: list[str | None] = []
        with pytest.raises(TruncatedError):
            await fetch_asset(_job(server.url()), transport, draft, on_etag=labels.append)
        assert (labels, draft.size_bytes, transport.room) == ([_ETAG], _SIZE - 1_000_000, Room(64 * 10**6))
        content = await fetch_asset(_job(server.url()), transport, draft, etag=_ETAG)
    await archive.aclose()
    assert asked == ["", f"bytes={_SIZE - 1_000_000}-"]
    assert (content.size_bytes, content.sha256) == (_SIZE, hashlib.sha256(body).digest())


@pytest.mark.parametrize("free_bytes", [0, 10 * _SIZE])
async def test_body_is_the_same_whether_there_is_room_for_it_or_not(tmp_path: Path, free_bytes: int) -> None:
    """Without room in memory a body goes to the disk piece by piece; room that was taken is given back."""
    body = _picture()
    archive = await LocalArchive.open(tmp_path / "photos", create=True, min_free_bytes=0)
    async with raw_server(always(answer(body, ETag=_ETAG))) as server, open_transport() as transport:
        transport.room = Room(free_bytes)
        draft = await archive.open_draft(1, address="0123456789abcdef")
        content = await fetch_asset(_job(server.url()), transport, draft)
    await archive.aclose()
    stored = tmp_path / "photos" / ".mirror" / "drafts" / draft.name
    assert stored.read_bytes() == body
    assert (content.sha256, transport.room) == (hashlib.sha256(body).digest(), Room(free_bytes))
