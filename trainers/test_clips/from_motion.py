"""Build test clips from motion or recorded views: inputs as a lifter gets them, truth, who hid when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from engines.skeleton import H36M_17, Array
from trainers.augmentation import occlusion_masks
from trainers.augmentation.detector_noise import Detections, NoiseRange, observe
from trainers.data import bank as banks
from trainers.data import motion as motions
from trainers.data import views
from trainers.data.motion import MotionSet
from trainers.data.views import RecordedView
from trainers.errors import UserError
from trainers.geometry.person_frame import toward
from trainers.geometry.self_occlusion import visible
from trainers.geometry.virtual_cameras import CameraRange, VirtualView, sample_views
from trainers.skeleton.body_variation import mirror
from trainers.test_clips import conditions as words

CLIP_S = 8.0
ORDER = torch.from_numpy(H36M_17.mirror())
SUITES: dict[str, dict[str, float]] = {  # share of clips that each mask falls on
    "none": {},
    **{name: {name: 1.0} for name in occlusion_masks.MASKS},
    "mixed": {"boards": 0.4, "limbs": 0.4, "halves": 0.15, "legs_out": 0.15},
}
DETECTOR = NoiseRange(world_missing=0)


@dataclass(frozen=True)
class TestClip:
    """One clip of one person, starting with a reset.  J: joints of the detector, or the 17 themselves."""

    __test__ = False  # no test for pytest to collect

    clip: str
    subject: str
    action: str
    fps: float
    joints: str  # joint set of x, reliability, world
    x: Array  # (T, J, 2) rays
    reliability: Array  # (T, J)
    world: Array  # (T, J, 3) m
    pose: Array  # (T, 17, 3) m, root-relative, camera axes
    hidden: NDArray[np.bool_]  # (T, 17) behind something, or outside the picture
    own: NDArray[np.bool_]  # (T, 17) behind the own body
    counts: NDArray[np.bool_]  # (T, 17) truth is known
    conditions: dict[str, str] = field(default_factory=dict)  # in words: how the camera sees the person
    outside: NDArray[np.bool_] | None = None  # (T, 17) beyond the picture's edge; None: unknown
    root: Array | None = None  # (T,) m from the camera to the pelvis, along its ray


def from_motion(
    motion: MotionSet,
    suite: str,
    seed: int = 1,
    fps: float = 30.0,
    perfect: bool = False,
    limits: CameraRange | None = None,
) -> Iterator[TestClip]:
    """Yield every segment, in pieces of at most 8 s, each from one virtual camera of its own."""
    for number, segment in enumerate(motion.segments):
        alone = banks.bank(MotionSet((segment,)), shortest_s=0.0)
        pieces = max(1, round(segment.seconds / CLIP_S))
        for piece in range(pieces):
            generator = Generator().manual_seed(seed * 1_000_003 + number * 1009 + piece)
            first, last = piece * segment.seconds / pieces, (piece + 1) * segment.seconds / pieces
            times = torch.arange(first, last - 1 / segment.fps, 1 / fps)
            xyz = banks.gather(alone, torch.tensor([0]), (times * segment.fps)[None])
            yield _virtual(xyz, segment, fps, SUITES[suite], perfect, limits or CameraRange(), generator)


def _virtual(
    xyz: Tensor, segment: motions.MotionSegment, fps: float, shares: dict[str, float], perfect: bool,
    limits: CameraRange, g: Generator,
) -> TestClip:  # fmt: skip
    xyz = mirror(xyz, torch.rand(1, generator=g) < 0.5)
    view = sample_views(xyz, limits, g)
    hidden = occlusion_masks.mixed(view.rays, g, shares) | ~view.inside
    seen = exact(view, hidden) if perfect else observe(view, hidden, DETECTOR, ORDER, g)
    return TestClip(
        segment.clip, segment.subject, segment.action, fps, H36M_17.name, seen.x[0].numpy(),
        seen.reliability[0].numpy(), seen.world[0].numpy(), view.pose[0].numpy(), hidden[0].numpy(),
        (~visible(facing(view)))[0].numpy() & ~hidden[0].numpy(), np.ones(hidden.shape[1:], bool), conditions(view),
        ~view.inside[0].numpy(),
        ((1 + view.rays[:, :, 0].square().sum(-1)).sqrt() / view.metres)[0].numpy(),
    )  # fmt: skip


def facing(view: VirtualView) -> Tensor:
    """Return (B, T, 17, 3) the pose as a camera sees it that looks at the pelvis."""
    return view.pose @ toward(view.xyz[:, :, 0, :2] / view.xyz[:, :, 0, 2:].clamp_min(0.1))


def exact(view: VirtualView, hidden: Tensor) -> Detections:
    """Return a detector without errors that knows what it cannot see."""
    return Detections(view.rays, (~hidden).float(), facing(view))


def conditions(view: VirtualView) -> dict[str, str]:
    """In words, of a batch of one: for tables by condition."""
    ray = (view.xyz[0, :, 0, :2] / view.xyz[0, :, 0, 2:].clamp_min(0.1)).norm(dim=-1).mean()
    up = view.rotation[0] @ torch.tensor([0.0, 1.0, 0.0])
    width, height = view.half[0].tolist()
    return {
        "place": "centre" if ray < 0.2 else "aside" if ray < 0.5 else "edge",
        "camera": words.tilt(up.numpy()),
        "distance": words.distance(float(view.xyz[0, :, 0, 2].mean())),
        "format": words.shape(width, height),
        "picture": words.cut(float(view.inside.float().mean())),
    }


def from_views(folder: Path, suite: str, subjects: tuple[str, ...] = (), seed: int = 1) -> Iterator[TestClip]:
    """Real cameras' keypoints; a suite hides some of them."""
    found = views.load(folder)
    there = {v.subject for v in found.views}
    asked = set(subjects) or there & set(motions.PUBLISHED_TEST) or there
    chosen = [v for v in found.views if v.subject in asked]
    if not chosen:
        raise UserError(f"{folder}: no view of {', '.join(subjects)}; it has {', '.join(sorted(there))}")
    for number, view in enumerate(chosen):
        yield recorded(view, found.known, SUITES[suite], Generator().manual_seed(seed * 1_000_003 + number))


