"""TensorRT without a GPU: real parsing and refusing by tensorrt_rtx, and stepping on a GPU made of host memory."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engines import golden, store
from engines.backends import cuda, tensorrt, tensorrt_engine
from engines.errors import EngineError
from tests.support.networks import gpu, graphs, models

real = pytest.importorskip("tensorrt_rtx", reason="the rtx extra is not installed")
without_gpu = pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="says what happens without a GPU")


@pytest.fixture
def step(tmp_path: Path) -> Path:
    return models.put_step(tmp_path / "step")


def opened(folder: Path, batch: int = 1, capturable: bool = True) -> tuple[tensorrt_engine.TrtEngine, gpu.HostGpu, Any]:
    manifest, contract, sequence, model = store.load(folder)
    device, engine = gpu.HostGpu(), gpu.CudaEngine(real, model, contract, capturable)
    library = tensorrt.Flavour("tensorrt-rtx", real, None)
    return tensorrt_engine.TrtEngine(engine, library, device, manifest, contract, batch), device, sequence


@pytest.mark.parametrize(
    ("fake", "name"), [(gpu.Context, "IExecutionContext"), (gpu.CudaEngine, "ICudaEngine")], ids=["context", "engine"]
)
def test_the_fake_offers_only_what_the_real_module_offers(fake: type, name: str) -> None:
    gpu.check_against(fake, getattr(real, name))


def test_attributes_used_exist_in_the_real_module() -> None:
    assert hasattr(real.ICudaEngine, "num_io_tensors")
    assert hasattr(real.IRuntimeConfig, "dynamic_shapes_kernel_specialization_strategy")
    assert hasattr(real.IBuilderConfig, "progress_monitor")
    assert hasattr(real.DynamicShapesKernelSpecializationStrategy, "EAGER")


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_a_compiled_step_gives_the_golden_answers(step: Path, batch: int) -> None:
    engine, _, sequence = opened(step, batch)
    assert max(golden.check(engine, sequence, every_row=True).values()) < 1e-5


def test_a_compiled_window_gives_the_golden_answers(tmp_path: Path) -> None:
    engine, _, sequence = opened(models.put_window(tmp_path / "window"), batch=4)
    assert max(golden.check(engine, sequence, every_row=True).values()) < 1e-5


def test_steps_are_replayed_from_two_captured_calls(step: Path) -> None:
    engine, device, sequence = opened(step)
    device.replays = 0
    inputs = {name: sequence[f"in_{name}"][0][:1] for name in ("x", "reliability", "dt", "reset")}
    for _ in range(6):
        engine.run(inputs)
    assert (device.captured, device.replays) == (2, 6)


def test_what_cannot_be_captured_runs_as_it_is(step: Path) -> None:
    engine, device, sequence = opened(step, capturable=False)
    assert max(golden.check(engine, sequence).values()) < 1e-5
    assert device.captured == 0


def test_a_refused_call_is_an_error_not_an_answer(step: Path) -> None:
    manifest, contract, _, model = store.load(step)
    library = tensorrt.Flavour("tensorrt-rtx", real, None)
    short = gpu.CudaEngine(real, model, replace(contract, batches=(1,)))
    with pytest.raises(RuntimeError, match="refused: step: profile 2"):
        tensorrt_engine.TrtEngine(short, library, gpu.HostGpu(), manifest, contract, 16)


def test_a_graph_of_another_contract_is_refused_naming_both(step: Path) -> None:
    manifest, contract, _, model = store.load(step)
    other = gpu.CudaEngine(real, model, replace(contract, state=contract.state[:1]))
    with pytest.raises(EngineError, match=r"state_layer1 is missing in the graph, \(1, 6, 16\) in the contract"):
        tensorrt_engine.TrtEngine(
            other, tensorrt.Flavour("tensorrt-rtx", real, None), gpu.HostGpu(), manifest, contract, 1
        )


def test_blocks_are_aligned_and_do_not_overlap() -> None:
    block = cuda.DeviceBlock(gpu.HostGpu(), {"a": (1, 3), "b": (70,), "c": (1,)}, host=True)
    starts = [block.address[name] - block.start for name in "abc"]
    assert starts == [0, 256, 768]
    block.views["b"][:] = np.arange(70)
    block.upload()
    block.views["b"][:] = 0
    block.download()
    assert block.views["b"].tolist() == list(range(70))


def test_fits_compares_version_platform_and_gpu_by_name() -> None:
    library = tensorrt.Flavour("tensorrt-rtx", real, None)
    here = {"tensorrt_rtx": real.__version__, "platform": tensorrt.this_platform()}
    tensorrt.check_fits("m", here, [86, 120], library, 86)
    with pytest.raises(EngineError, match=rf"tensorrt_rtx 1\.0, here is {real.__version__}; run `engines build m"):
        tensorrt.check_fits("m", here | {"tensorrt_rtx": "1.0"}, [86], library, 86)
    with pytest.raises(EngineError, match="built with platform Windows-AMD64"):
        tensorrt.check_fits("m", here | {"platform": "Windows-AMD64"}, [86], library, 86)
    with pytest.raises(EngineError, match="built for SM75, SM80, this GPU is SM86"):
        tensorrt.check_fits("m", here, [75, 80], library, 86)


def test_strong_typing_is_asked_for_where_it_is_a_choice() -> None:
    assert tensorrt._strongly_typed(real) == 1 << int(real.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    assert tensorrt._strongly_typed(SimpleNamespace(NetworkDefinitionCreationFlag=SimpleNamespace())) == 0


def test_the_parser_refuses_what_it_does_not_know_in_one_sentence() -> None:
    g = graphs.Graph()
    g.add("Unique", g.shaped("x", -1), out="xyz", sorted=1)
    model = graphs.onnx.helper.make_model(
        graphs.helper.make_graph(
            g.nodes, "odd", [graphs.helper.make_tensor_value_info("x", 1, ["batch", 17, 2])],
            [graphs.helper.make_tensor_value_info("xyz", 1, ["n"])], g.weights,
        ),
        opset_imports=[graphs.helper.make_opsetid("", 20)], ir_version=10,
    ).SerializeToString()  # fmt: skip
    with pytest.raises(EngineError, match=r"^odd: tensorrt_rtx .* cannot parse it \(.*Unique.*\); export"):
        tensorrt.parse(tensorrt.flavour("tensorrt-rtx"), model, "odd")


@pytest.mark.parametrize("name", store.names())
def test_every_model_of_the_store_passes_the_parser(name: str) -> None:
    manifest, contract, _, model = store.load(store.PRETRAINED / name)
    folder = store.PRETRAINED / name
    _, network = tensorrt.parse(tensorrt.flavour("tensorrt-rtx"), model, str(folder / manifest.model))
    assert {network.get_input(i).name for i in range(network.num_inputs)} == contract.inputs(1).keys()


@without_gpu
def test_the_real_runtime_refuses_what_is_no_engine_by_name() -> None:
    library = tensorrt.flavour("tensorrt-rtx")
    with pytest.raises(
        EngineError, match=r"^m: tensorrt_rtx .* cannot load it \(malformed engine\); run `engines build"
    ):
        tensorrt.deserialise(library, b"not an engine" * 1000, "m")


@without_gpu
def test_without_a_gpu_the_real_runtime_gives_none_and_that_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt, "_invalid", lambda *_: "")
    with pytest.raises(EngineError, match=r"cannot load it \(.*CUDA driver.*\); run `engines build m --target"):
        tensorrt.deserialise(tensorrt.flavour("tensorrt-rtx"), real_engine(), "m")


def real_engine() -> bytes:
    library, contract = tensorrt.flavour("tensorrt-rtx"), graphs.step_contract(models.SMALL)
    return tensorrt.compile_onnx(library, graphs.step_tcn(models.SMALL), "m", contract, (1,), (86,))[0]


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineError, match=r"pip install steadypose\[tensorrt\]"):
        tensorrt.flavour("tensorrt")


def test_without_pycuda_the_gpu_is_refused_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(EngineError, match=r"PyCUDA cannot be loaded .* `pip install steadypose\[tensorrt\]"):
        cuda.open_gpu()
