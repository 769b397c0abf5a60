"""Who is let in: this machine by name and origin, others by token; foreign sites never."""

import pytest

from realtime.viewer.access import Access, BadAddress, Listen, headers_for, host_of, inline, new_token, parse_http

HERE = Access(Listen("127.0.0.1", 8008))
OPEN = Access(Listen("0.0.0.0", 8008), "secret-token")


def heads(**kw):
    return {key.title(): value for key, value in kw.items()}


@pytest.mark.parametrize("host", ["127.0.0.1:8008", "localhost:8008", "[::1]:8008", "localhost:9999"])
def test_this_machine_is_let_in_by_its_names(host):
    assert HERE.page("/", heads(host=host)).status == 200
    assert HERE.stream("/stream", heads(host=host, origin=f"http://{host}")).status == 200


@pytest.mark.parametrize("host", ["evil.example:8008", "", "127.0.0.1.evil.example", "localhost@evil.example", "a b"])
def test_a_name_that_merely_points_here_is_refused(host):
    assert HERE.page("/", heads(host=host)).status == 403
    assert HERE.stream("/stream", heads(host=host, origin=f"http://{host}")).status == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://localhost:8009", "http://127.0.0.1:8008.evil.example"]
)
def test_foreign_origins_are_refused(origin):
    verdict = HERE.stream("/stream", heads(host="127.0.0.1:8008", origin=origin))
    assert verdict.status == 403 and "not for other sites" in verdict.reason


def test_beyond_this_machine_the_token_is_needed_everywhere():
    host = heads(host="192.168.1.5:8008", origin="http://192.168.1.5:8008")
    assert OPEN.page("/", host).status == OPEN.stream("/stream", host).status == 403
    assert OPEN.page("/?token=wrong", host).status == OPEN.page("/?token=", host).status == 403


def test_the_token_comes_once_and_then_as_a_cookie():
    host = heads(host="192.168.1.5:8008", origin="http://192.168.1.5:8008")
    verdict = OPEN.page("/?token=secret-token", host)
    assert verdict.status == 200 and "HttpOnly" in verdict.cookie and "SameSite=Strict" in verdict.cookie
    with_cookie = host | {"Cookie": "other=1; " + verdict.cookie.split(";")[0]}
    assert OPEN.page("/", with_cookie).status == OPEN.stream("/stream", with_cookie).status == 200
    assert OPEN.stream("/stream", with_cookie | {"Origin": "http://evil.example"}).status == 403
    assert OPEN.stream("/stream", host | {"Cookie": "steadypose-9=secret-token"}).status == 403
    assert OPEN.stream("/stream", host | {"Cookie": "\x00;;==,"}).status == 403


def test_tokens_are_long_and_new():
    assert len({new_token() for _ in range(50)}) == 50 and len(new_token()) >= 24


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [("127.0.0.1:8008", "127.0.0.1", 8008, True), ("localhost:0", "localhost", 0, True), ("[::1]:80", "::1", 80, True),
     ("0.0.0.0:8008", "0.0.0.0", 8008, False), ("[::]:80", "::", 80, False), ("pc.lan:80", "pc.lan", 80, False)],
)  # fmt: skip
def test_addresses(text, host, port, loopback):
    listen = parse_http(text)
    assert (listen.host, listen.port, listen.loopback) == (host, port, loopback)


@pytest.mark.parametrize("text", ["8008", ":8008", "localhost:x", "localhost:70000", ""])
def test_bad_addresses_are_explained(text):
    with pytest.raises(BadAddress, match="HOST:PORT"):
        parse_http(text)


def test_host_header_forms():
    assert host_of("[::1]:8008") == "::1" and host_of("LOCALHOST") == "localhost" and host_of("a/b") == ""


def test_the_policy_names_every_inline_block_and_no_host():
    page = "<style>a{}</style><script>one()</script><script id='two'>two()</script>"
    csp = headers_for(page)["Content-Security-Policy"]
    assert csp.count("'sha256-") == 3 and "http" not in csp and "unsafe" not in csp and "default-src 'none'" in csp
    assert inline(page, "script") == ["one()", "two()"]