def recorded(view: RecordedView, known: NDArray[np.bool_], shares: dict[str, float], g: Generator) -> TestClip:
    xy = torch.from_numpy(view.xy)
    outside = occlusion_masks.outside(xy, *view.size)
    hidden = occlusion_masks.mixed(xy[None], g, shares)[0] | outside
    pose = view.xyz - view.xyz[:, :1]
    return TestClip(
        f"{view.clip} {view.camera}", view.subject, view.action, view.fps, H36M_17.name, view.rays(),
        np.where(hidden.numpy(), 0, view.score).astype(np.float32), np.zeros_like(pose), pose, hidden.numpy(),
        np.zeros(hidden.shape, bool), view.valid[:, None] & known, outside=outside.numpy(),
        root=np.linalg.norm(view.xyz[:, 0], axis=-1),
    )  # fmt: skip


def flipped(trial: TestClip, order: NDArray[np.int64]) -> TestClip:
    """Return what a mirror shows the network; `order` exchanges left and right in the trial's joint set."""
    sign = np.array([-1, 1, 1], np.float32)
    return replace(
        trial,
        x=trial.x[:, order] * sign[:2],
        reliability=trial.reliability[:, order],
        world=trial.world[:, order] * sign,
    )


def noisier(trial: TestClip, px: float, seed: int, focal_px: float = 1145.0) -> TestClip:
    """Return the same clip with Gaussian error of so many pixels on every keypoint, each frame by itself."""
    if px <= 0:
        return trial
    rng = np.random.default_rng([seed, *trial.clip.encode()])
    return replace(trial, x=(trial.x + rng.normal(0, px / focal_px, trial.x.shape)).astype(np.float32))
