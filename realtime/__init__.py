"""Live 3D human poses from one webcam, honest about the joints the camera could not see.

    from realtime import PoseClient

    for pose in PoseClient("tcp://127.0.0.1:5555"):  # of a running `realtime run`
        for person in pose.people:
            print(person["right_wrist"])

`process("clip.mp4")` gives the poses of a film without any server, `load_recording("walk.sp")` those of a recording.
Every name below is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtime.capture.source import Picture, Source, Stamper
    from realtime.client.pose_client import PoseClient
    from realtime.offline.chain import process
    from realtime.recording.recording import Recording, load_recording
    from realtime.wire.messages import Hello, Joint, JointState
    from realtime.wire.messages import Person3D as Person
    from realtime.wire.messages import Pose3D as Pose

__version__ = "0.1.0"

__all__ = [
    "Hello",
    "Joint",
    "JointState",
    "Person",
    "Picture",
    "Pose",
    "PoseClient",
    "Recording",
    "Source",
    "Stamper",
    "load_recording",
    "process",
]

_HOMES = {  # public name -> where it lives
    "PoseClient": ("realtime.client.pose_client", "PoseClient"),
    "process": ("realtime.offline.chain", "process"),
    "load_recording": ("realtime.recording.recording", "load_recording"),
    "Recording": ("realtime.recording.recording", "Recording"),
    "Pose": ("realtime.wire.messages", "Pose3D"),
    "Person": ("realtime.wire.messages", "Person3D"),
    "Joint": ("realtime.wire.messages", "Joint"),
    "JointState": ("realtime.wire.messages", "JointState"),
    "Hello": ("realtime.wire.messages", "Hello"),
    "Picture": ("realtime.capture.source", "Picture"),
    "Source": ("realtime.capture.source", "Source"),
    "Stamper": ("realtime.capture.source", "Stamper"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'realtime' has no attribute {name!r}; it offers {', '.join(__all__)}")
    module, known_as = _HOMES[name]
    return getattr(import_module(module), known_as)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
