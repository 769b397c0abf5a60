"""Name the signals that end a command, and hear them: SIGTERM, SIGHUP (the terminal closed), SIGQUIT, Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]

POLITE = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name))
ENDING = (signal.SIGINT, *POLITE)


def on_end(handler: Handler, numbers: tuple[signal.Signals, ...] = POLITE) -> dict[signal.Signals, object]:
    """Call `handler` for each of them and answer what stood there before; a SIGHUP that `nohup` ignores stays so."""
    before: dict[signal.Signals, object] = {}
    for number in numbers:
        if number.name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN:
            continue
        before[number] = signal.signal(number, handler)
    return before


@contextmanager
def ended_by(handler: Handler) -> Iterator[None]:
    """Every ending signal goes to `handler` inside the block, Ctrl-C too, even for a command started with `&`."""
    before = on_end(handler, ENDING)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)  # type: ignore[arg-type]


def ignore_all() -> None:
    """Ignore the ending signals: a child is ended by its supervisor."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
