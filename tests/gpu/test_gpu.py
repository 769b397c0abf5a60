"""The checks of this folder as tests; skipped, with the reason, where there is no GPU, no PyCUDA or no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engines.backends import cuda
from engines.errors import EngineError
from tests.support.networks import graphs

torch = pytest.importorskip("torch", reason="the train extra is not installed")
from tests.gpu import bench_gpu, checks
from tests.gpu.torch_step import TorchStep


@pytest.fixture(scope="module")
def gpu() -> Any:
    try:
        return cuda.open_gpu()
    except EngineError as error:
        pytest.skip(str(error))


@pytest.mark.gpu
@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_on_a_gpu(check: Callable[[Any], None], gpu: Any) -> None:
    check(gpu)


def test_the_torch_step_equals_the_whole_clip_without_a_gpu() -> None:
    """What the GPU is measured with is right; here on the CPU, so that it is tested everywhere."""
    net, rng = graphs.Tcn(16, 2), np.random.default_rng(0)
    clip = {
        "x": rng.normal(0, 0.3, (30, 2, graphs.J, 2)).astype(np.float32),
        "reliability": rng.uniform(0, 1, (30, 2, graphs.J)).astype(np.float32),
        "dt": np.full((30, 2), 1 / 30, np.float32),
    }
    step = TorchStep(net, people=2, graphed=False, device="cpu")
    answers = np.stack([step({k: v[t] for k, v in clip.items()}, reset=t == 0).copy() for t in range(30)])
    expected, _ = graphs.clip_answers(net, {k: v[:, 1] for k, v in clip.items()})
    np.testing.assert_allclose(answers[:, 1, :, :3], expected, atol=1e-5)


def test_the_bench_says_not_run_where_nothing_can_run(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    rows = bench_gpu.tensorrt_rows()
    assert {row["backend"] for row in rows} == {"tensorrt", "tensorrt-rtx"}
    assert all(row["not_run"] for row in rows)
    assert bench_gpu.torch_rows(seconds=0.01)[0]["not_run"].startswith("torch")
