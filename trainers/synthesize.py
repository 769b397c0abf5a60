"""Detector-in-the-loop data: pictures with known truth through the real detector, into shards.

Knows: what a shard of rendered clips holds, how work is shared, resumed and reported.
Does not know: the format of a shard (trainers.shards), how a scene looks (trainers.scenes), networks.
`rendered`: the demo's people on training motion, exact truth.  `boards`: see trainers.pasted.
Every shard is a function of (settings, its number): two runs, or one that was killed and resumed, give the same files.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import MISSING, asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

import numpy as np

from realtime.demo.anatomy import Body
from realtime.demo.hidden import Hidden
from realtime.demo.looks import Pool
from realtime.detector import Detector
from trainers.data.motion import MotionSet, Segment, load, split
from trainers.errors import UserError
from trainers.mixtures import mixed
from trainers.observe import observe, open_observer
from trainers.scenes import Scene, draw_scene
from trainers.shards import BOARD, OTHER, OUTSIDE, OWN, Clip, shard_path, write_shard

SHARD_FRAMES = 1000
CLIP_FRAMES = (90, 240)  # shortest, longest
SETTINGS = "synthesis.json"


@dataclass(frozen=True)
class RenderedSettings:
    """What decides the content of the shards; written beside them and compared on resume."""

    motion: str
    seed: int
    part: str = "train"  # train | validation: subjects, and with them the pool of looks
    model: str = "auto"
    kind: str = "rendered"
    mix: float = 0.0  # share of clips that take limbs and angles from another one
    clip: tuple[int, ...] = CLIP_FRAMES

    @property
    def pool(self) -> Pool:
        return "heldout" if self.part == "validation" else "train"


def synthesize_rendered(
    motion: Path, out: Path, frames: int, workers: int = 1, seed: int = 0, part: str = "train", model: str = "auto",
    resume: bool = False, report: TextIO = sys.stderr, **more: Any,
) -> list[Path]:  # fmt: skip
    settings = RenderedSettings(str(motion), seed, part, model, **more)
    if not 0 <= settings.mix <= 1:
        raise UserError(f"--mix {settings.mix}: a share from 0 to 1")
    if not 2 <= settings.clip[0] < settings.clip[1]:
        raise UserError(f"--clip {' '.join(map(str, settings.clip))}: two counts of frames, 2 or more, rising")
    motions(settings)  # a wrong folder is told before anything starts
    return run(settings, render_shard, out, -(-frames // SHARD_FRAMES), workers, resume, report)


def motions(settings: RenderedSettings) -> list[Segment]:
    """Segments of a second or more, of the settings' subjects."""
    everything = load(settings.motion)
    long = MotionSet(tuple(s for s in everything.segments if s.seconds >= 1.0), everything.name)
    if not long.segments:
        raise UserError(f"{settings.motion}: no segment of a second or more; prepare more motion: trainers prepare cmu")
    train, validation = split(long)
    return list((validation if settings.part == "validation" else train).segments)


def render_shard(settings: RenderedSettings, number: int, out: Path) -> int:
    """Writes one shard; answers its frames."""
    segments, detector = _opened(settings)
    rng = np.random.default_rng([settings.seed, number])
    weights = np.array([s.seconds for s in segments]) ** 0.5  # long clips of one action do not drown the rare ones
    clips: list[Clip] = []

    def drawn() -> Segment:
        return segments[int(rng.choice(len(segments), p=weights / weights.sum()))]

    while sum(map(len, clips)) < SHARD_FRAMES:
        segment = drawn()
        if settings.mix and rng.random() < settings.mix:
            segment = mixed(segment, drawn(), int(rng.integers(1 << 31)))
        frames, key = int(rng.integers(*settings.clip)), int(rng.integers(1 << 31))
        scene = draw_scene(segment.xyz, segment.fps, [settings.seed, number, key], settings.pool, frames)
        clips.append(shoot(scene, segment, settings.pool, detector))
    write_shard(out, number, clips)
    return sum(map(len, clips))


def shoot(scene: Scene, segment: Segment, pool: str, detector: Detector) -> Clip:
    """Every picture of a scene through the detector, beside what is true."""
    seen = observe((scene.image(k) for k in range(len(scene))), scene.times, detector)
    truth = _stacked([_truth(scene, k) for k in range(len(scene))])
    camera = scene.base
    return Clip(
        name=segment.clip, subject=segment.subject, kind="rendered", pool=pool, fps=scene.fps, width=camera.width,
        height=camera.height, focal=camera.focal, cx=camera.cx, cy=camera.cy, t=scene.times, **seen, **truth,
    )  # fmt: skip


def _truth(scene: Scene, k: int) -> dict[str, Any]:
    person, reasons = scene.truth(k)
    return {
        "truth_xy": scene.camera(k).project(person.points),
        "root": person.joints[0],
        "xyz": person.joints - person.joints[0],
        "xyz33": person.points - person.joints[0],
        "hidden": hidden_bits(reasons),
        "trusted": _trusted(person),
    }


def hidden_bits(reasons: Hidden) -> np.ndarray:
    flags = ((reasons.board, BOARD), (reasons.own, OWN), (reasons.outside, OUTSIDE), (reasons.other, OTHER))
    return np.asarray(sum(flag.astype(np.uint8) * bit for flag, bit in flags), np.uint8)


def _trusted(person: Body) -> np.ndarray:
    """Points behind the camera have no place in the picture."""
    return np.asarray(person.points[:, 2] > 0.1)


