"""Odd answers of the API are read as what they mean; an error is never taken for 'no photos'."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.credentials import Credentials
from mirror.errors import AccessError, MirrorError, PayloadError, ThrottledError, UnreachableError
from mirror.model import Scope
from mirror.race_ref import parse_race_ref, same_race
from mirror.records import parse_albums, parse_entity, parse_page, parse_race, parse_races, variants_of
from mirror.retry import RetryPolicy
from mirror.source import Source, judge
from mirror.transport import Answer

SECRET = "s3cret-value"


def record(**fields: Any) -> dict[str, Any]:
    """A photo record as the documentation shows it, with some fields changed."""
    image = {"image_url": "https://b.s3.amazonaws.com/x/1.jpg", "height": 10, "width": 20}
    return {
        "photo_id": 900101, "album_id": 311, "race_event_days_id": 34168, "bibs": [12, 407],
        "original": image, "large": image, "thumbnail": image,
        "uploaded_filename": "IMG_0001.JPG", "uploaded_ts": 1730000000,
    } | fields  # fmt: skip


def page_of(*records: Any) -> Any:
    """Parse one answer with these records."""
    return parse_page({"photos": list(records)}, number=1, served_ts=None)


def test_photo_is_read_with_all_its_parts() -> None:
    """The documented record comes out whole, its JSON with it."""
    photo = page_of(record(extra={"new": 1})).photos[0]
    assert (photo.photo_id, photo.album_id, photo.race_day_id, photo.bibs) == (900101, "311", 34168, ("12", "407"))
    assert [variant.name for variant in photo.variants] == ["original", "large", "thumbnail"]
    assert json.loads(photo.json)["extra"] == {"new": 1}
    assert variants_of(photo.json) == photo.variants


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([12, "407"], ("12", "407")), ([], ()), (None, ()), ({"0": 5, "1": "A7"}, ("5", "A7")), ([7, "7", 7], ("7",)),
        (["007"], ("007",)), ([12.0], ("12",)), ("12, 13", ("12", "13")), (9, ("9",)), ([None, [], True], ()),
    ],
)  # fmt: skip
def test_bibs_are_text_in_order_without_repeats(given: object, expected: tuple[str, ...]) -> None:
    """Numbers, text, odd containers: every bib is text, leading zeros stay."""
    assert page_of(record(bibs=given)).photos[0].bibs == expected


@pytest.mark.parametrize("photo_id", [None, "", "abc", 0, -1, True, [], {}, 2**70])
def test_record_without_usable_id_harms_no_other(photo_id: object) -> None:
    """It is named as a reject; the others are read."""
    page = page_of(record(photo_id=photo_id), record(photo_id="17"))
    assert [photo.photo_id for photo in page.photos] == [17]
    assert page.rejects[0].reason == "record without a photo_id"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "data:image/png;base64,AA", "ftp://x/y", "//x/y", "https://", "https://a b/c\n", "x"]
)
def test_unusable_url_costs_that_variant_only(url: str) -> None:
    """The other variants of the photo are offered all the same."""
    page = page_of(record(large={"image_url": url}))
    assert [variant.name for variant in page.photos[0].variants] == ["original", "thumbnail"]
    assert [(reject.photo_id, reject.variant) for reject in page.rejects] == [(900101, "large")]


@pytest.mark.parametrize("missing", [None, {}, "", [], {"image_url": None}])
def test_variant_that_is_not_offered_is_no_failure(missing: object) -> None:
    """Null, absent or empty: not offered, and no reject."""
    page = page_of(record(original=missing))
    assert [variant.name for variant in page.photos[0].variants] == ["large", "thumbnail"]
    assert page.rejects == ()


def test_text_that_no_store_can_hold_is_mended() -> None:
    """A lone surrogate or a NUL in a name does not end the run."""
    name = page_of(record(uploaded_filename="a\ud800\0b.jpg")).photos[0].uploaded_filename
    assert name == "a?b.jpg"
    name.encode()


@pytest.mark.parametrize("answer", [{"photos": []}, {"photos": None}, {"photos": {}}])
def test_empty_list_is_the_end(answer: object) -> None:
    """Documented and PHP's own forms of an empty list."""
    page = parse_page(answer, number=1, served_ts=None)
    assert (page.rows, page.is_doubtful) == (0, False)


