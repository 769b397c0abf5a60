"""Lift a recording's keypoints again: new poses for the same frames, none left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from engines.skeleton import JOINT_SETS
from realtime.config.schema import RunConfig, config_hash
from realtime.lift.lifter import Lifter
from realtime.publish.publisher import lifter_fields
from realtime.recording.file_format import RecordingError, RecordingWriter
from realtime.recording.reader import Held, Recorded
from realtime.wire.messages import Hello, Keypoints2D, Pose3D, encode, replace


def people_and_hello(path: Path) -> tuple[int, Hello]:
    """Return the most people in one frame, and who published them."""
    most, hello = 0, None
    for message in Recorded(path):
        if isinstance(message, Keypoints2D):
            most = max(most, len(message.people))
        elif isinstance(message, Hello):
            hello = message
    if hello is None:
        raise RecordingError(f"{path} lacks a Hello, so the names of its keypoints are unknown; record anew")
    if most == 0:
        raise RecordingError(f"{path} holds no keypoints of anybody: there is nothing to lift")
    return most, hello


def check_joints(lifter: Lifter, hello: Hello) -> None:
    wanted = JOINT_SETS[lifter.engine.contract.joints_in]
    if wanted.joints != hello.joints2d:
        raise RecordingError(
            f"engine {lifter.engine.name} lifts {wanted.name} ({len(wanted)} joints), the recording holds "
            f"{len(hello.joints2d)} joints of {hello.detector}; choose an engine made for these"
        )


def new_hello(hello: Hello, lifter: Lifter, config: RunConfig) -> Hello:
    """Return the same source, lifted by another engine."""
    return replace(hello, config_hash=config_hash(config), **lifter_fields(lifter.info()))


def lifted(messages: Iterable[Held], lifter: Lifter) -> Iterator[Keypoints2D | Pose3D]:
    """Yield every frame of keypoints and, as soon as the look-ahead allows, its new pose."""
    stream: int | None = None
    for message in messages:
        if not isinstance(message, Keypoints2D):
            continue
        if stream not in (None, message.stamp.stream):
            yield from (finished(pose) for pose in lifter.flush())
            lifter.reset()
        stream = message.stamp.stream
        yield message
        yield from (finished(pose) for pose in lifter.lift(message))
    yield from (finished(pose) for pose in lifter.flush())


def finished(pose: Pose3D) -> Pose3D:
    """Its time is the frame's: when it was computed says nothing."""
    return replace(pose, t_publish_ns=pose.stamp.t_capture_ns, live=False)


def relift(recorded: Recorded, out: Path, hello: Hello, lifter: Lifter) -> int:
    """Write the new recording; answers the number of poses."""
    poses = 0
    with RecordingWriter(out) as writer:
        writer.write(encode("hello", hello.source, hello))
        for message in lifted(recorded, lifter):
            topic = "pose3d" if isinstance(message, Pose3D) else "keypoints2d"
            writer.write(encode(topic, hello.source, message))
            poses += topic == "pose3d"
    return poses
