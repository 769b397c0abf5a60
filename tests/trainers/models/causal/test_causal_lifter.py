"""The shipped lifter: one network, two forms, the same answer."""

import pytest

torch = pytest.importorskip("torch")

from engines.skeleton import BLAZEPOSE_33, H36M_17
from trainers.geometry.person_frame import toward
from trainers.models.blocks.hold_hidden import hold_clip
from trainers.models.causal.causal_lifter import LiveLifter
from trainers.models.causal.hold import HoldLifter

TICKS, CLIPS = 100, 3


def clip(seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(CLIPS, TICKS, 17, 2, generator=g) * 0.1
    reliability = torch.rand(CLIPS, TICKS, 17, generator=g)
    reliability[:, 40:60] *= 0.4  # nobody is seen
    reliability[0, :30] = 0.1  # nor is this one, at first
    dt = torch.rand(CLIPS, TICKS, generator=g) * 0.05 + 0.01
    return x, reliability, dt, torch.randn(CLIPS, TICKS, 17, 3, generator=g) * 0.3


def shaken(model):
    """No layer is left at its initial identity."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    for parameter in model.parameters():
        if parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, 0, 0.05)
    return model.eval()


def stepped(model, x, reliability, dt, world, resets=(0,)):
    state = {name: torch.zeros(CLIPS, *shape) for name, shape in model.contract().state}
    found = []
    for t in range(TICKS):
        reset = torch.full((CLIPS,), float(t in resets))
        *answer, state = model.step(x[:, t], reliability[:, t], dt[:, t], world[:, t], reset, state)
        found.append(answer)
    return [torch.stack(v, 1) for v in zip(*found)]


@pytest.mark.parametrize("model", [LiveLifter(48, 3), LiveLifter(32, 2, use_world=False, lengths=False), HoldLifter()])
def test_e13_steps_equal_the_clip_within_a_tenth_of_a_millimetre(model):
    model, (x, reliability, dt, world) = shaken(model), clip()
    with torch.no_grad():
        whole = model.clip(x, reliability, dt.cumsum(1), world)
        steps = stepped(model, x, reliability, dt, world)
    for a, b in zip(whole, steps):
        assert (a - b).abs().max() < 1e-4


def test_a_reset_in_the_middle_starts_a_clip_anew():
    model, (x, reliability, dt, world) = shaken(LiveLifter(32, 2)), clip()
    with torch.no_grad():
        later = model.clip(x[:, 50:], reliability[:, 50:], dt[:, 50:].cumsum(1), world[:, 50:])[0]
        steps = stepped(model, x, reliability, dt, world, resets=(0, 50))[0]
    assert (later - steps[:, 50:]).abs().max() < 1e-4


def test_the_past_never_changes():
    model, (x, reliability, dt, world) = shaken(LiveLifter(32, 2)), clip()
    with torch.no_grad():
        before = model.clip(x, reliability, dt.cumsum(1), world)[0]
        x[:, 70:] += 1.0
        after = model.clip(x, reliability, dt.cumsum(1), world)[0]
    assert torch.equal(before[:, :70], after[:, :70])
    assert not torch.allclose(before[:, 70:], after[:, 70:])


def test_a_hidden_joint_keeps_its_last_offset_from_its_parent():
    wrist, elbow = H36M_17.index("left_wrist"), H36M_17.index("left_elbow")
    points = torch.randn(1, 10, 17, 2)
    seen = torch.ones(1, 10, 17, dtype=torch.bool)
    seen[0, 4:8, wrist] = False
    held = hold_clip(points, seen)
    offset = points[0, 3, wrist] - points[0, 3, elbow]
    assert torch.allclose(held[0, 4:8, wrist], points[0, 4:8, elbow] + offset)
    assert torch.equal(held[0, 8:], points[0, 8:])


def test_hidden_input_cannot_leak_into_the_answer():
    model, (x, reliability, dt, world) = shaken(LiveLifter(32, 2)), clip()
    hidden = reliability < 0.5
    with torch.no_grad():
        before = model.clip(x, reliability, dt.cumsum(1), world)[0]
        wild = torch.where(hidden[..., None], x + 5.0, x)
        wild_world = torch.where(hidden[..., None], world + 5.0, world)
        after = model.clip(wild, reliability, dt.cumsum(1), wild_world)[0]
    assert torch.allclose(before, after, atol=1e-5)


def test_the_person_is_looked_at():
    centre = torch.tensor([[0.3, -0.7]])
    axis = toward(centre)[0] @ torch.tensor([0.0, 0.0, 1.0])
    assert torch.allclose(axis / axis[2], torch.tensor([0.3, -0.7, 1.0]), atol=1e-6)


def test_left_and_right_of_the_hold_order_are_alike():
    from trainers.models.blocks.hold_hidden import HOLD_LEVELS

    pairs = {k: v for level in HOLD_LEVELS for k, v in level.items()}
    for child, parent in pairs.items():
        if child.startswith("left_"):
            twin = parent.replace("left_", "right_")
            assert pairs[child.replace("left_", "right_")] == twin


def test_parameters_and_receptive_field_of_the_default():
    model = LiveLifter(256, 3)
    assert model.receptive_field() == 81
    assert sum(p.numel() for p in model.parameters()) < 2_000_000
    assert model.contract().joints_in == BLAZEPOSE_33.name
