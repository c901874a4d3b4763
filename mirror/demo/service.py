"""The service: the API under /rest on one port, the photo host on another, both on loopback."""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from typing import Any, Self

from aiohttp import web

from mirror.demo.race import DemoRace

_DEFAULT_ROWS, _MOST_ROWS = 100, 250
_API_CALLS_AT_ONCE = 2
_FOREIGN_HEADERS = ("Authorization", "Cookie", "Referer", "X-RSU-API-SECRET", "X-RSU-API-REG-SECRET")

Hook = Callable[["Request", web.Request], Awaitable[web.StreamResponse | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came in."""

    at: float
    is_api: bool
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)


def _error(code: int, text: str, status: int = 200) -> web.Response:
    return web.json_response({"error": {"error_code": code, "error_msg": text}}, status=status)


class DemoService:
    """A RunSignup-like service on loopback; use it with ``async with``.

    Args:
        race: What it shows; change it while the service runs.
        port: The API's port; 0 takes a free one.
        most_rows: Pages asked for with more rows than this get the default of 100.
        hook: Looks at each request first and may answer it, which is how tests make faults.
    """

    def __init__(
        self, race: DemoRace | None = None, *, port: int = 0, most_rows: int = _MOST_ROWS, hook: Hook | None = None,
        needs_registration: bool = False,
    ) -> None:  # fmt: skip
        self.race = race or DemoRace()
        self.api_key = "demo-key"
        self.api_secret = "demo-secret-7f3a9c"  # noqa: S105 - opens nothing but this demo
        self.registration = ("1.demo", "demo-registration-51be")
        self.hook = hook
        self.most_rows = most_rows
        self.needs_registration = needs_registration
        self.requests: list[Request] = []
        self.keeps_log = True
        self.most_api_calls = self.most_image_requests = 0
        self.image_requests = 0
        self._now = {True: 0, False: 0}
        self._port = port
        self._runners: list[web.AppRunner] = []
        self.base_url = self.image_origin = ""

    @property
    def race_url(self) -> str:
        """The race's address, as people paste it."""
        return f"https://runsignup.com/Race/{self.race.slug}"

    async def __aenter__(self) -> Self:
        api, photos = web.Application(), web.Application()
        api.router.add_get("/{path:.*}", partial(self._answer, True, self._api))
        photos.router.add_get("/{path:.*}", partial(self._answer, False, self._photo))
        ports = []
        for app, port in ((api, self._port), (photos, 0)):
            runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", port)
            await site.start()
            self._runners.append(runner)
            ports.append(runner.addresses[0][1])
        self.base_url = f"http://127.0.0.1:{ports[0]}/rest"
        self.image_origin = f"http://127.0.0.1:{ports[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for runner in self._runners:
            await runner.cleanup()

    async def _answer(
        self, is_api: bool, handler: Callable[[web.Request], Awaitable[web.StreamResponse]], request: web.Request
    ) -> web.StreamResponse:
        seen = Request(
            at=time.monotonic(), is_api=is_api, path=request.path,
            query=dict(request.query), headers=dict(request.headers),
        )  # fmt: skip
        if self.keeps_log:
            self.requests.append(seen)
        self.image_requests += not is_api
        self._now[is_api] += 1
        self.most_api_calls = max(self.most_api_calls, self._now[True])
        self.most_image_requests = max(self.most_image_requests, self._now[False])
        try:
            if is_api and self._now[True] > _API_CALLS_AT_ONCE:
                return _error(14, "Request throttled")
            if self.hook is not None and (answer := await self.hook(seen, request)) is not None:
                return answer
            return await handler(request)
        finally:
            self._now[is_api] -= 1

    # -- the API ------------------------------------------------------------------------------------------------

    def _refusal(self, request: web.Request) -> web.Response | None:
        query, headers = request.query, request.headers
        given = query.get("rsu_api_reg"), headers.get("X-RSU-API-REG-SECRET")
        if (any(given) or self.needs_registration) and given != self.registration:
            return _error(17, "Invalid API caller credentials.", 400)
        if headers.get("Authorization") == f"Bearer {self.api_secret}":
            return None
        if "rsu_api_key" not in query and "api_key" not in query:
            return _error(7, "Permission Denied")
        pairs = (
            (query.get("rsu_api_key"), headers.get("X-RSU-API-SECRET")),
            (query.get("api_key"), query.get("api_secret")),
        )
        return None if (self.api_key, self.api_secret) in pairs else _error(6, "Key authentication failed")

    async def _api(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lower().removeprefix("/rest")
        if path == "/races":
            return self._json(
                {"races": [{"race": self._race()}] if self._is_found(request.query.get("name", "")) else []}
            )
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if path == "/v2/auth-info/entity-info.json":
            return self._json({
                "generic_entity_id": 70012, "entity_type": "race", "entity_name": self.race.name,
                "entity_specific_id": self.race.race_id,
            })  # fmt: skip
        if path.startswith("/race/"):
            return (
                self._json({"race": self._race()})
                if path[6:] == str(self.race.race_id)
                else _error(201, "Race not found")
            )
        if request.query.get("race_id") != str(self.race.race_id):
            return _error(7, "Permission Denied")
        day = request.query.get("race_event_days_id", "")
        if not day.isdigit() or int(day) not in self.race.days:
            return _error(15, "Invalid id")
        if path == "/v2/photos/get-race-photo-albums.json":
            return self._json({"albums": list(self.race.albums(int(day)))})
        if path == "/v2/photos/get-race-photos.json":
            return self._page(int(day), request)
        return _error(1, "Unknown method")

    def _page(self, day: int, request: web.Request) -> web.Response:
        query = request.query
        num = int(query.get("num", _DEFAULT_ROWS))
        # As a sibling endpoint documents: a value out of range silently becomes the default.
        size = num if 1 <= num <= self.most_rows else min(_DEFAULT_ROWS, self.most_rows)
        start = (int(query.get("page", 1)) - 1) * size
        since = query.get("uploaded_since_timestamp")
        rows = self.race.rows(
            day, start, size, self.image_origin,
            album_id=query.get("generic_photo_album_id"), since_ts=int(since) if since else None,
            participants=query.get("include_participant_uploads", "T") == "T",
        )  # fmt: skip
        return self._json({"photos": rows})

    def _race(self) -> dict[str, Any]:
        race = self.race
        events = [
            {
                "event_id": number,
                "race_event_days_id": day,
                "name": name,
                "start_time": f"{date} {hour}",
                "end_time": None,
            }
            for number, (day, date, name, hour) in enumerate(
                (day, date, name, hour)
                for day, date in race.days.items()
                for name, hour in (("10K", "08:00"), ("5K", "09:00"))
            )
        ]
        return {"race_id": race.race_id, "name": race.name, "url": self.race_url, "timezone": "America/New_York",
                "next_date": None, "events": events}  # fmt: skip

    def _is_found(self, name: str) -> bool:
        return all(word in self.race.name.lower().replace(" ", "") for word in name.lower().split())

    @staticmethod
    def _json(data: dict[str, Any]) -> web.Response:
        text = json.dumps(data).replace("/", "\\/")
        return web.Response(text=text, content_type="application/json", headers={"Date": formatdate(usegmt=True)})

    # -- the photo host -----------------------------------------------------------------------------------------

    async def _photo(self, request: web.Request) -> web.StreamResponse:
        if any(name in request.headers for name in _FOREIGN_HEADERS) or "rsu_api_key" in request.query_string:
            return web.Response(
                status=400, text="<Error><Code>InvalidArgument</Code></Error>", content_type="application/xml"
            )
        body = await asyncio.to_thread(self.race.picture, request.path)
        if body is None:
            return web.Response(
                status=403, text="<Error><Code>AccessDenied</Code></Error>", content_type="application/xml"
            )
        return self.picture_answer(request, body)

    @staticmethod
    def picture_answer(request: web.Request, body: bytes) -> web.Response:
        """Answer with a picture as S3 does: ETag, ranges, conditions."""
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "image/jpeg",
                   "Last-Modified": formatdate(1_779_000_000, usegmt=True)}  # fmt: skip
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        start = request.headers.get("Range", "").removeprefix("bytes=").removesuffix("-")
        if start.isdigit() and request.headers.get("If-Range", etag) == etag:
            if int(start) >= len(body):
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return web.Response(status=206, body=body[int(start) :], headers=headers)
        return web.Response(body=body, headers=headers)
