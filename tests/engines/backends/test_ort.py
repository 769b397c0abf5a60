"""ONNX Runtime: a stream equals its clip, state moves only when committed, a step allocates nothing."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from engines.backends import ort
from engines.engine import Engine
from engines.errors import EngineError
from engines.skeleton import Array
from tests.support.networks import graphs
from tests.support.networks.models import SMALL

FRAMES = 60


def clip(frames: int = FRAMES, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(0, 0.3, (frames, graphs.J, 2)).astype(np.float32),
        "reliability": rng.uniform(0, 1, (frames, graphs.J)).astype(np.float32),
        "dt": rng.uniform(0.02, 0.05, frames).astype(np.float32),
    }


def step_engine(net: graphs.Tcn = SMALL, batch: int = 1, threads: int = 1) -> ort.OrtEngine:
    return ort.open_onnx(graphs.step_tcn(net), Path(), graphs.step_contract(net), "step", "", "cpu", batch, threads)


def window_engine(net: graphs.Tcn = SMALL, batch: int = 1, strided: bool = False) -> ort.OrtEngine:
    model, contract = graphs.window_tcn(net, strided), graphs.window_contract(net)
    return ort.open_onnx(model, Path(), contract, "window", "", "cpu", batch, threads=1)


def streamed(engine: Engine, frames: dict[str, Array], resets: Collection[int] = (0,)) -> Array:
    """xyz of every frame, one call each, batch 1."""
    answers = []
    for t in range(len(frames["dt"])):
        now = {name: value[t : t + 1] for name, value in frames.items()}
        answers.append(engine.run(now | {"reset": np.full(1, t in resets, np.float32)})["xyz"][0].copy())
    return np.array(answers)


def test_a_stream_equals_its_clip_with_resets_inside() -> None:
    frames = clip()
    answers = streamed(step_engine(), frames, resets={0, 20, 21, 45})
    for start, stop in ((0, 20), (20, 21), (21, 45), (45, FRAMES)):
        part = {name: value[start:stop] for name, value in frames.items()}
        np.testing.assert_allclose(answers[start:stop], graphs.clip_answers(SMALL, part)[0], atol=1e-5)


@pytest.mark.parametrize("strided", [False, True], ids=["dilated", "strided"])
def test_a_window_at_every_frame_equals_its_clip(strided: bool) -> None:
    frames, engine = clip(), window_engine(strided=strided)
    expected = graphs.clip_answers(SMALL, frames)[0]
    for t in range(FRAMES):
        answer = engine.run(graphs.windows_of(frames, SMALL.receptive_field, t))["xyz"][0]
        np.testing.assert_allclose(answer, expected[t], atol=1e-5)


def test_an_uncommitted_frame_is_answered_and_forgotten() -> None:
    frames, other, engine = clip(), clip(seed=1), step_engine()
    expected = graphs.clip_answers(SMALL, frames)[0]
    for t in range(FRAMES):
        reset = np.full(1, t == 0, np.float32)
        spare = {name: value[t : t + 1] for name, value in other.items()} | {"reset": reset}
        first, again = (engine.run(spare, commit=False)["xyz"].copy() for _ in range(2))
        np.testing.assert_array_equal(first, again)
        now = {name: value[t : t + 1] for name, value in frames.items()} | {"reset": reset}
        np.testing.assert_allclose(engine.run(now)["xyz"][0], expected[t], atol=1e-5)


def test_slots_do_not_see_each_other() -> None:
    people = [clip(20, seed) for seed in range(4)]
    engine = step_engine(batch=4)
    for t in range(20):
        now = {name: np.stack([p[name][t] for p in people]) for name in people[0]}
        answer = engine.run(now | {"reset": np.full(4, t == 0, np.float32)})["xyz"].copy()
        for slot, person in enumerate(people):
            part = {name: value[: t + 1] for name, value in person.items()}
            np.testing.assert_allclose(answer[slot], graphs.clip_answers(SMALL, part)[0][t], atol=1e-5)


def test_zero_state_is_as_before_the_first_call() -> None:
    engine, frames = step_engine(), clip(5)
    before = streamed(engine, frames, resets=())
    engine.zero_state()
    np.testing.assert_array_equal(streamed(engine, frames, resets=()), before)


def test_state_swaps_between_two_buffers_and_a_step_allocates_nothing() -> None:
    engine, frames = step_engine(), clip(1)
    inputs = frames | {"reset": np.zeros(1, np.float32)}
    buffers = {id(value) for value in engine.run(inputs).values()}
    states = [[value.data_ptr() for value in state.values()] for state in engine._states]
    tracemalloc.start()
    for _ in range(100):
        answer = engine.run(inputs)
    grown = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    smallest = min(value.nbytes for value in engine._answer.values())
    assert grown < 8192, f"{grown} bytes over 100 steps: only Python's own small objects"
    assert {id(value) for value in answer.values()} == buffers
    assert [[value.data_ptr() for value in state.values()] for state in engine._states] == states
    assert not set(states[0]) & set(states[1])
    assert smallest > 0


def test_a_wrong_input_is_named_with_both_shapes() -> None:
    engine, frames = step_engine(), clip(1)
    with pytest.raises(ValueError, match="input reset is missing, expected"):
        engine.run(frames)
    with pytest.raises(ValueError, match=r"input x is \(1, 5, 2\), expected \(1, 17, 2\)"):
        engine.run(frames | {"reset": np.zeros(1, np.float32), "x": np.zeros((1, 5, 2), np.float32)})


def test_a_batch_it_was_not_made_for_is_refused() -> None:
    with pytest.raises(EngineError, match="step: no batch 3, it was made for 1, 4, 16"):
        step_engine(batch=3)


def test_a_graph_of_another_contract_is_refused_naming_both() -> None:
    wide = graphs.step_contract(graphs.Tcn(32, 2))
    with pytest.raises(EngineError, match=r"state_layer1 is \(1, 6, 16\) in the graph, \(1, 6, 32\) in the contract"):
        ort.open_onnx(graphs.step_tcn(SMALL), Path(), wide, "m", "", threads=1)


def test_what_the_runtime_refuses_is_one_sentence() -> None:
    with pytest.raises(EngineError, match=r"^m: ONNX Runtime .* refuses it .*; export it again$"):
        ort.open_onnx(b"nonsense", Path(), graphs.step_contract(SMALL), "m", "", threads=1)


@pytest.mark.parametrize(
    ("step_ms", "cores", "expected"),
    [
        ({1: 0.5, 2: 0.1}, 8, 1),
        ({1: 10.0, 2: 5.0, 4: 3.0}, 8, 4),
        ({1: 10.0, 2: 9.0, 4: 1.0}, 8, 1),
        ({1: 10.0, 2: 5.0, 4: 2.0}, 2, 2),
    ],
    ids=["quick stays on one", "as many as help", "no help, no more", "no more than cores"],
)
def test_threads_are_chosen_by_measurement(
    monkeypatch: pytest.MonkeyPatch, step_ms: dict[int, float], cores: int, expected: int
) -> None:
    monkeypatch.setattr(ort, "_cores", lambda: cores)
    monkeypatch.setattr(ort, "_median_ms", lambda engine: step_ms[engine.threads])
    assert step_engine(threads=0).threads == expected


def least_ms(work: Callable[[], object], runs: int) -> float:
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return min(times[1:])  # what a busy machine disturbs least


@pytest.mark.slow
@pytest.mark.timing
def test_a_step_is_ten_times_faster_than_recomputing_its_window(capsys: pytest.CaptureFixture[str]) -> None:
    """243 frames, 1024 channels, one thread, one run; the same weights give the same pose in all three forms.

    `strided` computes only the positions that the newest pose needs: the least a recomputed window can cost.  A step
    reads 68 MB of weights and hardly computes: where memory is slow it may take half again what reading them takes.
    """
    net = graphs.Tcn(channels=1024)
    frames = clip(net.receptive_field)
    now = {name: value[-1:] for name, value in frames.items()} | {"reset": np.zeros(1, np.float32)}
    whole = {name: value[None] for name, value in frames.items()}
    windows = [window_engine(net), window_engine(net, strided=True)]
    poses = [engine.run(whole)["xyz"].copy() for engine in windows]
    np.testing.assert_allclose(poses[0], poses[1], atol=1e-4)
    step = step_engine(net)
    np.testing.assert_allclose(streamed(step, frames)[-1], poses[0][0], atol=1e-4)
    weights = np.concatenate([layer.ravel() for layer in net.weights()])
    for _ in range(6):  # in turns: a busy neighbour slows the memory for seconds
        recomputed, strided = (least_ms(partial(engine.run, whole), 5) for engine in windows)
        stepped, read = least_ms(partial(step.run, now), 40), least_ms(weights.max, 40)
        with capsys.disabled():
            print(
                f"\nstep {stepped:.2f} ms, window {recomputed:.1f} ms, strided {strided:.1f} ms, reading {read:.2f} ms"
            )
        if as_quick := stepped < max(recomputed / 10, 1.5 * read):
            break
    assert as_quick
    assert strided > stepped
