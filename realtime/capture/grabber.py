"""Grab a live source without pause in a thread and hand over the newest picture."""

from __future__ import annotations

import threading

from realtime.capture.source import BadPicture, Picture, Source
from realtime.config.source_spec import SourceError

BAD_IN_A_ROW = 60  # damaged pictures one after another: the source counts as lost
BAD_PAUSE_S = 0.02  # some drivers answer "no picture" at once, for ever


class Grabber:
    """`take` hands over the newest picture once; whatever ended the source is raised there."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.damaged = 0
        self._newest: Picture | None = None
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="grab", daemon=True)

    def start(self) -> Grabber:
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop grabbing and close the source; a driver that still blocks is left to the end of the process."""
        self._stop = True
        if interrupt := getattr(self.source, "interrupt", None):  # of a source that may wait for ever
            interrupt()
        self._thread.join(0.3)
        if not self._thread.is_alive():
            self.source.close()

    def take(self, timeout_s: float) -> Picture | None:
        with self._changed:
            if self._newest is None and self._error is None:
                self._changed.wait(timeout_s)
            picture, self._newest = self._newest, None
            if picture is None and self._error is not None:
                raise self._error
            return picture

    def _run(self) -> None:
        bad = 0
        while not self._stop:
            try:
                picture = self.source.read()
                bad = 0
            except BadPicture:
                bad += 1
                self._count_damage(bad)
                continue
            except BaseException as error:  # noqa: BLE001 - raised again where the pictures are taken
                self._give(None, error)
                return
            if picture is None:
                self._give(None, SourceError("the source has ended"))
                return
            self._give(picture, None)

    def _count_damage(self, in_a_row: int) -> None:
        self.damaged += 1
        if in_a_row >= BAD_IN_A_ROW:
            self._stop = True
            self._give(None, SourceError(f"{in_a_row} damaged pictures in a row, or none at all"))
        threading.Event().wait(BAD_PAUSE_S)

    def _give(self, picture: Picture | None, error: BaseException | None) -> None:
        with self._changed:
            self._newest, self._error = picture or self._newest, error
            self._changed.notify()
