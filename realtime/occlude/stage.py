"""Run the occlude stage: keypoints and the grey picture they were found in -> keypoints with reliabilities.

While the detector looks at a frame, the flow into it is traced already: that needs last frame's keypoints only.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from realtime import clock
from realtime.supervise.stage_runner import Context, load
from realtime.transport.frame_ring import FrameReader
from realtime.wire.messages import Frame, Keypoints2D

if TYPE_CHECKING:
    from realtime.occlude.occlusion_filter import OcclusionFilter
    from realtime.occlude.optical_flow import Grey


def main(ctx: Context) -> None:
    import cv2

    cv2.setNumThreads(1)  # the other cores are the detector's: measured, it is slowed down by more than flow gains
    open_filter = load("realtime.occlude.occlusion_filter:open_filter")  # beside other stages that import
    run(ctx, open_filter(ctx.config.occlusion, ctx.config.detector.people))


def run(ctx: Context, occlusion: OcclusionFilter) -> None:
    with closing(FrameReader()) as pixels:
        filtering = Filtering(pixels, occlusion)
        raw, keypoints = ctx.messages("keypoints_raw", ("taken", filtering.prepare)), ctx.bus.publisher("keypoints")
        ctx.ready()
        for found in raw:
            judged = filtering.answer(found)
            dropped = ctx.answered(found.stamp, judged.stage_us["occlude"] * 1000, len(found.people))
            keypoints.send(replace(judged, dropped=dropped))


@dataclass
class Filtering:
    """The filter, and the grey picture of the frame that the detector works on."""

    pixels: FrameReader
    occlusion: OcclusionFilter
    _frame: Frame | None = None
    _grey: tuple[Grey, float] | None = None

    def prepare(self, frame: Frame) -> None:
        """Do all that needs the picture and not yet the detector's answer."""
        self._frame, self._grey = frame, self.pixels.grey(frame)
        if self._grey:
            self.occlusion.prepare(frame.stamp, *self._grey)

    def answer(self, keypoints: Keypoints2D) -> Keypoints2D:
        """Without the grey picture, when it was overwritten, there is no flow this time."""
        began = clock.now_ns()
        grey, scale = self._grey_of(keypoints) or (None, 1.0)
        judged = self.occlusion.update(keypoints, grey, scale)
        return replace(judged, stage_us=keypoints.stage_us | {"occlude": (clock.now_ns() - began) // 1000})

    def _grey_of(self, keypoints: Keypoints2D) -> tuple[Grey, float] | None:
        frame = self._frame
        same = frame is not None and (frame.ring, frame.generation) == (keypoints.ring, keypoints.generation)
        return self._grey if same and self._grey else self.pixels.grey(keypoints)
