"""The lens: against OpenCV's, against the virtual cameras, gradients, what lies behind."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from tests.support.people.walkers import walkers
from trainers.geometry.projection import LensModel, project
from trainers.geometry.virtual_cameras import CameraRange, sample_views


def lenses(count: int = 2) -> LensModel:
    """Like those of a real camera, in pixels."""
    g = torch.Generator().manual_seed(0)
    k, p = (0.1 * torch.randn(count, n, generator=g, dtype=torch.float64) for n in (3, 2))
    return LensModel(torch.full((count, 2), 1145.0).double(), torch.full((count, 2), 512.0).double(), k, 0.05 * p)


def points(*shape: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(1)
    return torch.randn(*shape, 3, generator=g, dtype=torch.float64) + torch.tensor([0.0, 0, 5]).double()


def test_it_is_opencvs_model_of_a_lens():
    xyz, lens = points(2, 40), lenses()
    found = project(xyz, lens)
    for b in range(2):
        camera = np.array([[1145.0, 0, 512], [0, 1145.0, 512], [0, 0, 1]])
        bent = np.array([*lens.radial[b, :2], *lens.tangential[b], lens.radial[b, 2]])
        expected, _ = cv2.projectPoints(xyz[b].numpy(), np.zeros(3), np.zeros(3), camera, bent)
        assert np.abs(found[b].numpy() - expected[:, 0]).max() < 1e-6


@pytest.mark.parametrize("known", [0.0, 1.0])
def test_true_poses_fall_on_the_rays_of_the_virtual_camera(known):
    view = sample_views(walkers(6, 5), CameraRange(known=known), torch.Generator().manual_seed(3))
    away = (project(view.xyz, LensModel.plain(view.lens)) - view.rays).abs()
    assert away[view.inside].max() < 1e-5
    assert bool((view.lens[:, 1] == 0).all()) == (known == 1.0)


def test_gradients_agree_with_finite_differences():
    lens = LensModel(*(value / 1000 if i < 2 else value for i, value in enumerate(vars(lenses()).values())))
    assert torch.autograd.gradcheck(lambda p: project(p, lens), points(2, 3).requires_grad_())


def test_what_lies_behind_the_camera_is_finite():
    assert torch.isfinite(project(-points(2, 3), lenses())).all()
