"""`trainers show CLIP --data DIR`: plot a clip in the room and as virtual cameras see it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from engines.skeleton import H36M_17, Array
from trainers.data import motion
from trainers.data.motion import MotionSegment
from trainers.geometry.self_occlusion import visible
from trainers.geometry.virtual_cameras import CameraRange, VirtualView, sample_views
from trainers.test_clips.from_motion import facing

LEFT, RIGHT, MIDDLE = "tab:blue", "tab:red", "0.35"
POSES = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", help="name of a take or of one of its parts: 118_01, 01_01@855")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="made by trainers prepare")
    parser.add_argument("--views", type=int, default=4, help="virtual cameras")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, metavar="PNG", help="default runs/show/CLIP.png")


def main(args: argparse.Namespace) -> int:
    found = motion.load(args.data).clip(args.clip)
    segment = max(found.segments, key=lambda s: len(s.xyz))
    out = args.out or Path("runs/show") / f"{segment.clip.replace('/', '-')}.png"
    out.parent.mkdir(parents=True, exist_ok=True)
    draw(segment, args.views, args.seed, out)
    about = f"subject {segment.subject}, {segment.action or 'no description'}, {segment.seconds:.1f} s"
    print(f"{segment.clip}: {about}: {out}")
    return 0


def draw(segment: MotionSegment, cameras: int, seed: int, out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    moments = np.linspace(0, len(segment.xyz) - 1, POSES).astype(int)
    figure = plt.figure(figsize=(4 + 4 * cameras, 5))
    room = figure.add_subplot(1, cameras + 1, 1, projection="3d")
    for pose in segment.xyz[moments]:
        _bones(room, pose[:, [2, 0, 1]])
    room.set(aspect="equal", zlabel="m")
    figure.suptitle(f"{segment.clip} {segment.action[:60]}")
    view = views(segment, moments, cameras, seed)
    for i in range(cameras):
        axis = figure.add_subplot(1, cameras + 1, 2 + i)
        _view(axis, view, i)
    figure.tight_layout()
    figure.savefig(out, dpi=90)
    plt.close(figure)


def views(segment: MotionSegment, moments: Array, cameras: int, seed: int) -> VirtualView:
    """Return the same moments from several cameras: a batch of one clip each."""
    clip = torch.from_numpy(segment.xyz[moments]).expand(cameras, -1, -1, -1)
    return sample_views(clip, CameraRange(), Generator().manual_seed(seed))


def hidden(view: VirtualView) -> Tensor:
    """Return (B, T, 17) bool: behind the own body, or outside the picture."""
    return ~visible(facing(view)) | ~view.inside


def _view(axis: Any, view: VirtualView, which: int) -> None:
    """Draw the moments side by side, as large as the camera sees them."""
    covered, rays = hidden(view)[which].numpy(), view.rays[which].numpy()
    step = 1.1 * max(float(np.ptp(pose[:, 0])) for pose in rays)
    for k, (pose, away) in enumerate(zip(rays, covered)):
        pose = pose - pose[0] + np.array([k * step, 0], np.float32)
        _bones(axis, pose)
        axis.plot(*pose[~away].T, ".", color="black", markersize=3)
        axis.plot(*pose[away].T, "o", color="tab:orange", markersize=4, fillstyle="none")
    distance = float(view.xyz[which, :, 0, 2].mean())
    axis.set(aspect="equal", title=f"camera {which + 1}: {distance:.1f} m, {covered.mean():.0%} hidden")
    axis.set_axis_off()
    axis.invert_yaxis()


def _bones(axis: Any, pose: Array) -> None:
    for joint, parent in enumerate(H36M_17.parents):
        if parent >= 0:
            colour = LEFT if joint in H36M_17.left else RIGHT if joint in H36M_17.right else MIDDLE
            axis.plot(*pose[[joint, parent]].T, color=colour, linewidth=1)
