"""Building: precision and batches into the ONNX file, and real engines for absent GPUs through TensorRT for RTX."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from engines import build, fp16, store, trust
from engines.backends import cuda, tensorrt, tensorrt_engine
from engines.build import BuildRequest
from engines.errors import EngineError
from engines.manifest import MODEL_LIMIT, read_manifest
from tests.support.networks import gpu, graphs, models

rtx = pytest.mark.skipif("not __import__('importlib.util').util.find_spec('tensorrt_rtx')", reason="no rtx extra here")
SMS = (86, 120)
DEFAULT_SIZE = graphs.Tcn(channels=352)  # 2 M weights, as the default lifter


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a GPU, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    return tmp_path


def put(folder: Path, which: str) -> Path:
    if which == "step":
        return models.put_step(folder, DEFAULT_SIZE)
    return models.put_model(folder, graphs.masked_graph(), graphs.graph_contract())


@rtx
@pytest.mark.parametrize("which", ["step", "graph"])
def test_a_real_engine_is_built_for_absent_gpus(home: Path, which: str) -> None:
    source = put(home / which, which)
    phases: set[str] = set()
    order = BuildRequest("tensorrt-rtx", sms=SMS)
    folder, checked = build.build(source / "model.onnx", order, lambda phase, step, steps: phases.add(phase))
    manifest, contract = read_manifest(folder)
    assert folder == store.compiled_home() / f"{which}-tensorrt-rtx-fp32"
    assert (manifest.target, manifest.sms, manifest.model) == ("tensorrt-rtx", [86, 120], "model.engine")
    assert manifest.source_sha256 == read_manifest(source)[0].sha256
    assert manifest.versions["platform"] == tensorrt.this_platform()
    assert contract.batches == (1, 4, 16)
    assert checked.startswith("built, not run: PyCUDA cannot be loaded")
    assert "Building engine" in phases
    weights = sum(entry.size for entry in weights_of(source))
    assert len(trust.read_compiled(folder / "model.engine", MODEL_LIMIT)) > 4 * weights, "holds the weights"
    assert len(store.load(folder)[3]) == manifest.files["model.engine"]["bytes"]


@pytest.mark.slow
@rtx
@pytest.mark.parametrize("name", store.names())
def test_every_model_of_the_store_is_really_built(name: str) -> None:
    folder, _ = build.build(store.PRETRAINED / name, BuildRequest("tensorrt-rtx", sms=SMS))
    assert read_manifest(folder)[0].sms == list(SMS)


@rtx
def test_a_build_without_the_batch_that_is_asked_for_is_none(home: Path) -> None:
    source = models.put_step(home / "step")
    build.build(source, BuildRequest("tensorrt-rtx", sms=SMS, batches=(1,)))
    with pytest.raises(
        EngineError, match="not built for tensorrt-rtx with batch 4 on this machine; run `engines build"
    ):
        store.open_engine(source, "tensorrt-rtx", batch=4)
    assert store.open_engine(source, batch=4).provider == "cpu"


def weights_of(folder: Path) -> list[np.ndarray]:
    model = graphs.onnx.load(folder / "model.onnx")
    return [graphs.numpy_helper.to_array(w) for w in model.graph.initializer if w.data_type == 1]


@rtx
def test_a_built_engine_belongs_to_this_user_alone(home: Path) -> None:
    folder, _ = build.build(models.put_step(home / "step"), BuildRequest("tensorrt-rtx", sms=(86,)))
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "model.engine").stat().st_mode & 0o077 == 0


@rtx
def test_half_precision_is_baked_in(home: Path) -> None:
    source = models.put_step(home / "step", DEFAULT_SIZE)
    sizes = {}
    for precision in ("fp32", "fp16"):
        folder, _ = build.build(source, BuildRequest("tensorrt-rtx", precision, sms=(86,)))
        manifest, _ = read_manifest(folder)
        assert manifest.precision == precision
        sizes[precision] = manifest.files["model.engine"]["bytes"]
    assert sizes["fp16"] < 0.7 * sizes["fp32"]


@rtx
def test_an_unknown_gpu_and_no_gpu_name_the_known_ones(home: Path) -> None:
    source = models.put_step(home / "step")
    with pytest.raises(EngineError, match=r"knows no SM \[90\]; choose from \(75, 80, 86, 89, 120"):
        build.build(source, BuildRequest("tensorrt-rtx", sms=(90,)))
    with pytest.raises(EngineError, match=r"found no GPU: name the GPUs to build for, --sm 75,80,86"):
        build.build(source, BuildRequest("tensorrt-rtx"))


@pytest.fixture
def full_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real RTX module in the place of `tensorrt`: every call made is one that it takes."""
    module = pytest.importorskip("tensorrt_rtx", reason="the rtx extra is not installed")
    monkeypatch.setitem(sys.modules, "tensorrt", module)


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU of class SM86 made of host memory; engines for it are really built, then run by ONNX Runtime."""
    real = pytest.importorskip("tensorrt_rtx")
    for room in (cuda, tensorrt_engine):
        monkeypatch.setattr(room, "open_gpu", gpu.HostGpu)

    def aim(library: tensorrt.Flavour, config: object, sms: tuple[int, ...]) -> None:
        config.num_compute_capabilities = len(sms)  # type: ignore[attr-defined]
        config.set_compute_capability(real.ComputeCapability.SM86, 0)  # type: ignore[attr-defined]

    def loaded(library: tensorrt.Flavour, data: bytes, name: str) -> gpu.CudaEngine:
        return gpu.CudaEngine(real, graphs.step_tcn(models.SMALL), graphs.step_contract(models.SMALL))

    monkeypatch.setattr(tensorrt, "_aim", aim)
    monkeypatch.setattr(tensorrt_engine, "deserialise", loaded)


def test_full_tensorrt_builds_for_the_gpu_it_runs_on_and_only_there(
    home: Path, full_tensorrt: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = models.put_step(home / "step")
    with pytest.raises(EngineError, match="builds for the GPU it runs on, found no GPU; build there"):
        build.build(source, BuildRequest("tensorrt"))
    monkeypatch.setattr(cuda, "open_gpu", gpu.HostGpu)
    with pytest.raises(EngineError, match="builds for the GPU it runs on, found SM86; build there, without --sm"):
        build.build(source, BuildRequest("tensorrt", sms=(120,)))


@pytest.mark.filterwarnings("ignore:.*Timing cache:DeprecationWarning")
def test_full_tensorrt_builds_verifies_and_opens_by_itself(home: Path, full_tensorrt: None, on_a_gpu: None) -> None:
    source = models.put_step(home / "step")
    folder, checked = build.build(source, BuildRequest("tensorrt"))
    assert checked == "golden sequence holds on host memory"
    manifest, _ = read_manifest(folder)
    assert (manifest.sms, manifest.versions["gpu"]) == ([86], "host memory")
    cache = next(store.compiled_home().glob("tensorrt-*.timing"))
    assert cache.stat().st_mode & 0o077 == 0
    cache.write_bytes(b"damaged")
    build.build(source, BuildRequest("tensorrt"))
    assert cache.stat().st_size > len(b"damaged"), "a damaged cache is replaced, not trusted"
    engine = store.open_engine(source, batch=4)
    assert (engine.provider, engine.reason) == ("tensorrt", "tensorrt, built on this machine")


@rtx
def test_a_build_that_fails_its_golden_sequence_is_removed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "open_gpu", gpu.HostGpu)

    def failing(folder: Path) -> list[str]:
        raise EngineError("golden sequence: xyz is 0.3 off")

    monkeypatch.setattr(store, "verify", failing)
    with pytest.raises(EngineError, match=r"xyz is 0\.3 off"):
        build.build(models.put_step(home / "step"), BuildRequest("tensorrt-rtx", sms=(86,)))
    assert store.compiled() == []


def test_weights_in_half_the_size_run_on_the_cpu(home: Path) -> None:
    source = models.put_step(home / "step", DEFAULT_SIZE)
    folder, checked = build.build(source, BuildRequest("onnx", "fp16", out=home / "half"))
    assert (folder, checked) == (home / "half", "golden sequence holds")
    assert (folder / "model.onnx").stat().st_size < 0.55 * (source / "model.onnx").stat().st_size
    assert read_manifest(folder)[0].precision == "fp16"
    assert "batch 16, cpu" in store.verify(folder)[-1]


def test_products_in_half_precision_stay_near_and_are_not_the_same() -> None:
    """By the reference evaluator of the onnx package, which really rounds; ONNX Runtime's CPU would not."""
    model, contract = graphs.step_tcn(models.SMALL), graphs.step_contract(models.SMALL)
    rng = np.random.default_rng(0)
    inputs = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in contract.inputs(1).items()}
    xyz = {
        kind: ReferenceEvaluator(graphs.onnx.load_model_from_string(data)).run(["xyz"], inputs)[0]  # type: ignore[index]
        for kind, data in {
            "fp32": model, "stored": fp16.halve(model, "m", False), "computed": fp16.halve(model, "m", True),
        }.items()
    }  # fmt: skip
    off = {kind: float(np.abs(value - xyz["fp32"]).max()) for kind, value in xyz.items()}
    assert 0 < off["stored"] < off["computed"] < 5e-3


