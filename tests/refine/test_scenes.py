"""Refining whole scenes is the CRF on their coordinates and colors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pcseg.errors import InputError
from pcseg.refine import CLOUDS, IMAGES, check_color, refine_scene
from pcseg.scenes.scene import Scene

RNG = np.random.default_rng(0)
COORD = RNG.uniform(0, 0.5, (60, 3)) + np.array([4.5e5, 5.4e6, 300.0])
COLOR = RNG.integers(100, 120, (60, 3)).astype(np.uint8)
SHARE = torch.from_numpy(RNG.dirichlet(np.ones(3), 60)).float()


def test_points_lie_in_meters_however_far_from_the_origin() -> None:
    found = refine_scene(CLOUDS, SHARE, Scene(COORD, {"color": COLOR}, "a"))
    near = CLOUDS(SHARE, torch.from_numpy(COORD - COORD.min(axis=0)), torch.from_numpy(COLOR))
    torch.testing.assert_close(found, near, rtol=0, atol=1e-5)
    assert not torch.allclose(found, CLOUDS(SHARE, torch.from_numpy(COORD)), atol=1e-2)


def test_pixels_lie_in_the_plane() -> None:
    place = np.stack([np.arange(60) % 10, -(np.arange(60) // 10), np.full(60, 0)], axis=1).astype(np.float32)
    crf = replace(IMAGES, sigma_alpha=3.0, sigma_beta=0.05, filter="lattice")  # which depends on the dimensions
    found = refine_scene(crf, SHARE, Scene(place, {"color": COLOR}, "a", size=(6, 10)))
    assert torch.equal(found, crf(SHARE, torch.from_numpy(place[:, :2].copy()), torch.from_numpy(COLOR)))


def test_color_is_asked_for_where_it_counts() -> None:
    gray = Scene(COORD, {}, "Area_1/gray")
    for refuse in (lambda: check_color(CLOUDS, gray), lambda: refine_scene(CLOUDS, SHARE, gray)):
        with pytest.raises(InputError, match="Area_1/gray: has no color, which the crf compares; leave crf out"):
            refuse()
    smooth = replace(CLOUDS, w1=0.0)
    check_color(smooth, gray)
    assert torch.equal(refine_scene(smooth, SHARE, gray), smooth(SHARE, torch.from_numpy(COORD)))
