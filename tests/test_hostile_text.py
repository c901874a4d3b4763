"""Whatever text or bytes come from a file, a header, the API or a folder: an answer in our words, and no other failure."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mirror.archive import names
from mirror.cli.logs import Hider
from mirror.cli.output import printable
from mirror.config import load_config
from mirror.download import etag_of, is_strong, label_of
from mirror.errors import AccessError, ArchiveError, ConfigError, FetchError, MismatchError
from mirror.race_ref import parse_race_ref
from mirror.records import parse_page
from mirror.source import judge
from mirror.transport import Answer
from mirror.transport.answers import content_range, date_ts, retry_after_s, validator

SECRET = "s3cret-of-this-test"
PIECES = st.sampled_from(
    [
        *(
            "[api]",
            "[download]",
            "[[races]]",
            "key",
            "secret",
            "attempts",
            "races",
            "\n",
            "\r\n",
            " = ",
            "=",
            '"',
            "'",
            "'''",
        ),
        *("1", "-1", "1e400", "inf", "nan", "true", "[", "]", "{", "}", ",", ".", "#", "\\u0000", "\\ud800", "\ufeff"),
        *(
            "2026-01-01",
            "0x",
            "1_0",
            "é",
            "\u202e",
            "\x1b[2J",
            "=",
            "a.b.c",
            '"""',
            "[a]\n[a]\n",
            "a = 1\n",
            f'"{SECRET}"',
        ),
    ]
)
TEXTS = st.text(max_size=60) | st.lists(PIECES, max_size=14).map("".join)
HEADERS = st.sampled_from(
    ["5", "-5", "1e3", "١٢", "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 99 Oct 2026", "0", "9" * 400, "bytes 0-4/5", "bytes */5",
     "bytes 4-2/9", '"a"', 'W/"a"', "\x80", "\0", "Fri, 31 Dec 99999 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 -0000"]
) | st.text(max_size=40)  # fmt: skip


def refusal_of(call: Callable[[], object], *kinds: type[Exception]) -> str:
    """What is said when a text is refused; nothing if it is taken."""
    try:
        call()
    except kinds as error:
        return str(error) or "refused without a word"
    return ""


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS, is_secret=st.booleans())
@example(text="[" * 2000, is_secret=False)
@example(text="a" + ".a" * 2000 + " = 1", is_secret=False)
@example(text="api = " + "{a=" * 800, is_secret=False)
def test_any_configuration_is_taken_or_refused_in_words(tmp_path: Path, text: str, *, is_secret: bool) -> None:
    """A file of any text is a configuration, or refused in printable lines that repeat no secret."""
    file = tmp_path / "mirror.toml"
    file.write_bytes((f'[api]\nsecret = "{SECRET}"\n' * is_secret + text).encode("utf-8", "surrogatepass"))
    file.chmod(0o600)
    said = refusal_of(lambda: load_config(file, environ={}), ConfigError)
    assert all(line.isprintable() for line in said.split("\n"))
    assert SECRET in text or SECRET not in said


@given(
    text=TEXTS
    | st.lists(
        st.sampled_from(
            ["https://", "runsignup.com", "/Race/", "NJ/", "1", "?raceId=", "#", "%2e", "\0", "@", ":99999"]
        ),
        max_size=8,
    ).map("".join)
)
def test_any_text_is_a_race_or_refused(text: str) -> None:
    """What people paste is a race's id or address, or refused without its query and in one printable line."""
    said = refusal_of(lambda: parse_race_ref(text), ValueError)
    assert said.isprintable()
    if not said:
        ref = parse_race_ref(text)
        assert str(ref).isprintable()
        assert parse_race_ref(str(ref)).is_same_race(ref)


@given(
    before=st.text(), after=st.text(), url=st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=30)
)
def test_nothing_secret_or_steering_is_left_in_a_line(before: str, after: str, url: str) -> None:
    """Around a secret may stand anything: it is hidden, and no control character but the line's end stays."""
    said = Hider([SECRET])(f"{before}{SECRET}{after} https://x.example/a?{url}#{SECRET}")
    assert SECRET not in said
    assert all(char.isprintable() or char == "\n" for char in said)
    assert printable(f"{before}{after}").isprintable() or not f"{before}{after}"


@given(retry=HEADERS, date=HEADERS)
def test_any_header_is_read_or_ignored(retry: str, date: str) -> None:
    """Retry-After, dates, ranges and validators: a sensible value or none."""
    wait_s = retry_after_s({"Retry-After": retry, "Date": date})
    assert wait_s is None or wait_s >= 0
    assert date_ts(date) is None or isinstance(date_ts(date), float)
    etag = validator({"ETag": retry}, "ETag")
    assert etag is None or etag.isprintable()
    try:
        first, last, whole = content_range({"Content-Range": retry}, "x")
    except MismatchError:
        return
    assert 0 <= first <= last
    assert whole is None or last < whole