def test_norms_and_biases_keep_their_precision() -> None:
    """A step's bias moves every answer, and is a hundredth of the file."""
    model = graphs.onnx.load_model_from_string(graphs.step_tcn(DEFAULT_SIZE))
    bias = graphs.numpy_helper.from_array(np.full(4 * fp16.SMALL, 0.1, np.float32), "bias")
    model.graph.initializer.append(bias)
    made = graphs.onnx.load_model_from_string(fp16.halve(model.SerializeToString(), "m", False))
    kinds = {w.name: (w.data_type, len(w.dims)) for w in made.graph.initializer}
    halved = {name: dims for name, (kind, dims) in kinds.items() if kind == graphs.onnx.TensorProto.FLOAT16}
    assert halved and min(halved.values()) >= 2 and kinds["bias"] == (graphs.onnx.TensorProto.FLOAT, 1)


def test_weights_beyond_half_precision_are_refused() -> None:
    model = graphs.onnx.load_model_from_string(graphs.step_tcn(models.SMALL))
    large = next(w for w in model.graph.initializer if w.data_type == 1 and np.prod(w.dims) > fp16.SMALL)
    values = graphs.numpy_helper.to_array(large) * 1e6
    large.CopyFrom(graphs.numpy_helper.from_array(values, large.name))
    with pytest.raises(EngineError, match=r"fp16 ends at 65504; use fp32"):
        fp16.halve(model.SerializeToString(), "m", False)