@pytest.mark.parametrize("answer", [{}, []])
def test_empty_object_is_doubtful(answer: object) -> None:
    """An answer with nothing in it may be an end or a hiccup."""
    assert parse_page(answer, number=1, served_ts=None).is_doubtful


@pytest.mark.parametrize("answer", [{"albums": []}, [1], "text", 5, None, {"photos": "x"}, {"photos": 3}])
def test_answer_without_photos_is_a_fault(answer: object) -> None:
    """Never 'no photos'."""
    with pytest.raises(PayloadError):
        parse_page(answer, number=1, served_ts=None)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["photos", "photo_id", "bibs", "original", "image_url", "album_id", "uploaded_ts"]), inner
    ), max_leaves=25,
))  # fmt: skip
def test_any_json_gives_a_page_or_a_named_fault(answer: object) -> None:
    """No shape of JSON ends in anything but a page or our own error."""
    try:
        page = parse_page(answer, number=1, served_ts=None)
    except MirrorError:
        return
    assert all(photo.photo_id > 0 for photo in page.photos)


def answered(body: object, status: int = 200, **more: Any) -> Answer:
    """An answer with JSON or plain bytes in it."""
    return Answer(status=status, body=body if isinstance(body, bytes) else json.dumps(body).encode(), **more)


def error(code: object) -> dict[str, Any]:
    """The service's error object."""
    return {"error": {"error_code": code, "error_msg": "Said\x1b[2J so"}}


@pytest.mark.parametrize(
    ("answer", "expected", "ends_run"),
    [
        (answered(error(6)), AccessError, True), (answered(error("17"), 400), AccessError, True),
        (answered(error(13)), AccessError, True), (answered(error(7)), AccessError, False),
        (answered(error(15)), AccessError, False), (answered(error(201)), AccessError, False),
        (answered(error(999)), AccessError, False), (answered({"error": "invalid_client"}, 401), AccessError, False),
        (answered(error(14)), ThrottledError, None), (answered(error(4)), PayloadError, None),
        (answered(error(5)), PayloadError, None), (answered(b"", 429), ThrottledError, None),
        (answered(b"<html>", 503), ThrottledError, None), (answered(b"<html>", 522), UnreachableError, None),
        (answered(b"", 500), UnreachableError, None), (answered(b"<!DOCTYPE html>x"), PayloadError, None),
        (answered(b'{"photos": [{"pho'), PayloadError, None), (answered(b"", 302), AccessError, True),
        (answered(b"<error/>"), PayloadError, None), (answered(b"[" * 100_000), PayloadError, None),
    ],
)  # fmt: skip
def test_body_is_judged_before_the_status(answer: Answer, expected: type[Exception], ends_run: bool | None) -> None:
    """Errors come under 200 and under 400; each has its own consequence."""
    with pytest.raises(expected) as caught:
        judge(answer)
    if isinstance(caught.value, AccessError):
        assert caught.value.ends_run == ends_run
    assert "\x1b" not in str(caught.value)


