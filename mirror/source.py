"""The site's API: addresses, credentials, errors, paging."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from mirror.credentials import Credentials
from mirror.errors import AccessError, FetchError, PayloadError, ThrottledError, UnreachableError
from mirror.model import Album, Page, Race, Scope
from mirror.records import Entity, parse_albums, parse_entity, parse_page, parse_race, parse_races
from mirror.retry import RetryPolicy, call_with_retry
from mirror.transport import Answer, Transport

log = logging.getLogger(__name__)
T = TypeVar("T")

_PHOTOS = "/v2/photos/get-race-photos.json"
_ALBUMS = "/v2/photos/get-race-photo-albums.json"
_ENTITY = "/v2/auth-info/entity-info.json"
_EARLY = "1970-01-01"
_LONGEST_MESSAGE = 300

_ENDS_RUN = {6, 13, 17}
_TRY_AGAIN = {4, 5}
_THROTTLED = 14
_ADVICE = {
    1: "check api.base_url",
    6: "check the API key and secret",
    7: "the key may belong to another race: 'mirror check' says which",
    13: "this kind of credentials does not fit: use an API key with its secret",
    15: "check the race and race day ids: 'mirror races' lists them",
    17: "check the API caller registration (api.registration_id and its secret)",
    201: "check the race id: 'mirror races' finds it",
}


def cleaned(text: object) -> str:
    """Make foreign text fit for a terminal: printable, one line, short."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())[:_LONGEST_MESSAGE]


def _service_error(answer: Answer, error: object) -> Exception:
    """Sort an ``error`` member, object or text, by its consequence."""
    raw = error.get("error_code") if isinstance(error, dict) else None
    code = int(raw) if isinstance(raw, int | str) and str(raw).isdigit() else None
    text = error.get("error_msg", "no message") if isinstance(error, dict) else error
    said = f'the API says "{cleaned(text)}"' + (f" (code {code})" if code is not None else "")
    if code == _THROTTLED:
        return ThrottledError(said, status=answer.status, retry_after_s=answer.retry_after_s)
    if code in _TRY_AGAIN:
        return PayloadError(said, status=answer.status)
    advice = f": {_ADVICE[code]}" if code in _ADVICE else ""
    return AccessError(said + advice, code=code, ends_run=code in _ENDS_RUN)


def _status_error(answer: Answer) -> Exception | None:
    """Sort an answer without a usable body by its status."""
    status = answer.status
    if 300 <= status < 400:
        target = f" to {cleaned(answer.location)}" if answer.location else ""
        return AccessError(f"the API redirects{target}; redirects are not followed, check api.base_url", ends_run=True)
    if status in {429, 503}:
        return ThrottledError(f"the API is busy (HTTP {status})", status=status, retry_after_s=answer.retry_after_s)
    if status == 408 or status >= 500:
        return UnreachableError(f"the API has trouble (HTTP {status})", status=status)
    if status >= 400:
        return AccessError(f"the API refuses (HTTP {status}): check api.base_url and the credentials")
    return None


def _looks_like(body: bytes) -> str:
    start = body[:200].lstrip().lower()
    if not start:
        return "an empty body"
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    return "XML" if start.startswith(b"<") else "broken JSON"


def judge(answer: Answer) -> object:
    """Read an answer's body before its status, and return the JSON in it.

    Raises:
        FetchError: Worth another try: throttled, trouble at the source, no JSON.
        AccessError: The API refuses.
    """
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise _status_error(answer) or PayloadError(
            f"the API answered with {_looks_like(answer.body)}, expected JSON", status=answer.status
        ) from None
    if isinstance(data, dict) and data.get("error"):
        raise _service_error(answer, data["error"])
    if error := _status_error(answer):
        raise error
    return data


