"""Batches drawn by one compiled function are those that eager code makes of the same numbers, and follow the seed."""

from __future__ import annotations

import logging
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from torch import Generator
from torch._dynamo.exc import InternalTorchDynamoError

from tests.support.people.recorded_views import recorded_folder
from tests.trainers.recipes.test_corrector import folder
from trainers.augmentation.repose_clips import Change
from trainers.config import load
from trainers.data import bank as banks
from trainers.data.clips import Footage
from trainers.errors import UserError
from trainers.geometry.virtual_cameras import CameraRange, sample_views, tick_times
from trainers.recipe import recipe_module
from trainers.recipes import corrector
from trainers.training import compiled_draw
from trainers.training.bench import CONFIGS, config_of, people
from trainers.training.compiled_draw import (
    CapturedFunction,
    CompiledDraw,
    captured,
    compile_draws,
    has_compiler,
    numbers,
    tensors,
)
from trainers.training.number_tape import NumberCount, NumberTape
from trainers.training.train import run

pytestmark = pytest.mark.timeout(600)
TRACE_LOG = logging.getLogger("torch.__trace")
KINDS = {"roy2024": [(True,), (False,)], "pavllo-semi": [(True,), (False,)]}  # of their two phases


@pytest.fixture(scope="module")
def data():
    with people([]) as folders:
        yield folders


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return [str(recorded_folder(tmp_path_factory.mktemp("h36m")))]


@pytest.fixture(autouse=True)
def without_the_log_of_every_tensor(monkeypatch):
    monkeypatch.setattr(TRACE_LOG, "disabled", True)


def seeded(seed: int = 3) -> Generator:
    return Generator().manual_seed(seed)


def opened(name: str, data: list[str], **changes: object):
    config = config_of(name, 4)
    return recipe_module(config.recipe).recipe(replace(config.settings, **changes), data, "cpu", config.loop.steps)


def as_traced(module):
    return module


def same_of_the_same_numbers(draw, kind: tuple, compiler=as_traced) -> float:
    """Largest difference between the compiled draw and the eager one; both of other numbers than were traced."""
    compiled = CompiledDraw(draw, compiler)
    batch = compiled(seeded(), *kind)
    made = compiled.made[kind]
    with NumberTape(*numbers(made.uniform, made.normal, seeded())):
        eager = draw(seeded(), *kind)
    assert type(batch) is type(eager)
    pairs = list(zip(tensors(batch), tensors(eager), strict=True))
    assert pairs and all(a.shape == b.shape and a.dtype == b.dtype for a, b in pairs)
    return max(float((a.double() - b.double()).abs().max()) for a, b in pairs if a.numel())


def test_a_graph_draws_the_same_batch_of_the_same_numbers(data):
    assert same_of_the_same_numbers(small_draw(data), ()) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [(n, k) for n in CONFIGS for k in KINDS.get(n, [()])])
def test_so_does_every_recipes(name, kind, data):
    assert same_of_the_same_numbers(opened(name, data).draw, kind) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [("cheng2019", ()), ("cheng2020", ()), ("roy2024", (False,))])
def test_so_do_those_that_learn_from_recorded_people(name, kind, recorded):
    changes = {"labelled_every": 2, "views": 2} if name == "roy2024" else {}
    assert same_of_the_same_numbers(opened(name, recorded, recorded=True, **changes).draw, kind) < 1e-5


@pytest.mark.slow
def test_so_do_clips_of_the_real_detector_reposed_and_hidden_further(data):
    recipe = opened("causal-small", data, reposed=Change(share=1.0))
    flat, points = torch.rand(90, 17, generator=seeded()), torch.randn(90, 17, 3, generator=seeded()) * 0.4
    recipe.rendered = Footage(
        points[..., :2] / 4, flat, points, points, flat < 0.3, torch.tensor([0.1, 0.0, 4.0]).expand(90, 3), flat[:, 0],
        torch.tensor([0, 40]), torch.tensor([40, 50]), torch.ones(2) > 0,
    )  # fmt: skip
    assert same_of_the_same_numbers(recipe.draw, ()) < 1e-5


@pytest.mark.slow
def test_so_do_the_correctors_bursts(tmp_path):
    made = corrector.recipe(corrector.CorrectorSettings(width=8, depth=1, batch=4), [folder(tmp_path / "train"),
                            folder(tmp_path / "check", "validation", seed=1)], "cpu", 9)  # fmt: skip
    assert same_of_the_same_numbers(made.draw, ()) < 1e-5


def test_a_batch_follows_its_seed_and_no_earlier_draw(data):
    compiled = CompiledDraw(small_draw(data), as_traced)
    first, other, again = (compiled(seeded(seed)) for seed in (3, 4, 3))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0]) and not torch.equal(first[1], other[1])


