from __future__ import annotations

import numpy as np
import pytest

from realtime.supervise.stage_metrics import StageMetrics, quantile
from realtime.supervise.status_board import StageRow
from realtime.wire.messages import Stamp

MS = 1_000_000


@pytest.fixture
def row():
    return StageRow()


def stamp(seq: int, t_ms: float = 0.0, stream: int = 1) -> Stamp:
    return Stamp("cam0", stream, seq, int(t_ms * MS), 0)


def feed(meter: StageMetrics, seqs, period_ms: float = 33.3, age_ms: float = 5.0, took_ms: float = 2.0) -> None:
    for seq in seqs:
        t_ms = 1000 + seq * period_ms
        meter.answered(stamp(seq, t_ms), int(took_ms * MS), int((t_ms + age_ms) * MS))
        meter.refresh_when_due((t_ms + age_ms) / 1000)


def test_gaps_are_drops(row):
    meter = StageMetrics(row)
    assert [meter.answered(stamp(seq), 0, MS * seq) for seq in (0, 1, 4, 5, 9)] == [0, 0, 2, 2, 5]
    assert row["answered"] == 5


def test_frames_before_the_first_of_a_stream_are_drops(row):
    meter = StageMetrics(row)
    meter.answered(stamp(0), 0, 0)
    assert meter.answered(stamp(3, stream=2), 0, MS) == 3


def test_a_restarted_stage_goes_on_counting(row):
    StageMetrics(row).answered(stamp(10), 0, 0)
    before = int(row["dropped"])
    assert StageMetrics(row).answered(stamp(13), 0, MS) == before + 2


def test_rate_and_percentiles(row):
    meter = StageMetrics(row)
    feed(meter, range(60))
    assert row["rate_hz"] == pytest.approx(30, rel=0.02)
    assert row["p50_ms"] == pytest.approx(2) and row["p99_ms"] == pytest.approx(2)
    assert row["age_ms"] == pytest.approx(5)


def test_the_rate_falls_when_nothing_comes(row):
    meter = StageMetrics(row)
    feed(meter, range(60))
    meter.refresh(1000.0)
    assert row["rate_hz"] == 0


@pytest.mark.parametrize(("seqs", "age_ms"), [(range(0, 400, 3), 5.0), (range(120), 400.0)])
def test_many_drops_or_old_answers_are_lagging_and_it_clears(row, seqs, age_ms):
    meter = StageMetrics(row, max_age_ms=150, lagging_s=1)
    feed(meter, seqs[:10], age_ms=age_ms)
    assert not meter.lagging  # not at once
    feed(meter, seqs, age_ms=age_ms)
    assert meter.lagging
    last = max(seqs)
    feed(meter, range(last + 1, last + 100))
    assert not meter.lagging


def test_on_time_is_not_lagging(row):
    meter = StageMetrics(row)
    feed(meter, [s for s in range(300) if s % 20])  # one of twenty dropped
    assert not meter.lagging


@pytest.mark.parametrize("count", [1, 2, 7, 512])
def test_quantiles_are_numpys(count):
    values = np.random.default_rng(count).gamma(2.0, 5.0, count)
    for share in (0.0, 0.5, 0.99, 1.0):
        assert quantile(sorted(values.tolist()), share) == pytest.approx(np.quantile(values, share), rel=1e-12)
