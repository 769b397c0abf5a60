"""Run the same detector in a bare loop, one process, nothing else: the baseline of the bench.

Run as a program: prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time

from realtime.bench.film import open_film, there_and_back
from realtime.config.schema import DetectorConfig
from realtime.detect.mediapipe_detector import open_detector


def loop(path: str, seconds: float, people: int, model: str) -> dict[str, float]:
    """As many frames as it can in `seconds`, after a warm-up of one second."""
    film = open_film(path)
    detector = open_detector(DetectorConfig(people=people, model=model))
    took: list[float] = []
    found = index = 0
    spent = 0.0
    begin = time.perf_counter() + 1.0
    while (now := time.perf_counter()) < begin + seconds:
        began = time.process_time()
        image = film[there_and_back(index, len(film))].copy()
        answer = detector.detect(image, index * 33)
        index += 1
        if now >= begin:
            took.append(time.perf_counter() - now)
            spent += time.process_time() - began
            found += len(answer)
    detector.close()
    frames = len(took)
    return {"frames": frames, "hz": frames / sum(took), "cpu_s": spent / frames, "found": found / frames}


if __name__ == "__main__":
    print(json.dumps(loop(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
