"""The lifter that ships: hold what is hidden, look along the person's ray, one causal TCN, a pose and its sigma.

Knows: the step and the full-clip form of one network and that both give the same answer.
Does not know: data, losses, files, people, pixels.

Shapes: B clips, T ticks, J = 17 joints of H36M.  Axes: camera (x right, y down, z forward), metres.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from engines.contract import H36M_17, Contract, mapping
from trainers.models.foreshortening import BONES, longest_clip, longest_step
from trainers.models.foreshortening import features as bone_features

AGE_MAX = 3.0  # s; also the age of a joint never seen
SCALE_MEMORY = 2.0  # s
PRIOR_WEIGHT, PRIOR_SCALE = 1e-3, 0.3  # a person 3.3 m away, until something is seen
PELVIS, THORAX = H36M_17.index("pelvis"), H36M_17.index("thorax")
# a hidden joint hangs on its parent; the trunk hangs on the thorax, which is seen more often than the hips
TRUNK = ("thorax", "pelvis")
HOLD_LEVELS: tuple[dict[str, str], ...] = (
    {"spine": "pelvis", "right_hip": "pelvis", "left_hip": "pelvis", "nose": "thorax", "left_shoulder": "thorax",
     "right_shoulder": "thorax"},
    {"right_knee": "right_hip", "left_knee": "left_hip", "head": "nose", "left_elbow": "left_shoulder",
     "right_elbow": "right_shoulder"},
    {"right_ankle": "right_knee", "left_ankle": "left_knee", "left_wrist": "left_elbow", "right_wrist": "right_elbow"},
)  # fmt: skip
HOLD_ORDER = [*TRUNK, *(child for level in HOLD_LEVELS for child in level)]
HOLD_JOINTS = [H36M_17.index(j) for j in HOLD_ORDER]  # order of the chain -> joint
HOLD_BACK = [HOLD_ORDER.index(j) for j in H36M_17.joints]  # joint -> place in the chain
# typical distance from the pelvis, metres: turns the size in the picture into a distance
REACH = (0.0, 0.12, 0.45, 0.85, 0.12, 0.45, 0.85, 0.22, 0.48, 0.62, 0.75, 0.45, 0.45, 0.5, 0.45, 0.45, 0.5)
JOINT_FEATURES = 2 + 1 + 1 + 1 + 3  # position, seen, reliability, freshness, held world
GLOBAL_FEATURES = 4  # direction of the person (2), log scale, whether the detector's 3D is there


def toward(centre: Tensor) -> Tensor:
    """Smallest rotation that takes the optical axis to the ray (x, y, 1): (…, 2) -> (…, 3, 3)."""
    ray = torch.cat([centre, torch.ones_like(centre[..., :1])], -1)
    u = ray / ray.square().sum(-1, keepdim=True).sqrt()
    x, y, z = u.unbind(-1)
    k = 1.0 / (1.0 + z)
    rows = [1 - x * x * k, -x * y * k, x, -x * y * k, 1 - y * y * k, y, -x, -y, z]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


class JointMap(nn.Module):
    """Detector joints -> the 17 of the pose: points by weights, reliability by the worst source."""

    def __init__(self, source: str) -> None:
        super().__init__()
        weights = torch.from_numpy(mapping(source, H36M_17.name))
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("unused", (weights == 0).float() * 2.0, persistent=False)

    def points(self, points: Tensor) -> Tensor:  # (…, J_in, D) -> (…, 17, D)
        return torch.matmul(self.weights, points)

    def reliability(self, reliability: Tensor) -> Tensor:  # (…, J_in) -> (…, 17)
        return (reliability.unsqueeze(-2) + self.unused).amin(-1)


def last_seen(seen: Tensor) -> Tensor:
    """(B, T, …) bool -> index of the latest seen tick up to now, -1 before the first."""
    ticks = torch.arange(seen.shape[1], device=seen.device).view(1, -1, *[1] * (seen.dim() - 2))
    return torch.where(seen, ticks, torch.full_like(ticks, -1)).cummax(1).values


def unseen_for(seen: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """(B, T, J) bool, (B, T) s -> latest seen tick (-1: never) and the seconds since then (since the start: never)."""
    index = last_seen(seen)
    clock = time.unsqueeze(-1)
    return index, clock - clock.expand_as(index).gather(1, index.clamp_min(0))


def carry(values: Tensor, seen: Tensor, start: Tensor | None = None) -> Tensor:
    """Values (B, T, D) at their latest seen tick; `start` (zeros) before the first."""
    index = last_seen(seen)
    held = values.gather(1, index.clamp_min(0).unsqueeze(-1).expand(-1, -1, values.shape[-1]))
    return torch.where((index >= 0).unsqueeze(-1), held, torch.zeros_like(held) if start is None else start)


def pick(values: Tensor, joints: list[int], dim: int) -> Tensor:
    return values.index_select(dim, torch.tensor(joints, device=values.device))


def chain(
    trunk: Tensor, points: Tensor, seen: Tensor, remember: Callable[[Tensor, int], Tensor]
) -> tuple[Tensor, Tensor]:
    """Places and offsets of all joints from the trunk outwards, (…, 17, D) both in the order of the chain.

    points (…, 17, D) and seen (…, 17, 1) are in that order; remember(offsets, first) carries a level's offsets.
    """
    places, offsets, first = trunk, [], len(TRUNK)
    for level in HOLD_LEVELS:
        parent = pick(places, [HOLD_ORDER.index(p) for p in level.values()], -2)
        here = slice(first, first + len(level))
        offset = remember(points[..., here, :] - parent, first)
        places = torch.cat([places, torch.where(seen[..., here, :], points[..., here, :], parent + offset)], -2)
        offsets.append(offset)
        first += len(level)
    return places, torch.cat(offsets, -2)


def hold_clip(points: Tensor, seen: Tensor) -> Tensor:
    """(B, T, 17, D), (B, T, 17) bool -> points where hidden joints keep their last offset from their parent."""
    p, s = pick(points, HOLD_JOINTS, 2), pick(seen, HOLD_JOINTS, 2).unsqueeze(-1)
    at_thorax, at_pelvis, sees_thorax, sees_pelvis = p[:, :, 0], p[:, :, 1], s[:, :, 0], s[:, :, 1]
    offset = carry(at_pelvis - at_thorax, (sees_thorax & sees_pelvis).squeeze(-1))
    thorax = carry(torch.where(sees_thorax, at_thorax, at_pelvis - offset), (sees_thorax | sees_pelvis).squeeze(-1))
    trunk = torch.stack([thorax, torch.where(sees_pelvis, at_pelvis, thorax + offset)], 2)

    def remember(offsets: Tensor, first: int) -> Tensor:
        each = [carry(o, s[:, :, first + i, 0]) for i, o in enumerate(offsets.unbind(2))]
        return torch.stack(each, 2)

    return pick(chain(trunk, p, s, remember)[0], HOLD_BACK, 2)


def hold_step(points: Tensor, seen: Tensor, state: Tensor, reset: Tensor) -> tuple[Tensor, Tensor]:
    """One tick of `hold_clip`: points (B, 17, D), seen (B, 17) bool, state (B, 17, D), reset (B,) bool.

    The state, in the order of the chain: last place of the thorax, then last offset of each joint from its parent.
    """
    state = torch.where(reset[:, None, None], torch.zeros_like(state), state)
    p, s = pick(points, HOLD_JOINTS, 1), pick(seen, HOLD_JOINTS, 1).unsqueeze(-1)
    at_thorax, at_pelvis, sees_thorax, sees_pelvis = p[:, 0], p[:, 1], s[:, 0], s[:, 1]
    offset = torch.where(sees_thorax & sees_pelvis, at_pelvis - at_thorax, state[:, 1])
    thorax = torch.where(sees_thorax, at_thorax, torch.where(sees_pelvis, at_pelvis - offset, state[:, 0]))
    trunk = torch.stack([thorax, torch.where(sees_pelvis, at_pelvis, thorax + offset)], 1)

    def remember(offsets: Tensor, first: int) -> Tensor:
        here = slice(first, first + offsets.shape[1])
        return torch.where(s[:, here], offsets, state[:, here])

    places, offsets = chain(trunk, p, s, remember)
    return pick(places, HOLD_BACK, 1), torch.cat([torch.stack([thorax, offset], 1), offsets], 1)


class CausalConv(nn.Module):
    """Kernel 3, dilation d: taps at now, d and 2d ticks ago; before a reset stands the activation of the reset."""

    def __init__(self, channels_in: int, channels_out: int, dilation: int) -> None:
        super().__init__()
        self.dilation, self.channels_in = dilation, channels_in
        self.conv = nn.Conv1d(channels_in, channels_out, 3, dilation=dilation, bias=False)

    def clip(self, x: Tensor) -> Tensor:  # (B, C, T)
        return self.conv(torch.nn.functional.pad(x, (2 * self.dilation, 0), mode="replicate"))

    def step(self, x: Tensor, history: Tensor, reset: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, C), history (B, 2d, C), oldest first."""
        history = torch.where(reset[:, None, None], x.unsqueeze(1), history)
        w = self.conv.weight
        taps = torch.cat([history[:, 0], history[:, self.dilation], x], 1)  # (B, 3C)
        y = torch.nn.functional.linear(taps, w.permute(0, 2, 1).flatten(1))
        return y, torch.cat([history[:, 1:], x.unsqueeze(1)], 1)


