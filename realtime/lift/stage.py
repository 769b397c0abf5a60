"""Run the lift stage: 2D keypoints with reliabilities -> one 3D answer per frame with all people in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from realtime import clock
from realtime.config.detector_models import AUTO, DEFAULT
from realtime.config.schema import RunConfig
from realtime.supervise.stage_runner import Context, load
from realtime.wire.messages import Keypoints2D, Pose3D

if TYPE_CHECKING:
    from realtime.lift.lifter import Lifter

TURN_S = 0.1


def main(ctx: Context) -> None:
    open_lifter = load("realtime.lift.lifter:open_lifter")  # beside other stages that import
    run(ctx, open_lifter(settled(ctx)))


def settled(ctx: Context) -> RunConfig:
    """Wait for what `detector.model: auto` turns out to be, where the engine depends on it."""
    config = ctx.config
    if config.detector.model != AUTO or config.lift.engine != "auto":
        return config
    while (model := ctx.info().get("auto_model")) is None and not ctx.stop.wait(TURN_S):
        ctx.beat()
    return replace(config, detector=replace(config.detector, model=model or DEFAULT))


def run(ctx: Context, lifter: Lifter) -> None:
    keypoints, poses = ctx.messages("keypoints"), ctx.bus.publisher("pose")
    lifted = ctx.bus.publisher("keypoints_lifted")
    ctx.set_info(**lifter.info())
    ctx.degraded(lifter.engine.degraded) if lifter.engine.degraded else ctx.ready()
    for found in keypoints:
        for pose in answers(found, lifter):
            dropped = ctx.answered(pose.stamp, pose.stage_us["lift"] * 1000, len(pose.people))
            poses.send(replace(pose, dropped=dropped))
        lifted.send(found)  # clients wait for the pose first
        lifter.rest()


def answers(keypoints: Keypoints2D, lifter: Lifter) -> list[Pose3D]:
    """Lift one frame: its own pose; of a lifter that looks ahead, those that waited for this frame."""
    began = clock.now_ns()
    poses = lifter.lift(keypoints)
    took = (clock.now_ns() - began) // 1000
    return [replace(pose, stage_us=pose.stage_us | {"lift": took}) for pose in poses]
