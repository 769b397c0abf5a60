"""Who is let in: this machine by name and origin, others by token; foreign sites never."""

import pytest

from realtime.web.access import POLICY, Access, BadAddress, Listen, host_of, new_token, parse_http, token_of

HERE = Access(Listen("127.0.0.1", 8008), "secret-token")
OPEN = Access(Listen("0.0.0.0", 8008), "secret-token")


def heads(**kw):
    return {key.title(): value for key, value in kw.items()} | {"Cookie": "steadypose-8008=secret-token"}


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


@pytest.mark.parametrize(("access", "name"), [(HERE, "127.0.0.1:8008"), (OPEN, "192.168.1.5:8008")])
def test_the_token_is_needed_everywhere(access, name):
    host = {"Host": name, "Origin": f"http://{name}"}
    assert access.page("/", host).status == access.stream("/stream", host).status == 403
    assert access.page("/?token=wrong", host).status == access.page("/?token=", host).status == 403
    assert access.page("/?token=\udcff\udcfe", host).status == access.page("/?" + "a=1&" * 99, host).status == 403


def test_the_token_comes_once_and_then_as_a_cookie():
    host = {"Host": "192.168.1.5:8008", "Origin": "http://192.168.1.5:8008"}
    verdict = OPEN.page("/?token=secret-token", host)
    assert verdict.status == 200 and "HttpOnly" in verdict.cookie and "SameSite=Lax" in verdict.cookie
    with_cookie = host | {"Cookie": "other=1; " + verdict.cookie.split(";")[0]}
    assert OPEN.page("/", with_cookie).status == OPEN.stream("/stream", with_cookie).status == 200
    assert OPEN.stream("/stream", with_cookie | {"Origin": "http://evil.example"}).status == 403
    assert OPEN.stream("/stream", host | {"Cookie": "steadypose-9=secret-token"}).status == 403
    assert OPEN.stream("/stream", host | {"Cookie": "\x00;;==,"}).status == 403


def test_a_token_of_ones_own_comes_from_the_environment_and_is_no_short_one(monkeypatch):
    monkeypatch.setenv("STEADYPOSE_VIEWER_TOKEN", "my-own-token-0123456789")
    assert new_token() == "my-own-token-0123456789"
    for bad in ("", "short", "with space in it, long", "x" * 300):
        monkeypatch.setenv("STEADYPOSE_VIEWER_TOKEN", bad)
        with pytest.raises(BadAddress, match="16 to 200"):
            new_token()


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
    assert host_of("[") == host_of("[::1") == host_of("") == ""


def test_tokens_are_found_in_addresses():
    assert token_of("/?token=abc") == token_of("/x?a=1&token=abc") == "abc" and token_of("/") == token_of("//[") == ""


def test_the_policy_allows_the_pages_own_files_and_no_host():
    assert "default-src 'none'" in POLICY and "http" not in POLICY and "unsafe" not in POLICY
    assert "script-src 'self'" in POLICY and "frame-ancestors 'none'" in POLICY
