"""Run the publish stage: what lift and occlude answer -> the public address and the PoseRing."""

from __future__ import annotations

from contextlib import closing

from realtime import clock
from realtime.publish.publisher import Publication, introduce, nothing_yet
from realtime.supervise.stage_runner import Context
from realtime.transport.bus import TopicReader, wait_any
from realtime.transport.pose_ring import PoseRingWriter
from realtime.wire.frame_order import goes_on
from realtime.wire.messages import Pose3D, Stamp, replace

TURN_MS = 50


def main(ctx: Context) -> None:
    public = ctx.config.publish
    port = ctx.bus.public(public.bind, public.insecure)
    with closing(PoseRingWriter(public.bind)) as ring:
        before = nothing_yet(ctx.config.source.name, *ctx.last_answered)
        run(ctx, Publication(ctx.config.source.name, port, ring, public.max_age_ms, before))


def run(ctx: Context, publication: Publication) -> None:
    poses, keypoints, truths = (ctx.bus.latest(topic) for topic in ("pose", "keypoints", "truth"))
    ctx.ready()
    last: Stamp | None = None
    told: list[tuple[str, str]] = []
    while not ctx.stop.is_set():
        ctx.beat()
        wait_any((poses, keypoints, truths), TURN_MS)
        if truth := truths.get(0):
            publication.truth(truth)
        if found := keypoints.get(0):
            publication.keypoints(found)
        last = relay(ctx, poses, publication, last)
        publication.silence()
        states: list[tuple[str, str]] = [(one.state, one.reason) for one in ctx.health()]
        if publication.second_has_passed() or states != told:  # a change is told at once
            told = states
            ctx.idle()
            introduce(ctx, publication)


def relay(ctx: Context, poses: TopicReader, publication: Publication, last: Stamp | None) -> Stamp | None:
    """Pass on the newest pose; the stamp of the last one that was."""
    pose: Pose3D | None = poses.get(0)
    if pose is None or not goes_on(last, pose.stamp):
        return last
    from_capture_ns = clock.now_ns() - pose.stamp.t_capture_ns  # this stage's latency is that of the whole
    dropped = ctx.answered(pose.stamp, from_capture_ns, len(pose.people))
    publication.pose(replace(pose, dropped=dropped))
    return pose.stamp
