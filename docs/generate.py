"""Write the pages that the code holds already: protocol, command line, configuration, Python API.

`python docs/generate.py` writes them; a test compares them with what it would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))  # this file is run, or loaded by its path

from generated.command_line import command_line  # noqa: E402
from generated.configuration import configuration  # noqa: E402
from generated.protocol import protocol  # noqa: E402
from generated.python_api import python_api  # noqa: E402
from man_page import man_page  # noqa: E402

NOTE = "<!-- written by `python docs/generate.py`; change it there or in the code -->\n\n"
PAGES = {
    "protocol.md": protocol,
    "configuration.md": configuration,
    "cli.md": command_line,
    "python-api.md": python_api,
}


def page(name: str) -> str:
    return NOTE + PAGES[name]().rstrip() + "\n"


if __name__ == "__main__":
    for name in PAGES:
        (DOCS / name).write_text(page(name), encoding="utf-8")
        print(f"docs/{name}")
    (DOCS.parent / "packaging" / "realtime.1").write_text(man_page(), encoding="utf-8")
    print("packaging/realtime.1")