@dataclass
class Wire:
    """A transport whose answers are given, in order; the last one stays."""

    answers: list[Answer]
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    held_s: float = 0.0

    async def ask_api(self, url: str, *, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Give the next answer."""
        self.asked.append((url, dict(params), dict(headers)))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def hold_api(self, seconds: float, *, is_final: bool = False) -> None:
        """Remember a hold."""
        self.held_s += seconds


def source_of(*answers: Answer, **more: Any) -> tuple[Source, Wire]:
    """A source over given answers, which never pauses for long."""
    wire = Wire(list(answers))
    policy = RetryPolicy(attempts=3, first_wait_s=0.0)
    credentials = Credentials(key="k", secret=SECRET, registration_id="1.t", registration_secret="r")
    return Source(
        transport=wire, base_url="https://x/rest", credentials=credentials, retry=policy, **more  # type: ignore[arg-type]
    ), wire  # fmt: skip


async def ask(source: Source) -> Any:
    """Ask for the first page."""
    return await source.photos(1, 2, 1, scope=Scope(participant_uploads=False), album_id="reg-2", since_ts=5)


async def test_page_call_carries_what_the_documentation_names() -> None:
    """Parameters in the query, secrets in headers."""
    source, wire = source_of(answered({"photos": [record()]}))
    assert len((await ask(source)).photos) == 1
    url, params, headers = wire.asked[0]
    assert url == "https://x/rest/v2/photos/get-race-photos.json"
    assert params == {
        "race_id": "1", "race_event_days_id": "2", "format": "json", "page": "1", "num": "100",
        "include_participant_uploads": "F", "uploaded_since_timestamp": "5", "generic_photo_album_id": "reg-2",
        "rsu_api_key": "k", "rsu_api_reg": "1.t",
    }  # fmt: skip
    assert headers == {"X-RSU-API-SECRET": SECRET, "X-RSU-API-REG-SECRET": "r"}


async def test_throttled_call_holds_the_api_and_is_asked_again() -> None:
    """Code 14 is no failure while tries are left."""
    source, wire = source_of(answered(error(14)), answered({"photos": []}))
    assert (await ask(source)).rows == 0
    assert len(wire.asked) == 2


async def test_refused_key_is_asked_once() -> None:
    """What cannot change is not tried again."""
    source, wire = source_of(answered(error(6)))
    with pytest.raises(AccessError, match="check the API key") as caught:
        await ask(source)
    assert len(wire.asked) == 1
    assert caught.value.ends_run
    assert SECRET not in str(caught.value)


async def test_page_that_keeps_failing_ends_in_an_access_error() -> None:
    """Tries are bounded; afterwards the listing says that it is incomplete."""
    source, wire = source_of(answered(b"<html>"))
    with pytest.raises(AccessError, match="HTML page"):
        await ask(source)
    assert len(wire.asked) == 3


async def test_api_that_is_down_does_not_get_all_tries_for_every_race_day() -> None:
    """Once a call got no answer in all its tries, further ones are tried once, until one is answered."""
    trouble = answered(b"", 502)
    source, wire = source_of(trouble, trouble, trouble, trouble, trouble, answered({"photos": []}), trouble)
    for tries in (3, 1, 1):
        before = len(wire.asked)
        with pytest.raises(AccessError, match="trouble"):
            await ask(source)
        assert len(wire.asked) - before == tries
    await ask(source)
    with pytest.raises(AccessError, match="trouble"):
        await ask(source)
    assert len(wire.asked) == 3 + 1 + 1 + 1 + 3


async def test_doubtful_answer_is_asked_for_once_more() -> None:
    """A hiccup is gone the second time; an end stays."""
    source, _ = source_of(answered({}), answered({"photos": [record()]}))
    assert len((await ask(source)).photos) == 1
    source, wire = source_of(answered([]))
    assert (await ask(source)).is_doubtful
    assert len(wire.asked) == 2


async def test_public_search_leaves_the_key_at_home() -> None:
    """With a key the search shows only the account's own races; the registration goes along."""
    source, wire = source_of(answered({"races": [{"race": {"race_id": 5, "name": "X"}}]}))
    assert (await source.find_races("X"))[0].race_id == 5
    _, params, headers = wire.asked[0]
    assert "rsu_api_key" not in params
    assert headers == {"X-RSU-API-REG-SECRET": "r"}
    assert params["start_date"] < "1980"


def test_race_days_are_grouped_and_dated() -> None:
    """Events of one edition are one race day; dates are not zero-padded."""
    race = parse_race({"race": {"race_id": 1, "name": "R", "events": [
        {"race_event_days_id": 34168, "name": "10K", "start_time": "5/17/2025 08:00"},
        {"race_event_days_id": 34168, "name": "5K", "start_time": "5/16/2025 09:00"},
        {"race_event_days_id": "29930", "name": "10K", "start_time": "5/18/2024 08:00"},
        {"race_event_days_id": 5, "start_time": None}, {"name": "no day"}, None,
    ]}})  # fmt: skip
    assert [(day.race_day_id, str(day.starts_on), day.events) for day in race.days] == [
        (5, "None", ()), (29930, "2024-05-18", ("10K",)), (34168, "2025-05-16", ("10K", "5K")),
    ]  # fmt: skip


def test_race_without_events_is_read() -> None:
    """A race may have no events at all."""
    assert parse_race({"race": {"race_id": 1, "events": None}}).days == ()
    assert parse_races({"races": [{"race": {"name": "no id"}}, {"race": {"race_id": 2}}]})[0].race_id == 2


def test_albums_are_read_with_string_ids_and_without_stamps() -> None:
    """The participant album has a text id and no stamp."""
    albums = parse_albums({"albums": [
        {"album_id": 311, "album_name": "Finish", "last_modified_ts": 5, "num_photos": "12"},
        {"album_id": "reg-34168", "num_photos": 65}, {"album_name": "no id"},
    ]})  # fmt: skip
    assert [(a.album_id, a.last_modified_ts, a.num_photos) for a in albums] == [("311", 5, 12), ("reg-34168", None, 65)]


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: {"entity_info": e}])
def test_entity_is_read_bare_or_wrapped(wrap: Any) -> None:
    """Both shapes of the entity-info call occur."""
    entity = parse_entity(wrap({"entity_type": "race", "entity_name": "H", "entity_specific_id": 48211}))
    assert entity.entity_specific_id == 48211


