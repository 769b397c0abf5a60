"""Run the publish stage: what lift and occlude answer -> the public address and the PoseRing."""

from __future__ import annotations

from contextlib import closing

from realtime import clock
from realtime.publish.age_limit import AgeLimit
from realtime.publish.publisher import Publication, introduce, nothing_yet
from realtime.supervise.stage_runner import Context
from realtime.transport.bus import TopicReader, wait_any
from realtime.transport.pose_ring import PoseRingWriter
from realtime.wire.codec import unpack
from realtime.wire.frame_order import goes_on
from realtime.wire.messages import Stamp

TURN_MS = 50


def main(ctx: Context) -> None:
    public = ctx.config.publish
    port = ctx.bus.public(public.bind, public.insecure, public.keys)
    with closing(PoseRingWriter(public.bind)) as ring:
        before = nothing_yet(ctx.config.source.name, *ctx.last_answered)
        run(ctx, Publication(ctx.config.source.name, port, ring, AgeLimit(public), before))


def run(ctx: Context, publication: Publication) -> None:
    topics = poses, keypoints, truths = [ctx.bus.latest(topic) for topic in ("pose", "keypoints_lifted", "truth")]
    ctx.ready()
    last: Stamp | None = None
    told: list[tuple[int, bytes]] = []
    while not ctx.stop.is_set():
        ctx.beat()
        asked = wait_any(topics, TURN_MS) + [topic for topic in topics if topic.silent]
        if poses in asked:
            last = relay(ctx, poses, publication, last)  # first: this is what clients wait for
        if keypoints in asked and (data := keypoints.get_plain(0)[1]):
            publication.relay_keypoints(data)
        if truths in asked and (truth := truths.get(0)):
            publication.truth(truth)
        publication.silence()
        states = ctx.states()
        if publication.second_has_passed() or states != told:  # a change is told at once
            told = states
            ctx.idle()
            introduce(ctx, publication)
            tell_limit(ctx, publication)


def tell_limit(ctx: Context, publication: Publication) -> None:
    """For the terminal: the greatest age of a current pose."""
    limit = publication.limit
    if limit and limit.ms != ctx.info().get("max_age_ms"):
        ctx.set_info(max_age_ms=limit.ms)


def relay(ctx: Context, poses: TopicReader, publication: Publication, last: Stamp | None) -> Stamp | None:
    """Pass on the newest pose; the stamp of the last one that was."""
    pose, _ = poses.get_plain(0)
    if pose is None:
        return last
    stamp: Stamp = unpack(Stamp, pose)
    if not goes_on(last, stamp):
        return last
    from_capture_ns = clock.now_ns() - stamp.t_capture_ns  # this stage's latency is that of the whole
    dropped = ctx.answered(stamp, from_capture_ns, len(pose["people"]))
    publication.relay_pose(pose | {"dropped": dropped})
    return stamp
