"""How well each cue tells hidden joints: on the rendered man and on footage with boards pasted on it.

`python -m tests.support.feature_bench.bench --clip FOOTAGE.mp4 [--engine NAME]` prints a table and, last, a JSON line.
AUC: the chance that a hidden joint is doubted more than one in the open (0.5: the cue knows nothing).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np

from realtime.config.schema import CueConfig, OcclusionConfig
from realtime.detect.mediapipe_detector import LOW_PASS
from realtime.occlude import features
from realtime.occlude.features import FeatureMemory, JointObservation
from realtime.occlude.occlusion_filter import open_filter
from realtime.occlude.optical_flow import trace
from realtime.occlude.rule_based import Evidence, gather, reliability
from realtime.transport.frame_ring import grey_copy
from realtime.wire.messages import Keypoints2D, Person2D, Stamp
from tests.support.feature_bench.occluded_clips import BODY, HZ, Labelled, pasted, rendered

SIGMA, THRESHOLD = 0.1, 0.3
NONE = CueConfig(**{f.name: False for f in fields(CueConfig)})
EQ2 = replace(NONE, confidence=True, flow=True)
Scores = np.ndarray  # (N,) reliability of the joints whose label is known


def measure(clip: Labelled) -> tuple[Evidence, np.ndarray]:
    """Evidence of every frame, (T, J) each, and (T, J) where there is some."""
    rows: list[Evidence | None] = []
    past: FeatureMemory | None = None
    grey_before = None
    for image, one in zip(clip.images, clip.found):
        grey, scale = grey_copy(image)
        if one is None:
            past = None
            rows.append(None)
        else:
            seen = JointObservation(one.xy, one.score, one.presence, one.world, *clip.size)
            flow = trace(grey_before, grey, past.xy, scale) if past and grey_before is not None else None
            now = features.remembered(past, seen, 1 / HZ)
            rows.append(gather(past or now, now, seen, flow))
            past = now
        grey_before = grey
    blank = Evidence(*(np.zeros(33, np.float32) for _ in fields(Evidence)))
    table = {f.name: np.array([getattr(row or blank, f.name) for row in rows]) for f in fields(Evidence)}
    return Evidence(**table), np.repeat([[row is not None] for row in rows], 33, 1)


def low_passed(score: np.ndarray) -> np.ndarray:
    """Visibility as MediaPipe smooths it."""
    kept = score.copy()
    for i in range(1, len(kept)):
        kept[i] = LOW_PASS * score[i] + (1 - LOW_PASS) * kept[i - 1]
    return kept


def rules() -> dict[str, Callable[[Evidence], np.ndarray]]:
    """Name -> reliability (T, J) by that rule."""

    def of(used: CueConfig) -> Callable[[Evidence], np.ndarray]:
        return lambda e: reliability(e, used, SIGMA)

    alone: dict[str, Callable[[Evidence], np.ndarray]] = {
        "visibility as smoothed by the detector": lambda e: low_passed(e.score),
        "visibility, low-pass undone": lambda e: e.score,
        "presence": lambda e: e.presence,
        "flow residual": lambda e: -np.maximum(e.residual, 0),
        "forward-backward error": lambda e: -e.back_error,
        "acceleration": lambda e: -e.acceleration,
        "acceleration beyond the pixels'": lambda e: -np.minimum(e.acceleration, np.maximum(e.residual, 0)),
    }
    sums = {"Eq. 2 (visibility x flow)": of(EQ2)}
    used = EQ2
    for name in ("forward_backward", "presence", "out_of_frame", "acceleration"):
        used = replace(used, **{name: True})
        sums[f"  + {name}"] = of(used)
    return alone | sums


def learned(clip: Labelled, engine: str) -> np.ndarray:
    """(T, J) what the filter answers with a learned engine."""
    occlusion = open_filter(OcclusionConfig(engine=engine, threshold=THRESHOLD), 1)
    answers = []
    for i, (image, one) in enumerate(zip(clip.images, clip.found)):
        people = () if one is None else (Person2D(1, one.xy, one.score, one.presence, one.world),)
        found = Keypoints2D(Stamp("bench", 1, i, 10**9 + i * 10**9 // HZ, 0), *clip.size, people)
        judged = occlusion.update(found, *grey_copy(image)).people
        answers.append(judged[0].reliability if judged else np.zeros(33, np.float32))
    return np.array(answers)


def auc(scores: Scores, hidden: np.ndarray) -> float:
    """Area under ROC of low scores for hidden joints; ties count half."""
    _, place, count = np.unique(-scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    positive, negative = hidden.sum(), (~hidden).sum()
    return float((rank[hidden].sum() - positive * (positive + 1) / 2) / (positive * negative))


def evaluate(clips: list[Labelled], engine: str) -> dict[str, dict[str, float]]:
    """Rule -> AUC, share of hidden joints below the threshold, share of open joints below it."""
    evidence = [measure(clip) for clip in clips]
    known = [(clip.known & there)[:, BODY] for clip, (_, there) in zip(clips, evidence)]
    hidden = np.concatenate([clip.hidden[:, BODY][k] for clip, k in zip(clips, known)])
    table = {name: [rule(e)[:, BODY] for e, _ in evidence] for name, rule in rules().items()}
    if engine:
        table[f"learned ({engine})"] = [learned(clip, engine)[:, BODY] for clip in clips]
    return {name: _row(np.concatenate([s[k] for s, k in zip(rows, known)]), hidden) for name, rows in table.items()}


def _row(scores: Scores, hidden: np.ndarray) -> dict[str, float]:
    below = scores < THRESHOLD
    return {"auc": auc(scores, hidden), "caught": float(below[hidden].mean()), "false": float(below[~hidden].mean())}


def show(results: dict[str, dict[str, dict[str, float]]]) -> None:
    names = list(results)
    print(f"{'':40s}" + "".join(f"{name[:24]:>26s}" for name in names))
    print(f"{'':40s}" + f"{'AUC  caught  false':>26s}" * len(names))
    for rule in results[names[0]]:
        thresholded = rule.startswith((" ", "Eq", "learned", "visibility", "presence"))
        cells = (_cell(results[name][rule], thresholded) for name in names)
        print(f"{rule:40s}" + "".join(f"{cell:>26s}" for cell in cells))
    print(json.dumps(results))


def _cell(row: dict[str, float], thresholded: bool) -> str:
    shares = f" {row['caught']:6.0%} {row['false']:6.1%}" if thresholded else 14 * " "
    return f"{row['auc']:.3f}{shares}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, action="append", default=[], help="footage on which boards are pasted")
    parser.add_argument("--frames", type=int, default=300, help="of each clip")
    parser.add_argument("--worlds", type=int, default=4, help="rendered clips")
    parser.add_argument("--engine", default="", help="learned reliability engine to hold against the rules")
    told = parser.parse_args()
    cv2.setNumThreads(1)
    results = {}
    if told.worlds:
        clips = [rendered(900 + k, told.frames) for k in range(told.worlds)]
        results["rendered"] = evaluate(clips, told.engine)
    for path in told.clip:
        results[path.stem] = evaluate(pasted(path, told.frames, range(3)), told.engine)
    show(results)


if __name__ == "__main__":
    main()
