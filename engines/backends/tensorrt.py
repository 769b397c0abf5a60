"""Parse, build and deserialise with TensorRT and TensorRT for RTX, which share one Python interface."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engines.contract import Contract
from engines.errors import EngineError

LIBRARY = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}  # target -> Python module
EXTRA = {"tensorrt": "tensorrt", "tensorrt-rtx": "rtx"}  # target -> steadypose[...]
Progress = Callable[[str, int, int], None]  # phase, step, steps; called from TensorRT's own threads


def this_platform() -> str:
    return f"{platform.system()}-{platform.machine()}"


@dataclass
class Flavour:
    """One installed TensorRT with a logger that keeps its complaints for our error messages."""

    target: str
    module: Any
    log: Any

    @property
    def version(self) -> str:
        return str(self.module.__version__)

    @property
    def complaint(self) -> str:
        return " ".join(str(self.log.complaints[-1]).split())[:200] if self.log.complaints else "no reason given"

    def sms(self) -> tuple[int, ...]:
        """Compute capabilities it can build for without having them; none for full TensorRT."""
        known = getattr(self.module, "ComputeCapability", None)
        names = getattr(known, "__members__", {}) if self.target == "tensorrt-rtx" else {}
        return tuple(int(name[2:]) for name in names if name.startswith("SM"))


def flavour(target: str) -> Flavour:
    """Import the installed library of a target; EngineError naming the extra that brings it."""
    try:
        if target == "tensorrt":
            import tensorrt as module
        else:
            import tensorrt_rtx as module
    except (ImportError, OSError) as error:
        raise EngineError(
            f"{LIBRARY[target]} cannot be loaded ({error}); `pip install steadypose[{EXTRA[target]}]`, "
            f"on a Jetson a virtual environment with --system-site-packages"
        ) from None
    return Flavour(target, module, _logger(module))


def parse(library: Flavour, onnx: bytes, name: str) -> tuple[Any, Any]:
    """Parse an ONNX file with TensorRT's own parser; return the network and its builder."""
    trt = library.module
    builder = trt.Builder(library.log)
    network = builder.create_network(_strongly_typed(trt))
    parser = trt.OnnxParser(network, library.log)
    if not parser.parse(onnx):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        found = "; ".join(f"{e.node_operator()} {e.node_name()}: {e.desc()}" for e in errors) or library.complaint
        raise EngineError(
            f"{name}: {LIBRARY[library.target]} {library.version} cannot parse it ({found[:300]}); "
            f"export it with operators that it knows"
        )
    return builder, network


def compile_onnx(
    library: Flavour, onnx: bytes, name: str, contract: Contract, batches: Sequence[int], sms: Sequence[int],
    cache: bytes = b"", progress: Progress | None = None,
) -> tuple[bytes, bytes]:  # fmt: skip
    """Build an engine with one profile per batch; returns it and the timing cache (empty where there is none)."""
    builder, network = parse(library, onnx, name)
    config = builder.create_builder_config()
    for batch in batches:
        config.add_optimization_profile(_profile(builder, contract, batch))
    _aim(library, config, sms)
    if (shortened := getattr(library.module.BuilderFlag, "TF32", None)) is not None:
        config.clear_flag(shortened)  # fp32 means fp32: products of 10 bits would fail the golden sequence
    timed = library.target == "tensorrt" and _time_with(config, cache)
    monitor = _monitor(library.module, progress) if progress else None
    if monitor is not None:
        config.progress_monitor = monitor
    built = builder.build_serialized_network(network, config)
    if built is None:
        raise EngineError(
            f"{name}: {LIBRARY[library.target]} {library.version} cannot build it ({library.complaint}); "
            f"try other --sm, --batch or --precision, or --target onnx"
        )
    return bytes(built), bytes(config.get_timing_cache().serialize()) if timed else b""


def deserialise(library: Flavour, data: bytes, name: str) -> Any:
    """Deserialise an engine of verified bytes this user built: a serialised engine is executable code."""
    runtime = library.module.Runtime(library.log)  # which by default runs no code that an engine brings along
    why = _invalid(library.module, runtime, data)
    engine = None if why else runtime.deserialize_cuda_engine(data)
    if engine is None:
        raise EngineError(
            f"{name}: {LIBRARY[library.target]} {library.version} cannot load it ({why or library.complaint}); "
            f"run `engines build {name} --target {library.target}` again on this machine"
        )
    return engine


def check_fits(name: str, built: dict[str, str], sms: Sequence[int], library: Flavour, capability: int) -> None:
    """Refuse an engine of another version, platform or GPU, before a byte of it is deserialised."""
    wanted = {LIBRARY[library.target]: library.version, "platform": this_platform()}
    again = f"run `engines build {name} --target {library.target}` again on this machine"
    for what, here in wanted.items():
        if built.get(what) != here:
            raise EngineError(f"{name}: built with {what} {built.get(what, 'unknown')}, here is {here}; {again}")
    if capability not in sms:
        made_for = ", ".join(f"SM{sm}" for sm in sms) or "no GPU"
        raise EngineError(f"{name}: built for {made_for}, this GPU is SM{capability}; {again}")


def _invalid(trt: Any, runtime: Any, data: bytes) -> str:
    """Ask RTX what is wrong with an engine's header; empty: nothing, or full TensorRT, which cannot be asked."""
    if not hasattr(runtime, "get_engine_validity"):
        return ""
    validity, flags = runtime.get_engine_validity(data)
    if validity != trt.EngineValidity.INVALID:
        return ""
    members = trt.EngineInvalidityDiagnostics.__members__
    found = [name for name, flag in members.items() if int(flags) & int(flag)]
    return ", ".join(found).lower().replace("_", " ") or "invalid here"


def _strongly_typed(trt: Any) -> int:
    """Types come from the ONNX file; where the flag is gone (TensorRT 11) it always holds."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _profile(builder: Any, contract: Contract, batch: int) -> Any:
    profile = builder.create_optimization_profile()
    for tensor, shape in contract.inputs(batch).items():
        profile.set_shape(tensor, shape, shape, shape)
    return profile


def _time_with(config: Any, cache: bytes) -> bool:
    """Attaches what earlier builds timed, or an empty cache; RTX times nothing and has none."""
    earlier, none = config.create_timing_cache(cache), config.create_timing_cache(b"")
    return bool(config.set_timing_cache(earlier, False) or config.set_timing_cache(none, False))


def _aim(library: Flavour, config: Any, sms: Sequence[int]) -> None:
    """Names the GPUs of an ahead-of-time build; full TensorRT builds for the one that is here."""
    if library.target != "tensorrt-rtx":
        return
    known = library.sms()
    if unknown := [sm for sm in sms if sm not in known]:
        raise EngineError(f"TensorRT for RTX {library.version} knows no SM {unknown}; choose from {known}")
    config.num_compute_capabilities = len(sms)
    for index, sm in enumerate(sms):
        config.set_compute_capability(getattr(library.module.ComputeCapability, f"SM{sm}"), index)


def _logger(trt: Any) -> Any:
    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.complaints: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                self.complaints.append(msg)

    return Log()


def _monitor(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.steps[phase_name] = num_steps
            progress(phase_name, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress(phase_name, step + 1, self.steps.get(phase_name, step + 1))
            return True

        def phase_finish(self, phase_name: str) -> None:
            steps = self.steps.get(phase_name, 1)
            progress(phase_name, steps, steps)

    return Monitor()
