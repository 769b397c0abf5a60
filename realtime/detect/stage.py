"""Run the detect stage: a frame's pixels -> keypoints of the people in it, with ids that stay."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from realtime import clock
from realtime.config.detector_models import AUTO
from realtime.config.schema import DetectorConfig, SourceConfig
from realtime.detect.mediapipe_detector import Detector, open_detector
from realtime.detect.tracker import Tracker
from realtime.supervise.stage_runner import Context, load
from realtime.transport.frame_ring import FrameReader
from realtime.wire.frame_order import starts_anew
from realtime.wire.messages import Frame, Keypoints2D, Stamp


def main(ctx: Context) -> None:
    detector = open_detector(settled(ctx))
    try:
        run(ctx, detector)
    finally:
        detector.close()


def settled(ctx: Context) -> DetectorConfig:
    """Settle the model's name; `auto` is measured once a run, and a restart keeps to the choice."""
    config = ctx.config.detector
    if config.model != AUTO:
        return config
    model = ctx.info().get("auto_model")
    if model is None:
        choice = load("realtime.detect.model_choice:chosen")(config, at_its_rate(ctx), ctx.beat)
        ctx.set_info(auto_model=choice.model, model_choice=choice.words)
        model = choice.model
    return replace(config, model=model)


def at_its_rate(ctx: Context) -> SourceConfig:
    """Return the source's settings with its measured rate where capture knows it, else with the requested one."""
    source = ctx.config.source
    return replace(source, fps=ctx.info().get("camera_hz") or source.fps)


def run(ctx: Context, detector: Detector) -> None:
    frames, taken = ctx.messages("frame"), ctx.bus.publisher("taken")
    keypoints = ctx.bus.publisher("keypoints_raw")
    tracker = Tracker(ctx.config.detector.people, ctx.config.tracking.lost_s, ctx.first_id)
    ctx.set_info(detector=detector.name, joints2d=detector.joints.joints, parents2d=detector.joints.parents)
    ctx.ready()
    last: Stamp | None = None
    with closing(FrameReader()) as pixels:
        for frame in frames:
            if last and starts_anew(last, frame.stamp):  # it opened fresh
                detector.reset()
                ctx.beat()
            last = frame.stamp
            taken.send(frame)
            found = answer(frame, pixels, detector, tracker)
            if found is None:
                continue
            dropped = ctx.answered(frame.stamp, found.stage_us["detect"] * 1000, len(found.people))
            keypoints.send(replace(found, dropped=dropped))


def answer(frame: Frame, pixels: FrameReader, detector: Detector, tracker: Tracker) -> Keypoints2D | None:
    """Detect and track the people of a frame; None when the picture was overwritten before it could be read."""
    began = clock.now_ns()
    image = pixels.image_of_rgb(frame)
    if image is None:
        return None
    asked = clock.now_ns()
    people = detector.detect(image, frame.stamp.t_capture_ns // clock.NS_PER_MS)
    told = clock.now_ns()
    found = tracker.update(people, frame.stamp, frame.width, frame.height, image)
    took = {"detector": (told - asked) // 1000, "detect": (clock.now_ns() - began) // 1000}
    return replace(found, slot=frame.slot, generation=frame.generation, ring=frame.ring, stage_us=took)
