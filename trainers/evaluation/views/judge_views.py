"""Judge lifters before calibrated cameras: one detector pass a film and occluder case, every model on what it found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.skeleton import H36M_17
from realtime.config.schema import RunConfig
from realtime.detect.mediapipe_detector import Detector
from realtime.occlude.rule_based import SEEN
from trainers.data.multiview import CalibratedFilms, FittedCamera, ReferenceJoints, pictures
from trainers.errors import UserError
from trainers.evaluation.occluders.occluder_cases import FIVE, Cover, PastedOccluder, cases_of
from trainers.evaluation.run_films import LiftedFilm, Observed, calibrated, detector_3d, last_observed, observe
from trainers.evaluation.views.view_measures import Errors, all_finite, flags, length_variation, mean, measure

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
Predict = Callable[[Observed, RunConfig, tuple[str, ...]], LiftedFilm]
OPEN = "open"  # the run without an occluder
BASELINES: dict[str, Predict] = {
    "detector": lambda observed, _, joints: LiftedFilm(detector_3d(observed, joints)),
    "last-observed": lambda observed, _, joints: LiftedFilm(last_observed(observed, joints)),
}
Figures = dict[str, float]
RECOVERED_MM = 10.0  # as good as without the occluder


@dataclass(frozen=True)
class Case:
    """One run of detector and filter over one film."""

    name: str
    observed: Observed
    occluded: Mask  # (T, J) under the occluder
    inside: Mask  # (T, J) within the picture


@dataclass(frozen=True)
class FilmRuns:
    """All cases of one camera."""

    view: FittedCamera
    joints: tuple[str, ...]
    truth: F64  # (T, J, 3) m in camera axes, NaN where unknown
    cases: tuple[Case, ...]
    fps: float


def judged_joints(views: CalibratedFilms) -> tuple[str, ...]:
    """List the reference joints that every lifter answers with: those among Human3.6M's seventeen."""
    joints = tuple(joint for joint in views.reference.joints if joint in H36M_17.joints)
    if not joints:
        raise UserError(
            f"{views.name}: the reference has {', '.join(views.reference.joints)}; expected limb joints such as "
            "left_elbow; make it anew: trainers triangulate"
        )
    return joints


def run_films(
    views: CalibratedFilms, detector: Detector, config: RunConfig, covers: Sequence[Cover] = FIVE
) -> Iterator[FilmRuns]:
    """Yield each camera of a set: the film as it is, then with every occluder."""
    joints = judged_joints(views)
    xyz = views.reference.xyz[:, [views.reference.joints.index(joint) for joint in joints]]
    for view in views.views:
        xy = view.camera.pixels(xyz)
        inside: Mask = np.asarray(((xy >= 0) & (xy < view.camera.size)).all(-1))
        occluders: dict[str, PastedOccluder | None] = {OPEN: None}
        occluders |= cases_of(joints, xyz, view.camera, views.reference.fps, covers)
        cases = tuple(
            Case(name, _observed(view, occluder, views.reference, detector, config),
                 np.zeros(inside.shape, bool) if occluder is None else occluder.hides(xy), inside)
            for name, occluder in occluders.items()
        )  # fmt: skip
        yield FilmRuns(view, joints, view.camera.to_camera(xyz), cases, views.reference.fps)


def _observed(
    view: FittedCamera,
    occluder: PastedOccluder | None,
    reference: ReferenceJoints,
    detector: Detector,
    config: RunConfig,
) -> Observed:
    images: Iterable[Any] = pictures(view.film, len(reference.xyz))
    if occluder is not None:
        images = (occluder.over(image, k) for k, image in enumerate(images))
    observed = observe(images, reference.fps, detector, config)
    if len(observed.keypoints) != len(reference.xyz):
        raise UserError(
            f"{view.film.path}: {len(observed.keypoints)} of {view.film.frames} frames can be read; convert it anew"
        )
    return observed