def _stacked(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


_open: dict[str, Any] = {}  # of this process: motion and detector, opened once


def _opened(settings: RenderedSettings) -> tuple[list[Segment], Detector]:
    if _open.get("settings") != settings:
        _open.update(settings=settings, motions=motions(settings), detector=open_observer(settings.model))
    return _open["motions"], _open["detector"]


def run(
    settings: Any, work: Callable[[Any, int, Path], int], out: Path, shards: int, workers: int, resume: bool,
    report: TextIO,
) -> list[Path]:  # fmt: skip
    """Missing shards, by several processes; what is complete stays, what is not leaves no trace."""
    _claim(settings, out, resume)
    missing = [n for n in range(shards) if not shard_path(out, n).exists()]
    progress = Progress(len(missing), report)
    for frames in _results(settings, work, out, missing, workers):
        progress.step(frames)
    return [shard_path(out, n) for n in range(shards)]


def _results(
    settings: Any, work: Callable[[Any, int, Path], int], out: Path, missing: list[int], workers: int
) -> Iterator[int]:
    if workers <= 1:
        yield from (work(settings, n, out) for n in missing)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(work, settings, n, out) for n in missing]
        try:
            yield from (done.result() for done in as_completed(waiting))
        finally:
            for one in waiting:
                one.cancel()


def _claim(settings: Any, out: Path, resume: bool) -> None:
    """The folder belongs to these settings, or is new."""
    out.mkdir(parents=True, exist_ok=True)
    note, wanted = out / SETTINGS, asdict(settings)
    if not note.exists():
        if any(out.glob("shard_*.npz")):
            raise UserError(f"{out}: shards without {SETTINGS}; synthesize into an empty folder")
        note.write_text(json.dumps(wanted, indent=1) + "\n")
        return
    usual = {f.name: f.default for f in fields(settings) if f.default is not MISSING}
    found, wanted = json.loads(json.dumps(usual)) | json.loads(note.read_text()), json.loads(json.dumps(wanted))
    if found != wanted:
        odd = [f"{k} {found.get(k)!r} there, {v!r} asked" for k, v in wanted.items() if found.get(k) != v]
        raise UserError(f"{out}: made with other settings ({'; '.join(odd)}); choose another --out")
    if not resume and any(out.glob("shard_*.npz")):
        raise UserError(f"{out}: already holds shards of these settings; go on with --resume or choose another --out")
    for partial in out.glob("*.partial"):
        partial.unlink()


class Progress:
    """Shards done, frames a second, time left; one line, rewritten on a terminal."""

    def __init__(self, total: int, report: TextIO) -> None:
        self._total, self._report, self._start = total, report, monotonic()
        self._done = self._frames = 0

    def step(self, frames: int) -> None:
        self._done, self._frames = self._done + 1, self._frames + frames
        seconds = max(monotonic() - self._start, 1e-9)
        left = seconds / self._done * (self._total - self._done)
        end = "\n" if self._done == self._total or not self._report.isatty() else "\r"
        line = f"{self._done}/{self._total} shards  {self._frames} frames  {self._frames / seconds:.1f} frames/s"
        self._report.write(f"{line}  {left / 60:.1f} min left{end}")
        self._report.flush()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True)
    rendered = kinds.add_parser("rendered", help="rendered people on training motion")
    rendered.add_argument("--motion", type=Path, required=True, help="folder of subject_*.npz")
    rendered.add_argument("--frames", type=int, default=100_000)
    rendered.add_argument("--part", choices=("train", "validation"), default="train", help="whose motion, which looks")
    rendered.add_argument("--mix", type=float, default=0.0, help="share of clips with limbs and angles of another clip")
    rendered.add_argument(
        "--clip",
        type=int,
        nargs=2,
        default=CLIP_FRAMES,
        metavar=("LOW", "HIGH"),
        help="frames a clip: short ones show more people in as many frames",
    )
    bursts = kinds.add_parser("bursts", help="many poses before many cameras, single frames of them kept")
    bursts.add_argument("--motion", type=Path, required=True, help="folder of subject_*.npz")
    bursts.add_argument("--frames", type=int, default=200_000, help="kept frames, about")
    bursts.add_argument("--part", choices=("train", "validation"), default="train", help="whose motion, which looks")
    bursts.add_argument("--desk", type=float, default=1 / 3, help="share of half bodies at a desk before a webcam")
    bursts.add_argument("--occluders", type=float, default=0.2, help="share of bursts with a limb or a half hidden")
    boards = kinds.add_parser("boards", help="real footage with boards pasted over limbs")
    boards.add_argument("videos", nargs="+", metavar="VIDEO")
    boards.add_argument("--passes", type=int, default=8, help="how often each stretch is covered anew")
    for kind in (rendered, bursts, boards):
        kind.add_argument("--out", type=Path, required=True)
        kind.add_argument("--workers", type=int, default=1, help="processes, one core each")
        kind.add_argument("--seed", type=int, default=0)
        kind.add_argument(
            "--model", default="auto", help="detector bundle (.task); auto: the one of realtime fetch-model"
        )
        kind.add_argument(
            "--resume", action="store_true", help="go on where an earlier run of the same settings stopped"
        )


def main(args: argparse.Namespace) -> int:
    shared = {"workers": args.workers, "seed": args.seed, "model": args.model, "resume": args.resume}
    if args.kind == "rendered":
        synthesize_rendered(
            args.motion, args.out, args.frames, part=args.part, mix=args.mix, clip=tuple(args.clip), **shared
        )
    elif args.kind == "bursts":
        from trainers.synthesis.bursts import synthesize_bursts

        synthesize_bursts(
            args.motion, args.out, args.frames, part=args.part, desk=args.desk, occluders=args.occluders, **shared
        )
    else:
        from trainers.pasted import synthesize_boards

        synthesize_boards(args.videos, args.out, args.passes, **shared)
    return 0
