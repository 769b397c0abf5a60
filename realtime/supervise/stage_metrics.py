"""Measure a stage's rate, latency, drops and lag for its row of the status board."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from realtime.supervise.status_board import StageRow
from realtime.wire.messages import Stamp

WINDOW_S = 2.0  # rate, median age and share of drops are of this window
REFRESH_S = 0.25
LAGGING_DROPS = 0.3  # more of the frames than this unanswered: lagging
SAMPLES = 512  # of which p50 and p99 are taken


class StageMetrics:
    """Counts answers into a row; a restarted stage goes on where its predecessor's row stands."""

    def __init__(self, row: StageRow, max_age_ms: float = 150.0, lagging_s: float = 1.0) -> None:
        self.row, self.max_age_ms, self.lagging_s = row, max_age_ms, lagging_s
        self.lagging = False
        self._answers: deque[tuple[float, float, int]] = deque()  # (s, age ms, frames it stands for)
        self._took_ms: deque[float] = deque(maxlen=SAMPLES)
        self._behind_since: float | None = None
        self._refreshed = -1e9

    def answered(self, stamp: Stamp, took_ns: int, now_ns: int, people: int = 0) -> int:
        """One frame is done.  Answers how many frames were never answered so far."""
        missed = self._missed(stamp)
        now_s = now_ns * 1e-9
        self.row.stream, self.row.seq = stamp.stream, stamp.seq
        self.row.answered += 1
        self.row.dropped += missed
        self.row.people = people
        self._answers.append((now_s, (now_ns - stamp.t_capture_ns) * 1e-6, 1 + missed))
        self._took_ms.append(took_ns * 1e-6)
        return self.row.dropped

    def refresh_when_due(self, now_s: float) -> bool:
        """Bring the row up to date a few times a second; for moments in which nobody waits for an answer."""
        due = now_s - self._refreshed >= REFRESH_S
        if due:
            self.refresh(now_s)
        return due

    def refresh(self, now_s: float) -> None:
        """Bring the row up to date, also when nothing was answered of late."""
        self._refreshed = now_s
        while self._answers and now_s - self._answers[0][0] > WINDOW_S:
            self._answers.popleft()
        self.row.rate_hz = self._rate()
        if self._took_ms:
            took = sorted(self._took_ms)
            self.row.p50_ms, self.row.p99_ms = quantile(took, 0.5), quantile(took, 0.99)
        self._judge_lag(now_s)

    def _missed(self, stamp: Stamp) -> int:
        new_stream = self.row.stream != stamp.stream
        return max(0, stamp.seq if new_stream else stamp.seq - self.row.seq - 1)

    def _rate(self) -> float:
        if len(self._answers) < 2:
            return 0.0
        span = self._answers[-1][0] - self._answers[0][0]
        return (len(self._answers) - 1) / span if span > 0 else 0.0

    def _judge_lag(self, now_s: float) -> None:
        if not self._answers:
            self._behind_since, self.lagging = None, False
            return
        age_ms = quantile(sorted(age for _, age, _ in self._answers), 0.5)
        frames = sum(frames for _, _, frames in self._answers)
        self.row.age_ms = age_ms
        behind = age_ms > self.max_age_ms or 1 - len(self._answers) / frames > LAGGING_DROPS
        self._behind_since = (self._behind_since or now_s) if behind else None
        self.lagging = behind and now_s - (self._behind_since or now_s) >= self.lagging_s


def quantile(ascending: Sequence[float], share: float) -> float:
    """Interpolate a quantile of sorted values, as `np.quantile` does in six times the time."""
    place = share * (len(ascending) - 1)
    below = int(place)
    low, high = ascending[below], ascending[min(below + 1, len(ascending) - 1)]
    return low + (place - below) * (high - low)
