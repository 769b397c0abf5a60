"""Answer HTTP requests in one line of text, by the headers that decide who is let in."""

from __future__ import annotations

from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Response


class CannotServe(Exception):
    exit_code = 3


def single(headers: Headers) -> dict[str, str] | None:
    """Return the headers that decide; None where one of them comes twice."""
    try:
        return {name: headers.get(name, "") for name in ("Host", "Origin", "Cookie")}
    except MultipleValuesError:
        return None


def answer(status: int, text: str, extra: dict[str, str] | None = None) -> Response:
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", **(extra or {})}
    return Response(status, text, Headers(headers), f"{text}\n".encode())