class Block(nn.Module):
    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.wide = CausalConv(channels, channels, dilation)
        self.point = nn.Conv1d(channels, channels, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm1d(channels), nn.BatchNorm1d(channels)
        self.drop = nn.Dropout(dropout)

    def _mix(self, x: Tensor, wide: Tensor) -> Tensor:
        y = self.drop(torch.relu(self.norm1(wide)))
        return x + self.drop(torch.relu(self.norm2(self.point(y))))

    def clip(self, x: Tensor) -> Tensor:
        return self._mix(x, self.wide.clip(x))

    def step(self, x: Tensor, history: Tensor, reset: Tensor) -> tuple[Tensor, Tensor]:
        wide, history = self.wide.step(x, history, reset)
        return self._mix(x.unsqueeze(-1), wide.unsqueeze(-1)).squeeze(-1), history


class FrontEnd(nn.Module):
    """Everything between the detector's keypoints and the network, causal, without weights."""

    def __init__(
        self, threshold: float = 0.5, use_world: bool = True, hold: bool = True, lengths: bool = False
    ) -> None:  # fmt: skip
        super().__init__()
        self.threshold, self.use_world, self.hold, self.lengths = threshold, use_world, hold, lengths
        self.register_buffer("reach2", torch.tensor(REACH).square(), persistent=False)
        self.width = 17 * JOINT_FEATURES + GLOBAL_FEATURES + (2 * BONES if lengths else 0)
        state: tuple[tuple[str, tuple[int, ...]], ...] = (
            ("held2d", (17, 2)), ("held3d", (17, 3)), ("age", (17,)), ("size", (2,)),
        )  # fmt: skip
        self.state = (*state, ("longest", (BONES,))) if lengths else state

    def clip(self, x: Tensor, reliability: Tensor, time: Tensor, world: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, T, 17, 2), reliability (B, T, 17), time (B, T) s, world (B, T, 17, 3) ->
        features (B, T, F), rotation (B, T, 3, 3), held world (B, T, 17, 3)."""
        seen = reliability >= self.threshold
        held, held3d = self._hold(hold_clip(x, seen), x), hold_clip(world, seen)
        index, since = unseen_for(seen, time)
        age = torch.where(index >= 0, since.clamp(0, AGE_MAX), torch.full_like(since, AGE_MAX))
        rotation = toward(held[:, :, PELVIS])
        points = self._look(held, rotation)
        decay = torch.exp(-(time.unsqueeze(2) - time.unsqueeze(1)).clamp_min(0) / SCALE_MEMORY).tril()  # (B, T, T)
        scale = self._scale(decay @ self._size(points, seen))
        metric = points / scale[..., None, None]
        features = self._features(metric, seen, reliability, age, held3d, scale, held)
        if self.lengths:
            features = torch.cat([features, bone_features(metric, longest_clip(metric, seen, time))], -1)
        return features, rotation, held3d

    def step(
        self, x: Tensor, reliability: Tensor, dt: Tensor, world: Tensor, reset: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        seen = reliability >= self.threshold
        held, held2d = hold_step(x, seen, state["held2d"], reset)
        held = self._hold(held, x)
        held3d, offsets3d = hold_step(world, seen, state["held3d"], reset)
        older = torch.where(reset[:, None], torch.full_like(state["age"], AGE_MAX), state["age"] + dt[:, None])
        age = torch.where(seen, torch.zeros_like(older), older).clamp_max(AGE_MAX)
        rotation = toward(held[:, PELVIS])
        points = self._look(held, rotation)
        kept = torch.where(reset, torch.zeros_like(dt), torch.exp(-dt / SCALE_MEMORY))
        size = state["size"] * kept[:, None] + self._size(points, seen)
        scale = self._scale(size)
        metric = points / scale[..., None, None]
        features = self._features(metric, seen, reliability, age, held3d, scale, held)
        after = {"held2d": held2d, "held3d": offsets3d, "age": age, "size": size}
        if self.lengths:
            after["longest"] = longest_step(metric, seen, dt, reset, state["longest"])
            features = torch.cat([features, bone_features(metric, after["longest"])], -1)
        return features, rotation, held3d, after

    def _hold(self, held: Tensor, raw: Tensor) -> Tensor:
        return held if self.hold else raw

    @staticmethod
    def _look(points: Tensor, rotation: Tensor) -> Tensor:
        """Rays (…, 17, 2) as a camera that looks at the pelvis sees them."""
        rays = torch.cat([points, torch.ones_like(points[..., :1])], -1) @ rotation
        return rays[..., :2] / rays[..., 2:].clamp_min(0.1)

    def _size(self, points: Tensor, seen: Tensor) -> Tensor:
        """(…, 2): seen squared extent in the picture and what it is in metres."""
        weight = seen.to(points.dtype)
        return torch.stack([(weight * points.square().sum(-1)).sum(-1), (weight * self.reach2).sum(-1)], -1)

    @staticmethod
    def _scale(size: Tensor) -> Tensor:
        """Rays a metre at the person."""
        return ((size[..., 0] + PRIOR_WEIGHT * PRIOR_SCALE**2) / (size[..., 1] + PRIOR_WEIGHT)).sqrt()

    def _features(
        self, metric: Tensor, seen: Tensor, reliability: Tensor, age: Tensor, world: Tensor, scale: Tensor, held: Tensor
    ) -> Tensor:
        visible = seen.to(metric.dtype).unsqueeze(-1)
        fresh = torch.exp(-2.0 * age).unsqueeze(-1)
        given = world if self.use_world else torch.zeros_like(world)
        there = (given.abs().amax((-1, -2)) > 0).to(metric.dtype).unsqueeze(-1)
        parts = [metric.clamp(-4, 4), visible, reliability.unsqueeze(-1), fresh, given.clamp(-3, 3)]
        whole = [held[..., PELVIS, :], scale.log().unsqueeze(-1), there]
        return torch.cat([torch.cat(parts, -1).flatten(-2), *whole], -1)


def lift_mapped(
    model: Any, given: dict[str, Tensor], state: dict[str, Tensor]
) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    to = model.joint_map
    world = (
        to.points(given["world"])
        if "world" in given
        else torch.zeros_like(to.points(given["x"])[..., :1]).expand(-1, -1, 3)
    )
    xyz, log_sigma, after = model.step(
        to.points(given["x"]), to.reliability(given["reliability"]), given["dt"], world, given["reset"], state
    )
    return (xyz, log_sigma), after


class LiveLifter(nn.Module):
    """Front end + causal TCN + sigma.  Receptive field 1 + 2 (1 + 3 + 9 + …) ticks."""

    def __init__(
        self, channels: int = 384, blocks: int = 3, dropout: float = 0.1, threshold: float = 0.5,
        use_world: bool = True, hold: bool = True, lengths: bool = True, joints_in: str = "blazepose33",
        fast: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.joint_map, self.front = JointMap(joints_in), FrontEnd(threshold, use_world, hold, lengths)
        self.joints_in, self.channels, self.fast = joints_in, channels, fast
        dilations = [3**i for i in range(1, blocks + 1)]
        self.expand = CausalConv(self.front.width, channels, 1)
        self.norm, self.drop = nn.BatchNorm1d(channels), nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(channels, d, dropout) for d in dilations)
        self.head = nn.Conv1d(channels, 17 * 4, 1)
        self.skip = nn.Conv1d(self.front.width, 17 * 3, 1, bias=False)
        nn.init.zeros_(self.skip.weight)
        # one factor for seen joints, one for hidden ones, set on validation after training
        self.register_buffer("sigma_gain", torch.ones(2))

    def receptive_field(self) -> int:
        return 1 + 2 * (1 + sum(b.wide.dilation for b in self.blocks))

    def state_shapes(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        layers = [("expand", self.expand), *((f"block{i}", b.wide) for i, b in enumerate(self.blocks))]
        return self.front.state + tuple((n, (2 * c.dilation, c.channels_in)) for n, c in layers)

    def contract(self) -> Contract:
        return Contract(
            "lift", "step", self.joints_in, H36M_17.name, self.receptive_field(), world=self.front.use_world,
            reliability_source="learned", threshold=self.front.threshold, state=self.state_shapes(),
        )  # fmt: skip

    def clip(self, x: Tensor, reliability: Tensor, time: Tensor, world: Tensor) -> tuple[Tensor, Tensor]:
        """17 joints over a whole clip: x (B, T, 17, 2) … -> xyz (B, T, 17, 3), log_sigma (B, T, 17)."""
        features, rotation, _ = self.front.clip(x, reliability, time, world)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.fast and self.training):
            f = features.transpose(1, 2)
            y = self.drop(torch.relu(self.norm(self.expand.clip(f))))
            for block in self.blocks:
                y = block.clip(y)
            out, skip = self.head(y).transpose(1, 2).float(), self.skip(f).transpose(1, 2).float()
        return self._answer(out, skip, rotation, reliability)

    def step(
        self, x: Tensor, reliability: Tensor, dt: Tensor, world: Tensor, reset: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """One tick of `clip`: x (B, 17, 2), reliability (B, 17), dt (B,), world (B, 17, 3), reset (B,) 0 or 1."""
        start = reset > 0.5
        f, rotation, _, new = self.front.step(x, reliability, dt, world, start, state)
        y, new["expand"] = self.expand.step(f, state["expand"], start)
        y = torch.relu(self.norm(y.unsqueeze(-1))).squeeze(-1)
        for i, block in enumerate(self.blocks):
            y, new[f"block{i}"] = block.step(y, state[f"block{i}"], start)
        out, skip = self.head(y.unsqueeze(-1)).squeeze(-1), self.skip(f.unsqueeze(-1)).squeeze(-1)
        xyz, log_sigma = self._answer(out, skip, rotation, reliability)
        return xyz, log_sigma, new

    def run(self, given: dict[str, Tensor], state: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """The contract's tensors of one tick, the detector's joints -> (xyz, log_sigma) and the state after it."""
        return lift_mapped(self, given, state)

    def _answer(self, out: Tensor, skip: Tensor, rotation: Tensor, reliability: Tensor) -> tuple[Tensor, Tensor]:
        xyz = (out[..., :51] + skip).unflatten(-1, (17, 3))
        xyz = (xyz - xyz[..., :1, :]) @ rotation.transpose(-1, -2)
        log_sigma = out[..., 51:].clamp(-6, 1)
        if self.training:  # the gain is fitted to what training leaves: it must not take part in it
            return xyz, log_sigma
        gain = torch.where(reliability >= self.front.threshold, self.sigma_gain[0], self.sigma_gain[1])
        return xyz, log_sigma + gain.log()