def test_too_little_precision_is_refused_before_anything_is_built(home: Path) -> None:
    """Its neighbours are chosen by distance: rounding chooses others."""
    with pytest.raises(EngineError, match=r"fp16 allows 0\.005; .* build it with --precision fp32"):
        build.build(put(home / "graph", "graph"), BuildRequest("tensorrt-rtx", "fp16", sms=SMS))


def test_other_batches_can_be_asked_for(home: Path) -> None:
    folder, _ = build.build(models.put_step(home / "step"), BuildRequest("onnx", batches=(2, 64), out=home / "wide"))
    assert read_manifest(folder)[1].batches == (2, 64)
    assert "batch 64" in store.verify(folder)[-1]


def test_what_lies_beside_the_model_travels_along(home: Path) -> None:
    source = home / "step"
    source.mkdir()
    (source / "CARD.md").write_text("what it is")
    models.put_model(source, graphs.step_tcn(models.SMALL), graphs.step_contract(models.SMALL), extra=["CARD.md"])
    folder, _ = build.build(source, BuildRequest("onnx", out=home / "out"))
    assert (folder / "CARD.md").read_text() == "what it is"


def test_a_folder_that_is_no_engine_is_not_overwritten(home: Path) -> None:
    (home / "thesis").mkdir()
    (home / "thesis" / "chapter").write_text("1")
    with pytest.raises(EngineError, match="thesis: exists and is no engine; choose another --out"):
        build.build(models.put_step(home / "step"), BuildRequest("onnx", out=home / "thesis"))
    assert [path.name for path in home.glob(".thesis*")] == []


def test_an_engine_is_not_built_from_an_engine_nor_without_a_manifest(home: Path) -> None:
    (home / "lonely.onnx").write_bytes(graphs.step_tcn(models.SMALL))
    with pytest.raises(EngineError, match=r"no manifest\.json beside it; `trainers export` writes both"):
        build.build(home / "lonely.onnx", BuildRequest("onnx"))
