"""Triangulation from virtual cameras: exact without noise, robust against a view that invents."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.support.people.walkers import walkers
from trainers.augmentation.detector_noise import NoiseRange, doubts, keypoints
from trainers.geometry.triangulation import crossing, lines, triangulate
from trainers.geometry.virtual_cameras import CameraRange, sample_views

VIEWS = 4


def scene():
    """Four cameras around one walker: view, lines of exact keypoints, truth in the room (about the mean pelvis)."""
    person = walkers(1, 30)
    view = sample_views(
        person.expand(VIEWS, -1, -1, -1), CameraRange(known=1.0, distortion=0.0), torch.Generator().manual_seed(3)
    )
    room = person[0] - person[0, :, 0].mean(0)
    centre = view.xyz[:, 0, 0] - (room[0, 0] @ view.rotation.transpose(1, 2))
    return view, centre, room


def test_exact_keypoints_give_the_exact_place():
    view, centre, room = scene()
    points, weight = triangulate(*lines(view.rays, view.rotation, centre), torch.ones(VIEWS, 30, 17))
    assert (points - room).abs().max() < 1e-3 and weight.min() > 0.9


@pytest.mark.parametrize("wrong", range(VIEWS))
def test_a_view_that_invents_hardly_counts(wrong):
    view, centre, room = scene()
    rays = view.rays.clone()
    rays[wrong] += 0.15
    origin, direction = lines(rays, view.rotation, centre)
    even = torch.ones(VIEWS, 30, 17)
    robust, weight = triangulate(origin, direction, even)
    plain = crossing(origin, direction, even)
    error, plain_error = ((p - room).norm(dim=-1).mean() for p in (robust, plain))
    assert error < 0.1 * plain_error and weight[wrong].mean() < 0.1 * weight[wrong - 1].mean()


def test_noisy_detections_of_hidden_joints_are_outvoted():
    view, centre, room = scene()
    g = torch.Generator().manual_seed(0)
    hidden = torch.zeros(VIEWS, 30, 17, dtype=torch.bool)
    hidden[1, :, 11:] = True
    noise = NoiseRange(invented=0.4)
    origin, direction = lines(keypoints(view, noise, hidden, g), view.rotation, centre)
    sure = doubts(hidden, noise, g)
    robust = triangulate(origin, direction, sure)[0]
    plain = crossing(origin, direction, torch.ones_like(sure))
    error, plain_error = ((p - room)[:, 11:].norm(dim=-1).mean() for p in (robust, plain))
    assert error < 0.5 * plain_error and error < 0.06


def test_two_views_are_enough_one_is_not():
    view, centre, room = scene()
    origin, direction = lines(view.rays[:2], view.rotation[:2], centre[:2])
    assert (triangulate(origin, direction, torch.ones(2, 30, 17))[0] - room).norm(dim=-1).mean() < 0.01
    with pytest.raises(ValueError, match="1 view, expected at least 2"):
        triangulate(origin[:1], direction[:1], torch.ones(1, 30, 17))


def test_parallel_lines_do_not_break_it():
    direction = torch.tensor([0.0, 0, 1]).expand(3, 1, 3)
    points, weight = triangulate(torch.zeros(3, 1, 3), direction, torch.ones(3, 1))
    assert torch.isfinite(points).all() and torch.isfinite(weight).all()