def test_a_draw_whose_course_depends_on_its_numbers_is_refused():
    def by_mask(g: Generator):
        return torch.ones(8)[torch.rand(8, generator=g) < 0.5]

    def if_small(g: Generator):
        return torch.ones(8) if torch.rand(1, generator=g) < 0.5 else torch.zeros(8)

    with pytest.raises(UserError, match=r"aten.index.Tensor: its shape depends on the numbers"):
        CompiledDraw(by_mask, as_traced)(seeded())
    with pytest.raises(RuntimeError, match="data-dependent"):
        CompiledDraw(if_small, as_traced)(seeded())


def test_a_compiler_that_fails_is_one_line(data):
    def failing(*_):
        raise InternalTorchDynamoError("no such target\nand a page more")

    with pytest.raises(UserError, match=r"does not compile: no such target; train with --compile never$"):
        CompiledDraw(small_draw(data), lambda _: failing)(seeded())


def small_draw(data: list[str]):
    """Draw motion and cameras: every kind of number is in it."""
    bank = opened("zhang2021", data).people.bank

    def draw(g: Generator):
        motion = banks.sample(bank, tick_times(3, 2, g), g)
        view = sample_views(motion, CameraRange(), g)
        return view.rays, view.pose, view.inside

    return draw


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")
def test_what_the_compiler_makes_of_it_is_the_same(data, tmp_path, monkeypatch):
    from torch._inductor import config

    monkeypatch.setattr(config, "compile_threads", 1)  # its threads would stay
    monkeypatch.setenv("SETUPTOOLS_USE_DISTUTILS", "stdlib")  # a test before this one may have imported that already
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    draw = small_draw(data)
    with NumberCount() as count:
        draw(seeded())
    assert count.uniform > 0 and same_of_the_same_numbers(draw, (), compiled_draw.with_inductor) < 1e-4


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_curve(data, tmp_path, monkeypatch):
    monkeypatch.setattr(compiled_draw, "with_inductor", as_traced)
    config = load("roy2024")
    settings = replace(config.settings, batch=4, validation_clips=2, warm_up=0)
    config = replace(config, settings=settings, loop=replace(config.loop, validate_every=6, checkpoint_every=2))

    def trained(out: str, minutes: float | None = None):
        recipe = recipe_module("roy2024").recipe(settings, data, "cpu", 6)
        assert compile_draws(recipe, "always", "cpu") == ""
        return recipe.model, run(config, recipe, tmp_path / out, 6, minutes=minutes)

    (whole, figures), _ = trained("whole"), trained("killed", minutes=0.0)
    again, resumed = trained("killed")
    assert figures == resumed
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True))


def test_it_is_told_why_a_draw_stays_eager(data, monkeypatch):
    recipe = opened("zhang2021", data)
    assert "cuda" in compile_draws(recipe, "cuda", "cpu") and "never" in compile_draws(recipe, "never", "cuda")
    assert "not drawn" in compile_draws(object(), "always", "cpu")
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(compiled_draw, "COMPILERS", ("no-such-compiler",))
    with pytest.raises(UserError, match="no-such-compiler; or train with --compile never"):
        compile_draws(recipe, "always", "cpu")
    assert not isinstance(recipe.draw, CompiledDraw)


# --- captured on a GPU (here a stand-in that records and repeats calls; tests/gpu has the real one) ---------------


class RecordedCalls:
    """In place of `torch.cuda`: whatever is called while it captures is called again, into the same tensors."""

    def __init__(self, monkeypatch) -> None:
        self.recorded: list[tuple] = []
        self.capturing = False
        self.streams: list = []
        for name, value in {"CUDAGraph": lambda: self, "graph": self.capture, "Stream": lambda: self,
                            "stream": lambda _: nullcontext(), "current_stream": lambda: self,
                            "set_stream": self.streams.append}.items():  # fmt: skip
            monkeypatch.setattr(torch.cuda, name, value)

    def wait_stream(self, _) -> None:
        assert not self.capturing

    @contextmanager
    def capture(self, _):
        self.capturing = True
        try:
            yield
        finally:
            self.capturing = False

    def kernels(self, function):
        def called(*given):
            found = function(*given)
            if self.capturing:
                self.recorded.append((function, given, found))
            return found

        return called

    def replay(self) -> None:
        for function, given, found in self.recorded:
            for old, new in zip(found, function(*given), strict=True):
                old.copy_(new)


