"""Live 3D human poses from one webcam, honest about the joints the camera could not see."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtime.client.pose_client import PoseClient
    from realtime.offline.chain import process

__all__ = ["PoseClient", "process"]

_ROOMS = {"PoseClient": "realtime.client.pose_client", "process": "realtime.offline.chain"}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'realtime' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_ROOMS[name]), name)
