"""`trainers triangulate FILMS --calibration FILE --out DIR`: reference joints from a user's own synchronised cameras.

The folder is what `trainers evaluate --views` reads: calibration.json, reference.npz, the films named as their cameras,
and `reprojection.json`.  Frames of one index belong together: films that start at different moments must be cut first.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from engines.skeleton import BLAZEPOSE_33
from realtime.calibration.calibrated_camera import CalibratedCamera
from realtime.calibration.calibration_files import METRES, read_cameras
from realtime.calibration.film_names import matching
from realtime.calibration.opencv_json import write_calibration
from realtime.config.schema import OcclusionConfig, RunConfig
from trainers.data.multiview import (
    CALIBRATION,
    REFERENCE,
    CalibratedFilm,
    FittedCamera,
    ReferenceJoints,
    fitted,
    pictures,
    probe,
    same_length,
    write_reference,
)
from trainers.errors import UserError
from trainers.evaluation.run_films import Observed, observe
from trainers.evaluation.views.evaluate_views import number, opened_detector, plain
from trainers.evaluation.views.view_measures import LIMBS, all_finite, length_variation
from trainers.geometry.reference_joints import FEWEST_VIEWS, TOLERANCE, Triangulated, triangulate_joints

F64 = NDArray[np.float64]
JOINTS = BLAZEPOSE_33.joints
SEEN = 0.2  # reliability of a view that counts at all
SHOULDERS_M = (0.15, 0.7)  # between a child's and a giant's
KNOWN_SHARE = 0.1  # of the frames: below, calibration and films can hardly belong together
SAME_RATE = 0.02


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("films", nargs="+", type=Path, metavar="FILM", help="one a camera, two or more, synchronised")
    parser.add_argument("--calibration", type=Path, required=True, metavar="FILE", help="JSON, TOML or Qualisys text")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--cameras", default="", metavar="A,B", help="names of the films' cameras, in their order")
    parser.add_argument("--unit", choices=("auto", *METRES), default="auto", help="of the calibration's lengths")
    parser.add_argument("--detector", default="full", metavar="MODEL", help="what detector.model takes")
    parser.add_argument("--fps", type=float, default=0.0, help="frames a second; default: what the films declare")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, metavar="SHARE",
                        help="reprojection error of a view that agrees, of the picture's longer side")  # fmt: skip


def main(args: argparse.Namespace) -> int:
    cv2.setNumThreads(1)
    cameras, unit = read_cameras(args.calibration, args.unit)
    views = paired([probe(film) for film in args.films], cameras, args)
    fps = args.fps or rate([view.film for view in views])
    frames = shortest([view.film for view in views])
    detector = opened_detector(args.detector)
    try:
        observed = [seen_by(view, frames, fps, detector) for view in views]
    finally:
        detector.close()
    found = from_views(views, observed, args.tolerance)
    check(found.xyz, views, args.calibration, unit)
    report = summary(found, views) | {"detector": detector.name, "unit": unit, "frames": frames, "fps": fps}
    write(args.out, views, ReferenceJoints(found.xyz, JOINTS, fps), report)
    return 0


def paired(
    films: list[CalibratedFilm], cameras: list[CalibratedCamera], args: argparse.Namespace
) -> list[FittedCamera]:
    """Return each film with its camera, fitted to the film's size."""
    if len(films) < FEWEST_VIEWS:
        raise UserError(f"{len(films)} film, expected {FEWEST_VIEWS} or more of one scene: one camera tells no depth")
    asked = [name for name in args.cameras.split(",") if name]
    names = asked or [matching(film.path, cameras, args.calibration) for film in films]
    by_name = {camera.name: camera for camera in cameras}
    if len(names) != len(films) or set(names) - set(by_name) or len(set(names)) < len(names):
        raise UserError(
            f"{len(films)} films go with cameras {', '.join(names)}; {args.calibration} has {', '.join(by_name)}: "
            "give each film a camera of its own, in the films' order: --cameras A,B"
        )
    return [FittedCamera(fitted(by_name[name], film), film) for name, film in zip(names, films)]


def rate(films: list[CalibratedFilm]) -> float:
    rates = [film.fps for film in films]
    if min(rates) <= 0 or max(rates) / min(rates) > 1 + SAME_RATE:
        said = ", ".join(f"{film.path.name} {film.fps:.3g}" for film in films)
        raise UserError(f"frames a second: {said}; expected one rate for all: convert the films, or say --fps")
    return rates[0]


def shortest(films: list[CalibratedFilm]) -> int:
    """Return frames that all films have."""
    frames = min(film.frames for film in films)
    if not all(same_length(film.frames, frames) for film in films):
        said = ", ".join(f"{film.path.name} {film.frames}" for film in films)
        raise UserError(f"frames: {said}; frames of one index belong together: cut the films to the same moments")
    return frames


