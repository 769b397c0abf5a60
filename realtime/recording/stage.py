"""Run the record stage: the PoseRing -> a file, in order, losses counted."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from realtime.clock import Pace
from realtime.recording.file_format import RecordingError, RecordingWriter, check_target, last_messages
from realtime.recording.recorder import Copier
from realtime.supervise.stage_runner import Context
from realtime.transport.pose_ring import PoseRingReader

TURN_S = 0.05


def main(ctx: Context) -> None:
    path = ctx.config.record.file
    if path is None:
        raise RecordingError("nothing to record to: record.file is empty; run without the record stage")
    if not ctx.starts:
        check_target(path)
    with closing(PoseRingReader(ctx.config.publish.bind)) as ring, RecordingWriter(path) as writer:
        copier = Copier(ring, writer, ctx.config.source.name if ctx.config.room.sources else "")
        if ctx.starts:
            go_on(copier, ring, Path(path))
        ctx.ready()
        try:
            record(ctx, copier)
        except RecordingError as error:
            ctx.log.error("%s", error)
            ctx.degraded("recording stopped")
            idle(ctx)


def go_on(copier: Copier, ring: PoseRingReader, path: Path) -> None:
    """Continue the file of a recorder that was killed, right behind its last message where that is still there."""
    last = last_messages(path)
    if last.stamped is not None:
        copier.go_on_behind(last.pose, ring.go_on_behind(last.stamped))


def record(ctx: Context, copier: Copier) -> None:
    second = Pace(1.0)
    while not ctx.stop.wait(TURN_S):
        ctx.beat()
        copier.turn()
        if second.due():
            ctx.set_info(recorded=copier.writer.records, recording_lost=copier.writer.lost)
    copier.turn()


def idle(ctx: Context) -> None:
    """Keep the stage alive after the recording's end until the run stops."""
    while not ctx.stop.wait(TURN_S):
        ctx.beat()