def judge(runs: FilmRuns, predict: Predict, config: RunConfig, lens: str) -> dict[str, Figures]:
    """Return figures of one model on one film: visible, occluded."""
    with calibrated(config, runs.view.camera) as known:
        given = known if lens == "calibrated" else config
        answers = [predict(case.observed, given, runs.joints) for case in runs.cases]
        errors = [measure(one.xyz, runs.truth, runs.joints, one.sigma) for one in answers]
    cases = {
        case.name: _occluded(one, case) | {"recovery_ms": recovery_ms(one, errors[0], case.occluded, runs.fps)}
        for one, case in zip(errors[1:], runs.cases[1:])
    }
    every = {"occluded": mean_of(list(cases.values()))} | {f"occluded, {name}": row for name, row in cases.items()}
    return {"visible": visible(errors[0], runs), **every}


def visible(errors: Errors, runs: FilmRuns) -> Figures:
    """Of the run without an occluder, joints within the picture."""
    inside, known = runs.cases[0].inside, all_finite(runs.truth)
    return {
        "unaligned_mm": mean(errors.unaligned, inside), "aligned_mm": mean(errors.aligned, inside),
        "bones_deg": mean(errors.degrees), "velocity_mm": mean(errors.velocity, inside),
        "swaps": mean(errors.swapped), "length_variation": length_variation(errors.lengths),
        "jitter": mean(errors.jitter, inside),
        "within_sigma": mean(errors.within[0], inside), "within_1.96_sigma": mean(errors.within[1], inside),
        "answered": float(np.isfinite(errors.unaligned)[known].mean()),
    }  # fmt: skip


def _occluded(errors: Errors, case: Case) -> Figures:
    """Return joints under the occluder, bones with an end under it, frames with somebody under it."""
    during: Mask = np.asarray(case.occluded.any(-1))
    bones = [case.occluded[:, a] | case.occluded[:, b] for _, a, b in errors.bones]
    return {
        "unaligned_mm": mean(errors.unaligned, case.occluded), "aligned_mm": mean(errors.aligned, case.occluded),
        "bones_deg": mean(errors.degrees, np.stack(bones, -1)) if bones else math.nan,
        "velocity_mm": mean(errors.velocity, case.occluded), "swaps": mean(errors.swapped, during),
        "within_sigma": mean(errors.within[0], case.occluded),
        "within_1.96_sigma": mean(errors.within[1], case.occluded),
    }  # fmt: skip


def recovery_ms(errors: Errors, undisturbed: Errors, occluded: Mask, fps: float) -> float:
    """From the last frame under the occluder until its joints are as good as without it; NaN where they never are."""
    frames = np.flatnonzero(occluded.any(-1))
    if not len(frames) or frames[-1] + 1 >= len(occluded):
        return math.nan
    after, joints = frames[-1] + 1, occluded.any(0)
    worse = (errors.aligned - undisturbed.aligned)[after:, joints]
    level = [mean(row) <= RECOVERED_MM for row in worse]  # a frame without a reference is none
    return level.index(True) * 1000 / fps if any(level) else math.nan


def occlusion_flags(runs: FilmRuns) -> Figures:
    """Return how well the filter's reliability tells occluded joints, over all occluder cases of a film."""
    cases = [case for case in runs.cases if case.occluded.any()]
    if not cases:
        return {}
    said = np.concatenate([case.observed.reliability(runs.joints)[case.inside] for case in cases])
    truth = np.concatenate([case.occluded[case.inside] for case in cases])
    return flags(said, truth, SEEN) | {"share": float(truth.mean())}


def together(figures: list[dict[str, Figures]]) -> dict[str, Figures]:
    """Return mean of the cameras, each counting the same."""
    parts = {part: None for one in figures for part in one}
    return {part: mean_of([one[part] for one in figures if part in one]) for part in parts}


def mean_of(rows: list[Figures]) -> Figures:
    """Figure by figure; what a row lacks or does not know does not count."""
    keys = {key: None for row in rows for key in row}
    return {key: nanmean([row.get(key, math.nan) for row in rows]) for key in keys}


def nanmean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def behind(model: dict[str, Figures], detector: dict[str, Figures]) -> list[str]:
    """Visible columns in which a model is worse than the detector's own 3D, with both figures."""
    return [
        f"{key} {model['visible'][key]:.1f} against {value:.1f}"
        for key, value in detector["visible"].items()
        if key.endswith(("_mm", "_deg")) and round(model["visible"][key], 1) > round(value, 1)
    ]