@dataclass(slots=True, kw_only=True)
class Source:
    """The API of one site; at most two calls are in flight over everything.

    Args:
        base_url: Such as ``https://runsignup.com/rest``.
        on_retry: Told of each failed try: the error, the tries so far, the seconds until the next.
        on_answer: Told of each good answer.
    Raises (every method):
        AccessError: The API refuses, or goes on failing after all tries.
    """

    transport: Transport
    base_url: str
    credentials: Credentials
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    page_size: int = 100
    on_retry: Callable[[FetchError, int, float], None] | None = None
    on_answer: Callable[[], None] | None = None
    _is_down: bool = field(default=False, init=False)
    """Whether the last call got no answer in all its tries: then each further call gets one, until one is answered."""

    async def photos(
        self, race_id: int, race_day_id: int, number: int, *, scope: Scope, album_id: str | None, since_ts: int | None
    ) -> Page:
        """Ask for one page of a race day's listing.

        An answer that holds neither photos nor an error is asked for once more; if it stays so, the page
        comes back empty and ``is_doubtful``.
        """
        params = {
            **self._day(race_id, race_day_id),
            "page": str(number),
            "num": str(self.page_size),
            "include_participant_uploads": "T" if scope.participant_uploads else "F",
        }
        if since_ts is not None:
            params["uploaded_since_timestamp"] = str(since_ts)
        if album_id is not None:
            params["generic_photo_album_id"] = album_id

        def parse(data: object, answer: Answer) -> Page:
            return parse_page(data, number=number, served_ts=answer.served_ts)

        page = await self._ask(_PHOTOS, params, parse)
        if page.is_doubtful:
            await asyncio.sleep(self.retry.wait_s(1, None))
            page = await self._ask(_PHOTOS, params, parse)
        log.info("race %s day %s page %s: %s rows", race_id, race_day_id, number, page.rows)
        return page

    async def albums(self, race_id: int, race_day_id: int) -> tuple[Album, ...]:
        """Ask for the albums of a race day with their counts and stamps."""
        return await self._ask(_ALBUMS, self._day(race_id, race_day_id), lambda data, _: parse_albums(data))

    async def race(self, race_id: int) -> Race:
        """Ask for a race and all its race days, past ones included."""
        return await self._ask(f"/race/{race_id}", {"format": "json"}, lambda data, _: parse_race(data))

    async def find_races(self, name: str, *, is_public: bool = True) -> tuple[Race, ...]:
        """Search races by name, past ones included.

        Args:
            is_public: Search all public races; otherwise those of the key's account alone.
        """
        params = {
            "format": "json", "name": name, "start_date": _EARLY, "include_event_days": "T", "results_per_page": "200",
        }  # fmt: skip
        return await self._ask("/races", params, lambda data, _: parse_races(data), is_public=is_public)

    async def entity(self) -> Entity:
        """Ask what the API key belongs to."""
        return await self._ask(_ENTITY, {"format": "json"}, lambda data, _: parse_entity(data))

    @staticmethod
    def _day(race_id: int, race_day_id: int) -> dict[str, str]:
        return {"race_id": str(race_id), "race_event_days_id": str(race_day_id), "format": "json"}

    async def _ask(
        self, path: str, params: Mapping[str, str], parse: Callable[[Any, Answer], T], *, is_public: bool = False
    ) -> T:
        keys = self.credentials.registration_only() if is_public else self.credentials
        url = self.base_url.rstrip("/") + path

        async def once() -> T:
            answer = await self.transport.ask_api(url, params={**params, **keys.query}, headers=keys.headers)
            try:
                return parse(judge(answer), answer)
            except ThrottledError as error:
                # Everybody waits: a second call in flight would only be refused as well.
                wait_s, is_final = (
                    self.retry.wait_s(1, error.retry_after_s),
                    self.retry.is_too_long(error.retry_after_s),
                )
                self.transport.hold_api(wait_s, is_final=is_final)
                raise

        retry = replace(self.retry, attempts=1) if self._is_down else self.retry
        try:
            result = await call_with_retry(once, retry, on_retry=self.on_retry)
        except FetchError as error:
            self._is_down = isinstance(error, UnreachableError)
            tried = ", after all tries" if error.transient else ""
            raise AccessError(f"{path}: {error.message}{tried}") from error
        self._is_down = False
        if self.on_answer is not None:
            self.on_answer()
        return result
