"""Redact addresses: what of rtsp://user:password@host may be shown, logged or hashed."""

from __future__ import annotations

import re

SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def without_secret(spec: str) -> str:
    """Redact an address: rtsp://user:password@host?token=x without user, password and query."""
    found = SCHEME.match(spec)
    if not found:
        return spec
    place, question, _ = spec[found.end() :].rpartition("@")[2].partition("?")
    return found[0] + place + ("?..." if question else "")
