"""What must hold on a GPU: PyCUDA's buffers, streams, graphs and kernels against torch, torch's steps against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from engines.backends import cuda
from tests.gpu.torch_step import TorchStep
from tests.support.networks import graphs

KERNEL = """
extern "C" __global__ void relu_of_line(float *out, const float *in, float slope, float offset, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = fmaxf(slope * in[i] + offset, 0.0f);
}
"""
COUNT = 100_000
SHAPES: dict[str, tuple[int, ...]] = {"in": (COUNT,), "out": (COUNT,)}


def check_blocks_come_back_as_they_went(gpu: cuda.PyCuda) -> None:
    block = cuda.DeviceBlock(gpu, {"a": (3, 5), "b": (1000,), "c": (1,)}, host=True)
    rng = np.random.default_rng(0)
    kept = {name: rng.normal(size=view.shape).astype(np.float32) for name, view in block.views.items()}
    for name, view in block.views.items():
        view[...] = kept[name]
    block.upload()
    gpu.sync()
    for view in block.views.values():
        view[...] = 0
    block.download()
    gpu.sync()
    assert all(np.array_equal(view, kept[name]) for name, view in block.views.items())
    block.zero()
    block.download()
    gpu.sync()
    assert not any(view.any() for view in block.views.values())


def check_a_kernel_equals_torch(gpu: cuda.PyCuda) -> None:
    """Our kernel on torch's own memory: both use the device's primary context."""
    import torch

    given = torch.randn(COUNT, device="cuda")
    out = torch.empty_like(given)
    torch.cuda.synchronize()
    line(gpu, out.data_ptr(), given.data_ptr())
    gpu.sync()
    torch.testing.assert_close(out, torch.relu(2 * given - 1), atol=1e-6, rtol=1e-6)


def check_a_captured_graph_repeats_the_work(gpu: cuda.PyCuda) -> None:
    """Upload, kernel and download captured once; replayed with other numbers in the pinned memory."""
    block = cuda.DeviceBlock(gpu, SHAPES, host=True)

    def work() -> None:
        block.upload()
        line(gpu, block.address["out"], block.address["in"])
        block.download()

    work()
    replay = gpu.capture(work)
    assert replay is not work, "the driver refused to capture"
    for seed in range(3):
        block.views["in"][...] = np.random.default_rng(seed).normal(size=COUNT)
        block.views["out"][...] = -1
        expected = np.maximum(2 * block.views["in"] - 1, 0)
        replay()
        gpu.sync()
        np.testing.assert_allclose(block.views["out"], expected, atol=1e-6)


def check_state_can_be_swapped_without_copying(gpu: cuda.PyCuda) -> None:
    """Two captured calls that read one block and write the other, as the step engine's do: n calls, n applications."""
    blocks = [cuda.DeviceBlock(gpu, {"state": (COUNT,)}, host=True) for _ in range(2)]

    def call(read: cuda.DeviceBlock, write: cuda.DeviceBlock) -> Any:
        def work() -> None:
            line(gpu, write.start, read.start)

        work()
        return gpu.capture(work)

    calls = [call(*blocks), call(*blocks[::-1])]
    blocks[0].views["state"][...] = expected = np.linspace(0.5, 1.5, COUNT, dtype=np.float32)
    blocks[0].upload()
    for step in range(6):
        calls[step % 2]()
        expected = np.maximum(2 * expected - 1, 0)
    blocks[0].download()
    gpu.sync()
    np.testing.assert_allclose(blocks[0].views["state"], expected, atol=1e-4)


def check_torch_steps_equal_the_whole_clip(gpu: cuda.PyCuda) -> None:
    """Twenty frames of four people on the GPU, eager and as a CUDA graph, against numpy on the whole clip."""
    net = graphs.Tcn(channels=64)
    rng = np.random.default_rng(0)
    clip = {
        "x": rng.normal(0, 0.3, (20, 4, graphs.J, 2)).astype(np.float32),
        "reliability": rng.uniform(0, 1, (20, 4, graphs.J)).astype(np.float32),
        "dt": np.full((20, 4), 1 / 30, np.float32),
    }
    for graphed in (False, True):
        step = TorchStep(net, people=4, graphed=graphed)
        answers = np.stack([step({k: v[t] for k, v in clip.items()}, reset=t == 0).copy() for t in range(20)])
        for person in range(4):
            expected, _ = graphs.clip_answers(net, {k: v[:, person] for k, v in clip.items()})
            np.testing.assert_allclose(answers[:, person, :, :3], expected, atol=1e-3)


def check_captured_batches_equal_eager_ones(gpu: Any) -> None:
    """A recipe's batch as one CUDA graph, of three seeds, against eager code of the same numbers."""
    import torch

    from trainers.recipe import recipe_module
    from trainers.training.bench import config_of, people
    from trainers.training.compiled_draw import CapturedFunction, CompiledDraw, captured, numbers, tensors
    from trainers.training.number_tape import NumberTape

    config = config_of("zhang2021", 8)
    with people([]) as data:
        draw = recipe_module(config.recipe).recipe(config.settings, data, "cuda", 10).draw
    compiled = CompiledDraw(draw, captured)
    for seed in range(3):
        batch = compiled(torch.Generator("cuda").manual_seed(seed))
        (made,) = compiled.made.values()
        assert isinstance(made.function, CapturedFunction) and made.function.graph, "the driver refused to capture"
        with NumberTape(*numbers(made.uniform, made.normal, torch.Generator("cuda").manual_seed(seed))):
            eager = draw(torch.Generator("cuda").manual_seed(seed))
        for one, other in zip(tensors(batch), tensors(eager), strict=True):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]


def line(gpu: cuda.PyCuda, out: int, given: int) -> None:
    """out = relu(2 in - 1), on the engine's stream."""
    blocks = -(-COUNT // 256)
    arguments = np.intp(out), np.intp(given), np.float32(2), np.float32(-1), np.int32(COUNT)
    kernel()(*arguments, block=(256, 1, 1), grid=(blocks, 1), stream=gpu._stream)


_compiled: list[Any] = []


def kernel() -> Any:
    from pycuda.compiler import SourceModule

    if not _compiled:
        _compiled.append(SourceModule(KERNEL, no_extern_c=True).get_function("relu_of_line"))
    return _compiled[0]
