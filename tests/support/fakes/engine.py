"""An engine that answers a standing man in no time; told by FAKES (see detector.py) how to misbehave.

lift_s                    time of each call, asleep
lifter_load_s             time to open
first_call_s              time of the first call
raise_at                  the first process raises at this call
block_at                  the first process never comes back from this call
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from engines.contract import Contract
from engines.engine import Engine
from engines.skeleton import H36M_17, mapping
from realtime.detect.tracker import Tracker
from realtime.lift import stage as lift_stage
from realtime.occlude import stage as occlude_stage
from realtime.offline import chain
from realtime.offline import stage as offline_stage
from realtime.wire.messages import Keypoints2D, Person2D, Person3D, Pose3D, Status
from tests.support.fakes.detector import FakeDetector, fakes, hang_in_c

# (J, 3) m, camera axes: x right, y down, z forward
MAN = np.array(
    [(0, 0, 0), (-0.12, 0, 0), (-0.13, 0.42, 0), (-0.13, 0.85, 0.02), (0.12, 0, 0), (0.13, 0.42, 0), (0.13, 0.85, 0.02),
     (0, -0.25, 0), (0, -0.5, 0), (0, -0.62, -0.08), (0, -0.75, 0), (0.18, -0.47, 0), (0.25, -0.2, 0), (0.28, 0.05, 0),
     (-0.18, -0.47, 0), (-0.25, -0.2, 0), (-0.28, 0.05, 0)],
    np.float32,
)  # fmt: skip


class FakeEngine:
    contract = Contract("lift", "single", "blazepose33", "h36m17", receptive_field=1)
    name, sha256, provider, reason, degraded = "fake", "0" * 64, "cpu", "", ""

    def __init__(self, batch: int = 1, first_start: bool = True) -> None:
        self.batch, self.told, self.calls, self.first_start = batch, fakes(), 0, first_start
        time.sleep(self.told.get("lifter_load_s", 0))

    def run(self, inputs: Mapping[str, np.ndarray], commit: bool = True) -> dict[str, np.ndarray]:
        self.calls += 1
        time.sleep(self.told.get("lift_s", 0) + (self.told.get("first_call_s", 0) if self.calls == 1 else 0))
        if self.first_start and self.calls == self.told.get("raise_at"):
            raise RuntimeError("out of memory, says the fake engine")
        if self.first_start and self.calls == self.told.get("block_at"):
            hang_in_c()
        joints = len(H36M_17)
        return {"xyz": np.tile(MAN, (self.batch, 1, 1)), "log_sigma": np.full((self.batch, joints), -3, np.float32)}

    def zero_state(self) -> None: ...


class PlainLifter:
    """The least that stands between keypoints and an engine; whoever tests the real one does not need processes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def info(self) -> dict:
        c = self.engine.contract
        return {
            "engine": self.engine.name, "engine_sha256": self.engine.sha256, "provider": self.engine.provider,
            "joints": H36M_17.joints, "parents": H36M_17.parents, "look_ahead_ms": 0.0,
            "reliability_source": c.reliability_source, "threshold": c.threshold,
        }  # fmt: skip

    def lift(self, found: Keypoints2D) -> list[Pose3D]:
        people = tuple(self._person(one) for one in found.people)
        status: Status = "OK" if people else "NO_PERSON"
        return [Pose3D(found.stamp, found.width, found.height, status, people, stage_us=found.stage_us)]

    def rest(self) -> None: ...

    def flush(self) -> list[Pose3D]:
        return []

    def _person(self, person: Person2D) -> Person3D:
        out = self.engine.run({"x": person.xy[None]})
        zero, one = np.zeros(len(H36M_17), np.float32), np.ones(len(H36M_17), np.float32)
        xy = (mapping("blazepose33", "h36m17") @ person.xy).astype(np.float32)
        seen = zero.astype(np.uint8)
        return Person3D(person.id, "TRACKED", out["xyz"][0], np.exp(out["log_sigma"][0]), seen, zero, one, xy)


class PlainFilter:
    """Reliability is the score."""

    def prepare(self, stamp, grey, scale) -> None: ...

    def update(self, found: Keypoints2D, grey, scale) -> Keypoints2D:
        return replace(found, people=tuple(replace(one, reliability=one.score) for one in found.people))


def occlude_main(ctx) -> None:
    occlude_stage.run(ctx, cast(Any, PlainFilter()))


def main(ctx) -> None:
    if fakes().get("crash") == "lift":
        raise RuntimeError("the fake engine was told to crash")
    lift_stage.run(ctx, cast(Any, PlainLifter(FakeEngine(first_start=ctx.starts == 0))))


def file_main(ctx) -> None:
    offline_stage.run(ctx, lambda: fake_chain(ctx.config, ctx.starts == 0))


def fake_chain(config, first_start: bool = True) -> chain.Chain:
    detector, engine = FakeDetector(), FakeEngine(first_start=first_start)
    occlusion, lifter = cast(Any, PlainFilter()), cast(Any, PlainLifter(engine))
    return chain.Chain(detector, Tracker(config.detector.people), occlusion, lifter)