@pytest.mark.parametrize(
    ("text", "race_id", "slug", "race_day_id"),
    [
        ("48211", 48211, None, None),
        ("https://runsignup.com/Race/NJ/Camden/Harbour10K", None, ("NJ", "Camden", "Harbour10K"), None),
        ("https://runsignup.com/Race/Photos/NJ/Camden/H?raceEventDaysId=5", None, ("NJ", "Camden", "H"), 5),
        ("http://runsignup.com/Race/Photos/Location/F/NJ/Camden/H", None, ("NJ", "Camden", "H"), None),
        ("https://runsignup.com/Race/Photos/ParticipantPhotos-34168/48211", 48211, None, 34168),
        ("runsignup.com/Race/Results/4711", 4711, None, None),
        ("https://givesignup.org/Race/Register/?raceId=99", 99, None, None),
    ],
)
def test_pasted_addresses_are_understood(
    text: str, race_id: int | None, slug: tuple[str, str, str] | None, race_day_id: int | None
) -> None:
    """Every form of race address that people paste."""
    ref = parse_race_ref(text)
    assert (ref.race_id, ref.slug, ref.race_day_id) == (race_id, slug, race_day_id)


@pytest.mark.parametrize("text", ["", "harbour", "https://example.com/", "-5", "0"])
def test_what_is_no_race_is_named(text: str) -> None:
    """The message says what was found and what is expected."""
    with pytest.raises(ValueError, match="expected its id"):
        parse_race_ref(text)


def test_race_is_the_same_by_its_address_only() -> None:
    """State, city and slug, whatever the case; a like name elsewhere is another race."""
    ref = parse_race_ref("https://runsignup.com/Race/nj/camden/harbour10k")
    assert same_race(ref, "https://runsignup.com/Race/NJ/Camden/Harbour10K")
    assert not same_race(ref, "https://runsignup.com/Race/PA/Camden/Harbour10K")
    assert not same_race(ref, None)
