"""Read the page's files: HTML, style and script modules, each with its headers; read once, served from memory.

A request names one of the files that were found at start, so no path from outside ever reaches the disk.
"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

from realtime.web.access import headers_for

FOLDER = "page"
START = "page.html"
CONTENT_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


class PageFile(NamedTuple):
    headers: dict[str, str]
    body: bytes


def read_page_files() -> dict[str, PageFile]:
    """Map request paths to files; `/` is the page itself."""
    found = {}
    for entry in files("realtime.viewer").joinpath(FOLDER).iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if suffix in CONTENT_TYPES:
            headers = headers_for(f"{CONTENT_TYPES[suffix]}; charset=utf-8")
            found["/" if entry.name == START else f"/{entry.name}"] = PageFile(headers, entry.read_bytes())
    return found