@given(
    etag=st.text(alphabet=st.characters(max_codepoint=126, min_codepoint=32), max_size=130),
    asset_id=st.integers(0, 2**63),
)
def test_validator_survives_a_drafts_name(etag: str, asset_id: int) -> None:
    """What a draft's name says of its bytes is what the host said; a validator that proves nothing gets no name."""
    etag = f'"{etag}"'
    if is_strong(etag):
        draft = names.parse_draft(names.kept_name(asset_id, "0" * 16, label_of(etag)), 7)
        assert draft is not None
        assert (draft.asset_id, etag_of(draft.etag or "")) == (asset_id, etag)
    assert not is_strong(f"W/{etag}")


@given(name=st.text(max_size=60) | st.from_regex(r"[0-9]{1,4}\.[0-9a-f]{1,16}(\.[0-9A-Za-z_-]{1,70}){0,2}"))
def test_any_name_among_the_drafts_is_read_or_left_alone(name: str) -> None:
    """A draft that can be claimed bears a name of ours."""
    if names.parse_draft(name, 1) is not None:
        assert names.is_draft(name)


@given(
    key=st.text()
    | st.lists(st.sampled_from(["..", ".", "", "a", ".mirror", ".MIRROR", "\0", "\ud800", "\\"]), max_size=30).map(
        "/".join
    )
)
def test_any_key_stays_in_the_tree_or_is_refused(key: str) -> None:
    """The second fence: whoever made a key, none leads upwards or to the root."""
    try:
        folders, name = names.split_key(key)
    except ArchiveError:
        return
    assert not {"", ".", ".."} & {*folders, name}
    assert not Path("/".join((*folders, name))).is_absolute()


@given(
    body=st.binary(max_size=80) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")),
    status=st.integers(100, 599),
)
@example(body=b"[" * 100_000, status=200)
@example(body=b'{"error": {"error_code": 1e999}}', status=200)
@example(body=b'{"error": {"error_code": "6", "error_msg": {"a": [null]}}}', status=200)
@example(body=b"1" * 5000, status=200)
def test_any_answer_is_data_or_a_failure_of_ours(body: bytes, status: int) -> None:
    """Whatever an API's answer holds, it is JSON to read, or a failure told in one printable line."""
    answer = Answer(status=status, body=body, location="https://x.example/\x1b")
    said = refusal_of(lambda: parse_page(judge(answer), number=1, served_ts=None), FetchError, AccessError)
    assert said.isprintable()


RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "photo_id": st.none() | st.integers() | st.text(max_size=5) | st.floats() | st.just("900101"),
        "race_event_days_id": st.none() | st.integers(-5, 2**70) | st.text(max_size=5),
        "album_id": st.none() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=2),
        "bibs": st.none() | st.lists(st.none() | st.integers() | st.text(max_size=4), max_size=4) | st.text(max_size=4)
        | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
        "uploaded_ts": st.none() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6),
        "uploaded_filename": st.none() | st.text(max_size=20) | st.integers(),
        "large": st.none() | st.text(max_size=9) | st.fixed_dictionaries(
            {}, optional={"image_url": st.none() | st.text(max_size=30) | st.just("https://a.amazonaws.com/1.jpg"),
                          "width": st.none() | st.integers() | st.text(max_size=3), "height": st.floats()}
        ),
        "more": st.recursive(st.none() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2)),
    },
)  # fmt: skip


@given(records=st.lists(RECORDS | st.none() | st.integers() | st.text(max_size=3), max_size=4))
def test_any_records_give_photos_and_named_rejects(records: list[object]) -> None:
    """Each record is a photo whose values can be stored, or named as a reject; none stops the others."""
    page = parse_page(json.loads(json.dumps({"photos": records})), number=1, served_ts=None)
    assert page.rows == len(records)
    assert len(page.photos) <= len(records)
    for photo in page.photos:
        assert 0 < photo.photo_id < 2**63
        assert photo.uploaded_ts is None or -(2**63) <= photo.uploaded_ts < 2**63
        json.loads(photo.json)
        "".join((photo.json, photo.uploaded_filename or "", photo.album_id or "", *photo.bibs)).encode()
    for reject in page.rejects:
        assert reject.reason


@pytest.mark.parametrize("text", ["=cmd()", "\x1b[31m", "a\nb", "\u202e", "\ud800"])
def test_foreign_text_is_one_harmless_line(text: str) -> None:
    """What a person sees of foreign text moves nothing."""
    assert printable(text).isprintable()
