"""Decide who may see the page and the stream, from a request's path and headers alone.

Loopback is shared by every user of a machine, so everything needs the token: first in the address that was printed,
then in a cookie of this port.  On loopback the Host must name this machine as well, which defeats names that merely
point here; the stream is refused to every origin but the page's own.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from realtime.config.schema import VIEWER_TOKEN

HERE = ("localhost", "127.0.0.1", "::1")


class BadAddress(ValueError):
    exit_code = 2


class Listen(NamedTuple):
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def name(self) -> str:
        """As it stands in an address."""
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_http(text: str) -> Listen:
    """`HOST:PORT`; port 0 takes a free one."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise BadAddress(f"--http is HOST:PORT, such as 127.0.0.1:8008, found {text!r}")
    return Listen(host.strip("[]"), int(port))


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def new_token() -> str:
    """Make a token, or take the user's own from the environment, which only this user can read."""
    given = os.environ.get(VIEWER_TOKEN)
    if given is None:
        return secrets.token_urlsafe(18)
    if not re.fullmatch(r"[\w-]{16,200}", given, re.ASCII):
        raise BadAddress(f"{VIEWER_TOKEN} holds 16 to 200 of A-Z a-z 0-9 - _, found {len(given)} characters; unset it")
    return given


@dataclass(frozen=True)
class Verdict:
    status: int  # 200: let in
    reason: str = ""
    cookie: str = ""  # to set, when the token came in the address


@dataclass(frozen=True)
class Access:
    listen: Listen
    token: str
    origins: tuple[str, ...] = ()  # other sites whose pages may open the stream, with the token
    programs: bool = False  # what is no browser, and so names no origin, may open it too

    @property
    def cookie_name(self) -> str:
        return f"steadypose-{self.listen.port}"

    def page(self, path: str, headers: Mapping[str, str]) -> Verdict:
        """Return a request for the page."""
        if self.listen.loopback and host_of(headers.get("Host", "")) not in HERE:
            return Verdict(403, "localhost only")
        return self._token(path, headers)

    def stream(self, path: str, headers: Mapping[str, str]) -> Verdict:
        """Return a request to open the stream: the page's own origin, and no other site's."""
        verdict = self.page(path, headers)
        if verdict.status != 200:
            return verdict
        origin = headers.get("Origin", "")
        own = same_origin(origin, headers.get("Host", ""))
        if own or origin in self.origins or (self.programs and not origin):
            return verdict
        return Verdict(403, "the stream is for the page that is served here, not for other sites")

    def _token(self, path: str, headers: Mapping[str, str]) -> Verdict:
        if same(token_of(path), self.token):
            return Verdict(200, cookie=f"{self.cookie_name}={self.token}; HttpOnly; SameSite=Lax; Path=/")
        if same(cookie_of(headers.get("Cookie", ""), self.cookie_name), self.token):
            return Verdict(200)
        return Verdict(403, "open the address that was printed, with its token")


def same(given: str, wanted: str) -> bool:
    """Compare in constant time; what arrived may hold any byte."""
    return bool(wanted) and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


def token_of(path: str) -> str:
    """`/?token=abc` -> `abc`"""
    query = path.partition("?")[2]
    try:
        return parse_qs(query, errors="surrogateescape", max_num_fields=8).get("token", [""])[0]
    except ValueError:
        return ""


def host_of(header: str) -> str:
    """`[::1]:8008` -> `::1`; empty where it is no host."""
    if re.search(r"[\s/@]", header):
        return ""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def same_origin(origin: str, host: str) -> bool:
    return bool(host) and origin in (f"http://{host}", f"https://{host}")


def cookie_of(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


POLICY = (  # the page's own files and no other host's
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def headers_for(content_type: str) -> dict[str, str]:
    return {
        "Content-Type": content_type,
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