def test_a_captured_batch_is_of_its_own_numbers_and_stays_when_the_next_is_drawn(monkeypatch):
    cuda = RecordedCalls(monkeypatch)
    sums = CapturedFunction(cuda.kernels(lambda uniform, normal: [uniform.sum()[None], uniform + normal]))
    first = sums(torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0]))
    second = sums(torch.tensor([3.0, 4.0]), torch.tensor([30.0, 40.0]))
    assert [t.tolist() for t in first] == [[3.0], [11.0, 22.0]]
    assert [t.tolist() for t in second] == [[7.0], [33.0, 44.0]] and len(cuda.recorded) == 1


def test_what_cannot_be_captured_is_run_as_it_is_and_said(monkeypatch, capsys):
    cuda = RecordedCalls(monkeypatch)

    def refuses(uniform, normal):
        if cuda.capturing:
            raise RuntimeError("operation not permitted\nand a page more")
        return [uniform + normal]

    adds = CapturedFunction(refuses)
    for number in (1.0, 2.0):
        assert adds(torch.tensor([number]), torch.tensor([10.0]))[0].item() == 10 + number
    assert capsys.readouterr().err == ("batches are launched kernel by kernel, not captured: operation not permitted\n")
    assert cuda.streams == [cuda], "the stream of before"


def test_what_depends_on_no_number_is_computed_once():
    """A mask made on the CPU, row by row, and sent to the GPU at every draw could not be captured."""

    def masked(uniform, normal):
        rows = torch.zeros(2, 3, dtype=torch.bool)
        for row, joints in zip(rows, ([0, 1], [2])):
            row[joints] = True
        return [(rows * torch.arange(3)).sum(0) * uniform + normal]

    module = compiled_draw.graph(masked, torch.rand(3), torch.rand(3))
    assert [n.target.__name__ for n in module.graph.nodes if n.op == "call_function"] == ["mul.Tensor", "add.Tensor"]
    (found,) = module(torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3))
    assert found.tolist() == [0.0, 2.0, 6.0]


def test_what_waits_for_the_device_is_not_captured():
    def waits(uniform, normal):
        return [torch.linalg.svdvals(uniform.view(2, 2)), normal]

    def runs(uniform, normal):
        return [uniform.view(2, 2) @ normal.view(2, 2)]

    given = torch.rand(4), torch.rand(4)
    assert not isinstance(captured(compiled_draw.graph(waits, *given)), CapturedFunction)
    assert isinstance(captured(compiled_draw.graph(runs, *given)), CapturedFunction)


def test_batches_are_captured_on_a_gpu_and_compiled_elsewhere(data, monkeypatch):
    for device, compiler in (("cuda:0", captured), ("cpu", compiled_draw.with_inductor)):
        recipe = opened("zhang2021", data)
        assert compile_draws(recipe, "always", device) == "" and recipe.draw.compiler is compiler


# --- numbers ------------------------------------------------------------------------------------------------------


def taped(draw, uniform: list[float], normal: list[float] | None = None):
    with NumberTape(torch.tensor(uniform), torch.tensor(normal or [])):
        return draw(seeded())


def test_whole_numbers_orders_and_rows_come_from_uniform_ones():
    top = 1 - 2**-24  # the largest there is
    assert taped(lambda g: torch.randint(3, 7, (3,), generator=g), [0.0, 0.5, top]).tolist() == [3, 5, 6]
    assert taped(lambda g: torch.randint(5, (2,), generator=g), [0.19, top]).tolist() == [0, 4]
    assert taped(lambda g: torch.randperm(3, generator=g), [0.5, 0.1, 0.9]).tolist() == [1, 0, 2]
    weight = torch.tensor([0.0, 1.0, 0.0, 3.0, 0.0])
    drawn = taped(lambda g: torch.multinomial(weight, 4, replacement=True, generator=g), [0.0, 0.24, 0.26, top])
    assert drawn.tolist() == [1, 1, 3, 3]


def test_every_number_is_used_once_and_other_draws_pass():
    def draw(g: Generator):
        return (
            torch.rand(2, generator=g),
            torch.randn((1, 2), generator=g),
            torch.rand(2, 1, generator=g),
            torch.rand(1),
        )

    with NumberCount() as count:
        draw(seeded())
    assert (count.uniform, count.normal) == (4, 2)
    first, normal, second, _ = taped(draw, [0.1, 0.2, 0.3, 0.4], [1.0, 2.0])
    assert torch.cat([first, second[:, 0]]).tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert normal.tolist() == [[1.0, 2.0]]


def test_a_draw_that_no_tape_knows_is_an_error():
    with pytest.raises(NotImplementedError, match="bernoulli"):
        taped(lambda g: torch.bernoulli(torch.ones(2), generator=g), [0.1])
    with pytest.raises(NotImplementedError, match="replacement"):
        taped(lambda g: torch.multinomial(torch.ones(3), 2, generator=g), [0.1, 0.2])
