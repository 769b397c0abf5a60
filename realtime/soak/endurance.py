"""Harm a run again and again, wait for it to recover, and keep the figures."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from realtime import clock
from realtime.client.pose_client import PoseClient
from realtime.clock import NS_PER_MS
from realtime.soak.harm import Harm, choose, inflict
from realtime.soak.program import Program
from realtime.soak.usage import Usage, sample
from realtime.soak.witness import Witness

TURN_S = 0.05
START_S = 60.0  # until the first pose
RECOVERY_LIMIT_S = 30.0
PID_AGE_S = 1.2  # the run tells its processes once a second
SAMPLE_S = 1.0
SETTLE_S = 0.5


class CannotSoak(RuntimeError):
    exit_code = 2


@dataclass
class Endured:
    """What happened, from the first pose to the end."""

    seconds: float = 0.0
    harms: Counter[str] = field(default_factory=Counter)  # kind and process -> times
    recoveries_s: dict[str, list[float]] = field(default_factory=dict)  # by kind and process
    not_recovered: list[str] = field(default_factory=list)
    served_old: int = 0  # looks at a client that gave an old pose for a current one
    losses: list[str] = field(default_factory=list)  # each one that was not told, how long after what was done
    samples: list[Usage] = field(default_factory=list)


class Endurance:
    """One soak: `program` runs, `witness` counts, `client` is the user's."""

    def __init__(self, program: Program, witness: Witness, client: PoseClient, draw: random.Random) -> None:
        self.program, self.witness, self.client, self.draw = program, witness, client, draw
        self.endured = Endured()
        self._harmed, self._harmed_s = "the first pose", time.monotonic()
        self._lost = 0

    def start(self) -> None:
        if not self._until(lambda: self.witness.counts.poses > 0, START_S):
            raise CannotSoak(f"no pose within {START_S:g} s; try the same source with: realtime run")

    def run(self, seconds: float, every_s: tuple[float, float], tell: Callable[[str], None]) -> Endured:
        began = time.monotonic()
        while time.monotonic() - began < seconds and self.program.running:
            self.quiet(self.draw.uniform(*every_s), began)
            if time.monotonic() - began < seconds and self.program.running:
                tell(self.harm())
        self.endured.seconds = time.monotonic() - began
        return self.endured

    def quiet(self, seconds: float, began: float) -> None:
        """Nothing is done to the run: what is silent or grows now does so by itself."""
        self.settle()
        self.witness.undisturbed = True
        end, next_sample = time.monotonic() + max(seconds, PID_AGE_S), time.monotonic() + SAMPLE_S
        while time.monotonic() < end and self.program.running:
            self.look()
            if time.monotonic() >= next_sample:
                self._sample(time.monotonic() - began)
                next_sample += SAMPLE_S
        self.witness.undisturbed = False

    def settle(self) -> None:
        """Wait until what a harm brings about has come, and a line told since says that all processes are there.

        A stage that was stopped for nearly as long as it may be silent answers again and is started again all the same.
        """
        end = time.monotonic() + RECOVERY_LIMIT_S
        while time.monotonic() < end and self.program.running:
            self._until(lambda: False, SETTLE_S)
            self._until(self._tells_from_now(), RECOVERY_LIMIT_S)
            if self.program.whole:
                return

    def _tells_from_now(self) -> Callable[[], bool]:
        told = self.program.told
        return lambda: self.program.told > told

    def harm(self) -> str:
        """Return one kill or stop, and the time until a pose of a frame that was captured after it."""
        pids = self.program.pids()
        harm = choose(self.draw, pids)
        pid = pids[harm.process]
        assert pid is not None
        self.endured.harms[harm.name] += 1
        inflict(harm, pid)
        self._harmed, self._harmed_s = str(harm), time.monotonic()
        return self.recover(harm, clock.now_ns())

    def recover(self, harm: Harm, since_ns: int) -> str:
        if not self._until(lambda: self.witness.counts.newest_capture_ns > since_ns, RECOVERY_LIMIT_S):
            self.endured.not_recovered.append(str(harm))
            return f"{harm}: not recovered within {RECOVERY_LIMIT_S:g} s"
        took_s = (clock.now_ns() - since_ns) / clock.NS_PER_S
        self.endured.recoveries_s.setdefault(harm.name, []).append(took_s)
        return f"{harm}: a current pose after {took_s:.2f} s"

    def look(self) -> None:
        """As a user's program does: the newest pose, which must not be old when it says it is current."""
        pose = self.client.latest()
        age_ms = (clock.now_ns() - pose.stamp.t_capture_ns) / NS_PER_MS
        self.endured.served_old += pose.status != "STALE" and age_ms > self.client.limit_ms() + TURN_S * 1000
        self._look_for_losses()
        time.sleep(TURN_S)

    def _look_for_losses(self) -> None:
        if frames := self.witness.counts.lost - self._lost:
            self._lost += frames
            since_s = time.monotonic() - self._harmed_s
            self.endured.losses.append(f"{frames} frames, {since_s:.1f} s after: {self._harmed}")

    def _until(self, true: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.program.running:
            if true():
                return True
            self.look()
        return true()

    def _sample(self, at_s: float) -> None:
        """Only whole families: a stage that is being started again would count as saving."""
        pids = self.program.pids()
        found = sample(self.program.process.pid, self.client.address, at_s, pids)
        if found and all(pids.values()):
            self.endured.samples.append(found)
