"""Which addresses may be asked, and how they are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import RefusedError
from mirror.hosts import HostRules, host_of, path_of, request_form, without_query

OPEN = HostRules(allowed=("*",), allow_http=True, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://bucket.s3.amazonaws.com/a.jpg",
        "HTTPS://Bucket.S3.AmazonAWS.com/a.jpg",
        "https://bucket.s3.amazonaws.com:443/a.jpg?sig=1",
        "https://bucket.s3.amazonaws.com./a.jpg",
        "https://api.runsignup.com",
        "https://api.runsignup.com?x=/",
    ],
)
def test_default_rules_allow_the_services_stores(url: str) -> None:
    """The stores of the service are allowed over https, however they are written."""
    HostRules().judge(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://bucket.s3.amazonaws.com/a.jpg", "allow_http = true"),
        ("ftp://bucket.s3.amazonaws.com/a.jpg", "scheme 'ftp'"),
        ("file:///etc/passwd", "scheme 'file'"),
        ("data:image/png;base64,AAAA", "scheme 'data'"),
        ("javascript:alert(1)", "scheme 'javascript'"),
        ("//bucket.s3.amazonaws.com/a.jpg", "scheme 'none'"),
        ("/a.jpg", "scheme 'none'"),
        ("", "scheme 'none'"),
        ("https:///a.jpg", "cannot be read"),
        ("https://?a", "cannot be read"),
        ("https://amazonaws.com/a.jpg", 'add "amazonaws.com" to download.allowed_hosts'),
        ("https://evilamazonaws.com/a.jpg", "not allowed"),
        ("https://amazonaws.com.evil.example/a.jpg", "not allowed"),
        ("https://evil.example/.amazonaws.com", "not allowed"),
        ("https://evil.example?.amazonaws.com/", "not allowed"),
        ("https://evil.example#.amazonaws.com/", "not allowed"),
        ("https://evil.example\\.amazonaws.com/", "cannot be read"),
        ("https://evil.example%2f.amazonaws.com/", "cannot be read"),
        ("https://bucket.s3.amazonaws.com@evil.example/", "user name"),
        ("https://key:secret@bucket.s3.amazonaws.com/", "user name"),
        ("https://bucket.s3.amazonaws.com:22/a.jpg", 'add "bucket.s3.amazonaws.com:22"'),
        ("https://bucket.s3.amazonaws.com:99999999/a.jpg", "cannot be read"),
        ("https://bucket.s3.amazonaws.com:65536/a.jpg", "port cannot be read"),
        ("https://bucket.s3.amazonaws.com:0/a.jpg", "port cannot be read"),
        ("https://bücket.amazonaws.com/a.jpg", "xn--"),
        ("https://bucket.s3.amazonaws.com/a\r\nX-Evil: 1", "control characters"),
        ("\nhttps://bucket.s3.amazonaws.com/a", "scheme"),
    ],
)
def test_default_rules_refuse_everything_else(url: str, why: str) -> None:
    """A refusal says what stands in the way, and which setting would allow it where one does."""
    with pytest.raises(RefusedError) as caught:
        HostRules().judge(url)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1.", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104 - refused
        "[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        "224.0.0.1", "255.255.255.255",
    ],
)  # fmt: skip
def test_private_address_is_refused(host: str) -> None:
    """Addresses that are not public are refused, whatever is on the list."""
    rules = HostRules(allowed=("*",))
    with pytest.raises(RefusedError, match="allow_private = true"):
        rules.judge(f"https://{host}/a.jpg")
    HostRules(allowed=("*",), allow_private=True).judge(f"https://{host}/a.jpg")


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.2.3.4.5", "999.1.1.1"]
)
def test_odd_address_is_never_asked(host: str) -> None:
    """Numbers that only some programs take for an address are refused even where everything is allowed."""
    with pytest.raises(RefusedError):
        OPEN.judge(f"http://{host}/")


def test_private_address_must_stand_on_the_list() -> None:
    """Allowing private addresses lifts one bar; the list still decides."""
    rules = HostRules(allowed=("127.0.0.1", "[::1]"), allow_http=True, allow_private=True)
    rules.judge("http://127.0.0.1:8080/a.jpg")
    rules.judge("http://[::1]:8080/a.jpg")
    with pytest.raises(RefusedError, match=r'add "127.0.0.2"'):
        rules.judge("http://127.0.0.2:8080/a.jpg")


def test_pattern_may_name_a_port() -> None:
    """A pattern with a port means that port alone."""
    rules = HostRules(allowed=("photos.example:8443", "127.0.0.1:80"), allow_http=True, allow_private=True)
    rules.judge("https://photos.example:8443/a.jpg")
    rules.judge("http://127.0.0.1/a.jpg")
    for url in ("https://photos.example/a.jpg", "http://127.0.0.1:81/a.jpg"):
        with pytest.raises(RefusedError, match="not allowed"):
            rules.judge(url)


@pytest.mark.parametrize("address", ["8.8.8.8", "2600:1f18::1", "2600:1f18::1%eth0"])
def test_public_address_may_be_connected_to(address: str) -> None:
    """What a store's name leads to is fine as long as it is public."""
    HostRules().judge_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1"])
