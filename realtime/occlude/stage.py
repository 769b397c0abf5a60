"""Run the occlude stage: keypoints and the grey picture they were found in -> keypoints with reliabilities."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from realtime import clock
from realtime.supervise.stage_runner import Context
from realtime.transport.frame_ring import FrameReader
from realtime.wire.messages import Keypoints2D

if TYPE_CHECKING:
    from realtime.occlude.occlusion_filter import OcclusionFilter


def main(ctx: Context) -> None:
    from realtime.occlude.occlusion_filter import open_filter

    run(ctx, open_filter(ctx.config.occlusion, ctx.config.detector.people))


def run(ctx: Context, occlusion: OcclusionFilter) -> None:
    raw, keypoints = ctx.messages("keypoints_raw"), ctx.bus.publisher("keypoints")
    ctx.ready()
    with closing(FrameReader()) as pixels:
        for found in raw:
            judged = answer(found, pixels, occlusion)
            dropped = ctx.answered(found.stamp, judged.stage_us["occlude"] * 1000, len(found.people))
            keypoints.send(replace(judged, dropped=dropped))


def answer(found: Keypoints2D, pixels: FrameReader, occlusion: OcclusionFilter) -> Keypoints2D:
    """Without the grey picture, when it was overwritten, there is no flow this time."""
    began = clock.now_ns()
    grey, scale = pixels.grey(found) or (None, 1.0)
    judged = occlusion.update(found, grey, scale)
    return replace(judged, stage_us=found.stage_us | {"occlude": (clock.now_ns() - began) // 1000})
