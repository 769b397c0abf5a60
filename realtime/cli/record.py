"""`realtime record`: write a stream that runs already to a file, from outside, best effort."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from realtime.clock import Deadline, Pace
from realtime.recording.file_format import RecordingError, check_target
from realtime.recording.recorder import StreamRecorder
from realtime.supervise.end_signals import on_end
from realtime.transport.keys import client_keys

TURN_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a new file; it holds where people are: keep it safe")
    parser.add_argument("--connect", default="tcp://127.0.0.1:5555", metavar="ADDRESS", help="of the stream")
    parser.add_argument("--keys", metavar="DIR", help="folder of this client's keys, where the publisher has some")
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after so many seconds")


def main(args: argparse.Namespace) -> int:
    check_target(args.file)
    stop = threading.Event()
    on_end(lambda *_: stop.set())
    recorder = StreamRecorder(args.connect, args.file, client_keys(args.keys) if args.keys else None)
    recorder.start()
    try:
        watch(recorder, stop, args.seconds)
    finally:
        recorder.close()
        print(summary(recorder), file=sys.stderr)
    if recorder.error:
        raise RecordingError(recorder.error)
    return 0


def watch(recorder: StreamRecorder, stop: threading.Event, seconds: float | None) -> None:
    """Until told, until time is up, or until the recording ended itself."""
    end, tell = Deadline((seconds or 0) * 1000), Pace(1.0)
    while recorder.running and not stop.wait(TURN_S):
        if seconds is not None and end.passed():
            return
        if sys.stderr.isatty() and tell.due():
            print(f"\r{summary(recorder)}  (Ctrl-C ends it)", end="", file=sys.stderr, flush=True)


def summary(recorder: StreamRecorder) -> str:
    if not recorder.records:
        return f"{recorder.path}: {recorder.refusal or 'nothing was published yet'}"
    return f"{recorder.path}: {recorder.records} messages, {recorder.lost} lost, {recorder.bytes / 1e6:.1f} MB"
