"""Decide who may see the page and the stream, by a request's headers alone.

On this machine a browser is let in by the name it used (which defeats names that merely point here) and by its
origin.  Beyond this machine everything also needs the token, first in the address, then in a cookie of this port.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

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
    return secrets.token_urlsafe(18)


@dataclass(frozen=True)
class Verdict:
    status: int  # 200: let in
    reason: str = ""
    cookie: str = ""  # to set, when the token came in the address


@dataclass(frozen=True)
class Access:
    listen: Listen
    token: str = ""  # empty on loopback

    @property
    def cookie_name(self) -> str:
        return f"steadypose-{self.listen.port}"

    def page(self, path: str, headers: Mapping[str, str]) -> Verdict:
        """A request for the page."""
        if self.listen.loopback and host_of(headers.get("Host", "")) not in HERE:
            return Verdict(403, "this viewer answers to localhost only")
        return self._token(path, headers)

    def stream(self, path: str, headers: Mapping[str, str]) -> Verdict:
        """A request to open the stream: the page's own origin, and no other site's."""
        verdict = self.page(path, headers)
        if verdict.status != 200:
            return verdict
        if not same_origin(headers.get("Origin", ""), headers.get("Host", "")):
            return Verdict(403, "the stream is for the viewer's own page, not for other sites")
        return verdict

    def _token(self, path: str, headers: Mapping[str, str]) -> Verdict:
        if not self.token:
            return Verdict(200)
        in_address = parse_qs(urlsplit(path).query).get("token", [""])[0]
        if same(in_address, self.token):
            return Verdict(200, cookie=f"{self.cookie_name}={self.token}; HttpOnly; SameSite=Strict; Path=/")
        if same(cookie_of(headers.get("Cookie", ""), self.cookie_name), self.token):
            return Verdict(200)
        return Verdict(403, "open the address that the viewer printed, with its token")


def same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def host_of(header: str) -> str:
    """`[::1]:8008` -> `::1`"""
    return (urlsplit(f"//{header}").hostname or "") if header and not re.search(r"[\s/@]", header) else ""


def same_origin(origin: str, host: str) -> bool:
    return bool(host) and origin in (f"http://{host}", f"https://{host}")


def cookie_of(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def policy(page: str) -> str:
    """Only the scripts and the style that stand in the page itself; nothing from any other host."""
    scripts = " ".join(f"'sha256-{digest(text)}'" for text in inline(page, "script"))
    styles = " ".join(f"'sha256-{digest(text)}'" for text in inline(page, "style"))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def inline(page: str, tag: str) -> list[str]:
    return re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", page, re.DOTALL)


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def headers_for(page: str) -> dict[str, str]:
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy(page),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
