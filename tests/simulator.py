"""A real HTTP service on loopback with a race in memory, faults scripted by address, and a log of requests.

    async with SourceSimulator(photos=12) as source:
        source.fault("thumbs", status=503, times=2)
        report = await run_sync(source.config(tmp_path))
        assert source.pictures_asked("thumbs") == 14

It builds on the demo's service; its pictures are tiny and quick.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from mirror.config import Config, load_config
from mirror.demo import DemoRace, DemoService, Request
from mirror.demo.drawing import tiny_picture, with_comment

ALWAYS = 10**6
"""So often that it does not end."""
ALBUMS, PAGES = "get-race-photo-albums.json", "get-race-photos.json"
"""The calls of the API that a pass makes."""
PICTURES = "demo-photos"
"""In the path of every picture."""

Answer = Callable[[web.Request, web.Response], Awaitable[web.StreamResponse]]
"""Makes a bad answer out of the honest one."""


class SmallRace(DemoRace):
    """The demo's race with pictures that cost nothing; every variant of every version has bytes of its own."""

    def picture(self, path: str) -> bytes | None:
        """The bytes under an address."""
        _, prefix, file = path.strip("/").split("/")
        name = file.removesuffix(".jpg")
        photo = next((each for each in self.photos.values() if each.name == name), None)
        if photo is None:
            return None
        return with_comment(tiny_picture(), f"{photo.photo_id} {prefix} {photo.version}")


@dataclass
class Fault:
    """What happens to requests whose path contains some text, so many times.

    Args:
        page: Only requests for this page of a listing.
        does: Whatever else a server can do.
        body: What is answered; the picture itself where none is given but something is done to it.
        change: Makes other bytes of them.
        cut_after: The connection is reset after so many bytes of what was promised.
        stall_after: Silence after so many bytes of it.
        stalls: Silence before the first byte.
    """

    path_contains: str
    times: int
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    change: Callable[[bytes], bytes] | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    stalls: bool = False
    page: int | None = None
    does: Answer | None = None

    def is_for(self, seen: Request) -> bool:
        """Whether a request meets it."""
        page_fits = self.page is None or seen.query.get("page") == str(self.page)
        return self.times > 0 and self.path_contains in seen.path and page_fits

    @property
    def needs_picture(self) -> bool:
        """Whether it is the picture itself that something is done to."""
        is_done = self.change is not None or self.cut_after is not None or self.stall_after is not None
        return self.body is None and is_done

    async def answer(self, request: web.Request, body: bytes | None) -> web.StreamResponse:
        """Do it to a body."""
        if self.stalls:
            await _silence(request)
        if self.change is not None:
            body = self.change(body or b"")
        if (self.cut_after is None and self.stall_after is None) or body is None:
            return web.Response(status=self.status, body=body, headers=self.headers)
        response = web.StreamResponse(headers={"Content-Length": str(len(body)), **self.headers})
        await response.prepare(request)
        await response.write(body[: self.cut_after if self.stall_after is None else self.stall_after])
        if self.stall_after is not None:
            await _silence(request)
        if request.transport is not None:
            request.transport.abort()
        return response


async def _silence(request: web.Request) -> None:
    """Say nothing until the client has left: a request that nobody waits for is none in flight."""
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.02)


class SourceSimulator(DemoService):
    """A small race, its faults, and what was asked of it."""

    def __init__(self, *, photos: int = 12, **more: Any) -> None:
        super().__init__(SmallRace(photos=photos), hook=self._fault_for, **more)
        self.faults: list[Fault] = []
        self.on_request: Callable[[Request], None] = lambda _: None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def _fault_for(self, seen: Request, request: web.Request) -> web.StreamResponse | None:
        self.on_request(seen)
        for fault in self.faults:
            if fault.is_for(seen):
                fault.times -= 1
                if fault.does is not None:
                    return await fault.does(request, await self.honest(seen, request))
                return await fault.answer(request, self.race.picture(seen.path) if fault.needs_picture else fault.body)
        return None

    async def honest(self, seen: Request, request: web.Request) -> web.Response:
        """What is answered when nothing goes wrong."""
        answer = await (self._api(request) if seen.is_api else self._photo(request))
        assert isinstance(answer, web.Response)
        return answer

    def fault(self, path_contains: str, *, times: int = 1, **what: Any) -> None:
        """Script a fault for the next requests to an address."""
        self.faults.append(Fault(path_contains=path_contains, times=times, **what))

    def api_requests(self, text: str = "") -> int:
        """How many API calls were made to paths with some text in them."""
        return sum(each.is_api and text in each.path for each in self.requests)

    def pictures_asked(self, text: str = "") -> int:
        """How many pictures were asked for under paths with some text in them."""
        return sum(not each.is_api and text in each.path for each in self.requests)

    async def until_asked(self, pictures: int) -> None:
        """Wait until so many pictures were asked for."""
        reached = asyncio.Event()

        def on_request(_: Request) -> None:
            if self.pictures_asked() >= pictures:
                reached.set()

        self.on_request = on_request
        await asyncio.wait_for(reached.wait(), 120)

    def config(self, folder: Path, **more: str) -> Config:
        """A configuration for this race; further settings as environment variables: ``DOWNLOAD__ATTEMPTS="1"``."""
        file = folder / "mirror.toml"
        file.write_text(self.config_text())
        file.chmod(0o600)
        return load_config(file, environ={f"MIRROR_{name}": value for name, value in more.items()})

    def config_text(self) -> str:
        """The same as text."""
        return (
            f'[api]\nbase_url = "{self.base_url}"\nkey = "{self.api_key}"\nsecret = "{self.api_secret}"\n'
            '[archive]\nroot = "photos"\nmin_free = "1MB"\n'
            '[download]\nallowed_hosts = ["127.0.0.1"]\nallow_http = true\nallow_private = true\n'
            'first_wait = "1ms"\nlongest_wait = "5ms"\ngroup_wait = "20ms"\n'
            f'[[races]]\nrace = "{self.race.race_id}"\ndays = [34168]\n'
        )