def test_private_address_may_not_be_connected_to(address: str) -> None:
    """A name that leads to a private address is refused when it is resolved."""
    with pytest.raises(RefusedError, match="allow_private"):
        HostRules().judge_address(address)
    OPEN.judge_address(address)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Bucket.S3.amazonaws.com/a", "bucket.s3.amazonaws.com"),
        ("https://bucket.s3.amazonaws.com.:443/a", "bucket.s3.amazonaws.com"),
        ("https://h:8443/a", "h:8443"),
        ("http://h:443", "h:443"),
        ("http://h:80?x", "h"),
        ("http://user@h/a", "h"),
        ("https://[::1]:8/a", "[::1]:8"),
        ("https://bücher.example/a", "xn--bcher-kva.example"),
        ("data:x", ""),
        ("https://[broken/a", ""),
        ("https://h:port/a", ""),
        ("", ""),
    ],
)
def test_host_is_named_one_way(url: str, host: str) -> None:
    """However it is written, a host has one name; what has none has the empty one."""
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a.jpg?X-Amz-Signature=secret#f", "https://h/a.jpg"),
        ("https://h?secret", "https://h"),
        ("https://key:secret@h/a@b", "https://h/a@b"),
        ("key:secret@h/a", "h/a"),
        ("https://h/a\x1b[31m b\u202e", "https://h/a?[31m?b?"),
    ],
)
def test_shown_address_holds_no_secret(url: str, shown: str) -> None:
    """Query, fragment and user are cut, and nothing in it moves a terminal."""
    assert without_query(url) == shown


@given(st.text())
def test_shown_address_is_fit_to_print(text: str) -> None:
    """Whatever a source names as an address, a short printable line comes out, without its query."""
    shown = without_query(f"{text}?sig=0123456789abcdef")
    assert shown.isprintable()
    assert len(shown) <= 300
    assert "0123456789abcdef" not in shown


@given(st.text())
def test_any_text_is_judged_without_other_failures(text: str) -> None:
    """Hostile text is refused or allowed, and never anything else."""
    for url in (text, f"https://{text}", f"https://h.amazonaws.com/{text}"):
        host_of(url)
        try:
            HostRules().judge(url)
        except RefusedError as error:
            assert str(error).isprintable()  # noqa: PT017 - both ends are fine
        else:
            assert host_of(url).endswith((".amazonaws.com", ".runsignup.com"))
            assert request_form(url).isascii()


def test_identity_of_an_address_is_host_and_path() -> None:
    """A new signature is no new address."""
    assert path_of("https://H.example/a.jpg?sig=1") == path_of("https://h.example:443/a.jpg?sig=2") == "h.example/a.jpg"
    assert path_of("https://h.example/a.jpg") != path_of("https://h.example/b.jpg")
