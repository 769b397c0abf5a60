"""Define the one error a user of engines can meet: what was found, what was expected, what to do next."""

from __future__ import annotations


class EngineError(RuntimeError):
    """An engine that is missing, damaged, untrusted or not for this machine; its text is one line."""

    exit_code = 6
