"""Measure processor time a frame of what follows the detector, in one process: cores of the stages, their networks.

`python -m realtime.bench.stages` prints a table and, last, one JSON line.  The detector's answers are recorded and then
replayed: repeated at once, and behind the detector, whose work leaves the caches cold.  What is measured is processor
time: waiting for other programs does not count, only what they leave of the caches.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.engine import Engine
from realtime.bench.film import Film, open_film, render, there_and_back
from realtime.bench.live import settings
from realtime.detect.mediapipe_detector import Detection
from realtime.offline.chain import Chain, open_chain
from realtime.transport.frame_ring import grey_copy
from realtime.wire.messages import Stamp, encode

FPS, SIZE, FRAMES = 30.0, (640, 480), 150
STEPS = {
    "copy of the picture": "what capture writes into the ring",
    "people's ids": "",
    "flow ahead": "grey picture and flow of the last keypoints: while the detector looks",
    "occlude": "",
    "of it the network": "",
    "lift": "",
    "of it the network ": "",
    "encode the pose": "",
    "encode the keypoints": "after the pose",
}
AFTER = ("people's ids", "occlude", "lift", "encode the pose")  # what a pose waits for
Times = dict[str, list[int]]  # step -> ns of each frame


@dataclass
class Meter:
    """Processor time of this thread, by step."""

    times: Times

    def of(self, step: str, work: Callable[[], Any]) -> Any:
        began = time.thread_time_ns()
        answer = work()
        self.times.setdefault(step, []).append(time.thread_time_ns() - began)
        return answer

    def watch(self, engine: Engine, step: str) -> None:
        """Count the engine's own calls as a step."""
        run = engine.run
        engine.run = lambda *given, **how: self.of(step, lambda: run(*given, **how))  # type: ignore[method-assign]


@dataclass
class Replay:
    """The film with what the detector found in it, played there and back."""

    chain: Chain
    film: Film
    detections: list[list[Detection]]
    greys: list[tuple[NDArray[np.uint8], float]]
    index: int = 0

    def frame(self, meter: Meter, cold: bool) -> None:
        place, chain = there_and_back(self.index, len(self.film)), self.chain
        stamp = Stamp("cam0", 1, self.index, round((self.index + 1) * 1e9 / FPS), 0)
        found, grey = self.detections[self.index % len(self.detections)], self.greys[place]
        self.index += 1
        meter.of("flow ahead", lambda: chain.occlusion.prepare(stamp, *grey))
        image = meter.of("copy of the picture", self.film[place].copy)
        if cold:
            chain.detector.detect(image, round(self.index * 1000 / FPS))
        height, width = self.film.shape[1:3]
        seen = meter.of("people's ids", lambda: chain.tracker.update(found, stamp, width, height, image))
        judged = meter.of("occlude", lambda: chain.occlusion.update(seen, *grey))
        poses = meter.of("lift", lambda: chain.lifter.lift(judged))
        meter.of("encode the pose", lambda: encode("pose", "cam0", poses[0]))
        meter.of("encode the keypoints", lambda: encode("keypoints", "cam0", judged))


def replay_of(path: Path, engine: str, people: int) -> Replay:
    film = np.array(open_film(str(path)))
    config = {"source.spec": str(path), "camera.fov_deg": 60.0, "lift.engine": engine, "detector.people": people}
    chain = open_chain(settings(config))
    turn = 2 * len(film) - 2
    found = [
        chain.detector.detect(film[there_and_back(i, len(film))].copy(), round(i * 1000 / FPS)) for i in range(turn)
    ]
    chain.detector.reset()
    return Replay(chain, film, found, [grey_copy(image) for image in film])


def measure(engine: str, people: int, frames: int, cold_frames: int, film_frames: int = FRAMES) -> dict[str, Any]:
    """Return medians in µs, at once and behind the detector, of one lifter; what a pose waits for, summed."""
    import cv2

    cv2.setNumThreads(1)  # as in the pipeline
    with tempfile.TemporaryDirectory(prefix="steadypose-stages-") as folder:
        render(Path(folder) / "film.npy", film_frames, SIZE, FPS, seed=0, people=people)
        replay = replay_of(Path(folder) / "film.npy", engine, people)
        with closing(replay.chain):
            warm, cold = Meter({}), Meter({})
            meter = Meter({})
            lifter, filter_ = replay.chain.lifter.engine, replay.chain.occlusion.learned
            meter.watch(lifter, "of it the network ")
            if filter_:
                meter.watch(filter_.engine, "of it the network")
            for one, count, is_cold in ((warm, frames, False), (cold, cold_frames, True)):
                meter.times = one.times
                for _ in range(count):
                    replay.frame(one, is_cold)
    told = {"engine": lifter.name, "people": people, "at_once_us": medians(warm), "behind_detector_us": medians(cold)}
    return told | {"people_found": round(float(np.mean([len(one) for one in replay.detections])), 2)}


def medians(meter: Meter) -> dict[str, float]:
    found = {step: round(float(np.median(times)) / 1e3, 1) for step, times in meter.times.items()}
    each = zip(*(meter.times[step] for step in AFTER))
    return found | {"a pose waits for": round(float(np.median([sum(one) for one in each])) / 1e3, 1)}


def lines(figures: dict[str, Any]) -> list[str]:
    rows = [f"| processor time a frame, ms: `{figures['engine']}` | at once | behind the detector |", "|---|---|---|"]
    for step in (*STEPS, "a pose waits for"):
        times = [figures[side].get(step) for side in ("at_once_us", "behind_detector_us")]
        if any(value is not None for value in times):
            cells = ("" if value is None else f"{value / 1e3:.2f}" for value in times)
            note = f" ({STEPS[step]})" if STEPS.get(step) else ""
            rows.append(f"| {step.strip()}{note} | {' | '.join(cells)} |")
    return rows


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("realtime.bench.stages", description=__doc__)
    parser.add_argument("--engine", default="auto", metavar="NAME_OR_DIR")
    parser.add_argument("--people", type=int, default=1, metavar="N", help="in the picture and looked for (default 1)")
    parser.add_argument("--frames", type=int, default=1500, metavar="N", help="replayed at once (default 1500)")
    parser.add_argument("--cold", type=int, default=150, metavar="N", help="behind the detector (default 150)")
    args = parser.parse_args(argv)
    os.environ.setdefault("GLOG_minloglevel", "2")
    found = measure(args.engine, args.people, args.frames, args.cold)
    print("\n".join(lines(found)))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