def seen_by(view: FittedCamera, frames: int, fps: float, detector: Any) -> Observed:
    observed = observe(pictures(view.film, frames), fps, detector, RunConfig(occlusion=OcclusionConfig()))
    if len(observed.keypoints) < frames:
        raise UserError(f"{view.film.path}: only {len(observed.keypoints)} of {frames} frames can be read; convert it")
    return observed


def from_views(views: list[FittedCamera], observed: list[Observed], tolerance: float) -> Triangulated:
    """Weights are reliabilities; what a view hardly saw does not count."""
    xy = np.stack([_xy(one) for one in observed])
    reliability = np.stack([one.reliability(JOINTS) for one in observed])
    weight = np.where(reliability >= SEEN, reliability, 0.0)
    return triangulate_joints(xy, weight, [view.camera for view in views], tolerance)


def _xy(observed: Observed) -> F64:
    nobody = np.zeros((len(JOINTS), 2))
    return np.stack([np.asarray(f.people[0].xy, np.float64) if f.people else nobody for f in observed.keypoints])


def check(xyz: F64, views: list[FittedCamera], calibration: Path, unit: str) -> None:
    """Check that the triangulated body has a plausible size and is seen in a fair share of the frames."""
    ends = [JOINTS.index("left_shoulder"), JOINTS.index("right_shoulder")]
    known = np.isfinite(xyz[:, ends]).all((1, 2))
    named = ", ".join(view.film.path.name for view in views)
    if known.mean() < KNOWN_SHARE:
        raise UserError(
            f"{named}: both shoulders agree in {known.mean():.0%} of the frames; films and {calibration} do not belong "
            "together, are not synchronised, or show several people: check --cameras, cut the films alike"
        )
    width = float(np.median(np.linalg.norm(xyz[known][:, ends[0]] - xyz[known][:, ends[1]], axis=-1)))
    if not SHOULDERS_M[0] < width < SHOULDERS_M[1]:
        raise UserError(
            f"{calibration}: shoulders would be {width:.3g} m wide, its lengths being taken for {unit}; say --unit "
            f"{', '.join(other for other in METRES if other != unit)}"
        )


def summary(triangulated: Triangulated, views: list[FittedCamera]) -> dict[str, Any]:
    """Reprojection errors in px and shares of agreeing views, per camera and joint; lengths of the limb bones."""
    error, known = np.where(triangulated.agrees, triangulated.error_px, np.nan), all_finite(triangulated.xyz)
    ends = [(name, JOINTS.index(a), JOINTS.index(b)) for name, a, b in LIMBS]
    lengths = np.stack(
        [np.linalg.norm(triangulated.xyz[:, a] - triangulated.xyz[:, b], axis=-1) for _, a, b in ends], -1
    )
    return {
        "cameras": {v.camera.name: _row(error[k], triangulated.agrees[k]) for k, v in enumerate(views)},
        "joints": {joint: _row(error[:, :, k], known[:, k]) for k, joint in enumerate(JOINTS)},
        "bones": {
            name: {"length_mm": 1000 * _mean(lengths[:, [k]]), "variation": length_variation(lengths[:, [k]])}
            for k, (name, _, _) in enumerate(ends)
        },
    }  # fmt: skip


def _row(error: F64, known: NDArray[np.bool_]) -> dict[str, float]:
    finite = error[np.isfinite(error)]
    quantile = float(np.quantile(finite, 0.95)) if finite.size else float("nan")
    return {"mean_px": _mean(error), "p95_px": quantile, "share": float(known.mean())}


def _mean(values: F64) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def write(out: Path, views: list[FittedCamera], reference: ReferenceJoints, report: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for view in views:
        target = out / f"{view.camera.name}{view.film.path.suffix.lower()}"
        if target.resolve() != view.film.path.resolve():
            shutil.copyfile(view.film.path, target)
    write_calibration(out / CALIBRATION, [view.camera for view in views])
    write_reference(out / REFERENCE, reference)
    (out / "reprojection.json").write_text(json.dumps(plain(report), indent=1) + "\n")
    show(report, Console(width=100))
    print(f"{out}/{REFERENCE}, {out}/{CALIBRATION}, {out}/reprojection.json")
    print(f"judge with: trainers evaluate MODEL --views {out}")


def show(report: dict[str, Any], console: Console) -> None:
    for title, rows in (("camera", report["cameras"]), ("joint", report["joints"])):
        table = Table(title, "reprojection, px", "95 %, px", "known %", box=box.MARKDOWN)
        for name, row in rows.items():
            table.add_row(name, number(row["mean_px"]), number(row["p95_px"]), number(100 * row["share"]))
        console.print(table)
    bones = ", ".join(f"{k} {v['length_mm']:.0f} mm ± {100 * v['variation']:.1f} %" for k, v in report["bones"].items())
    console.print(f"bones: {bones}; lengths taken for {report['unit']}", highlight=False, soft_wrap=True)
