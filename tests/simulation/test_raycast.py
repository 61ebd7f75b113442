"""Rays hit what a walk along them hits, in spite of culling; normals are perpendicular to the surface."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.simulation.frames import look_at
from pcseg.simulation.raycast import Grid, Panorama, Pinhole, cast
from pcseg.simulation.solids import pack
from tests.oracles.first_hit import depth_inside, walk
from tests.simulation.scenes import as_oracle, random_parts

STEP = 0.004


def check(grid: Grid, seed: int) -> None:
    solids = pack(random_parts(seed))
    hits = cast(solids, grid)
    rays = np.stack(grid.rays, axis=-1).reshape(-1, 3).astype(np.float64)
    distance, solid = hits.distance.reshape(-1), hits.solid.reshape(-1)
    assert ((solid >= 0) == np.isfinite(distance)).all()
    assert 0.05 < (solid >= 0).mean() < 0.98, "a test with nothing to hit or to miss proves little"
    oracle = as_oracle(solids)
    length = np.linalg.norm(rays, axis=1)
    met = walk(oracle, grid.origin, grid.origin + rays / length[:, None] * 8, STEP)
    claimed = distance * length
    # the walk may step over a corner, so it can be late, but never early
    assert (claimed <= met + 1e-4).all()
    both = np.isfinite(met)
    assert np.mean(met[both] - claimed[both] < STEP + 1e-4) > 0.99
    points = grid.origin + distance[:, None] * rays
    for s, one in enumerate(oracle):
        assert np.abs(depth_inside(one, points[solid == s]) - 1).max(initial=0) < 1e-3


@pytest.mark.parametrize("seed", range(6))
def test_panorama_sees_the_hits_of_a_walk(seed: int) -> None:
    rng = np.random.default_rng(seed)
    check(Panorama(np.zeros(3), (16, 30), -0.95, 1.0, rng), seed)


@pytest.mark.parametrize("seed", range(6))
def test_camera_sees_the_hits_of_a_walk(seed: int) -> None:
    target = random_parts(seed)[seed].center  # something in view, others beside and behind the camera
    intrinsic = np.array([[14.0, 0, 11.5], [0, 15.0, 8.5], [0, 0, 1]])
    check(Pinhole(look_at(np.zeros(3), target), intrinsic, (18, 24)), seed)


def test_a_camera_ray_is_as_long_as_its_depth() -> None:
    pose = look_at(np.array([1.0, 2.0, 3.0]), np.array([4.0, 3.0, 2.0]))
    view = Pinhole(pose, np.array([[14.0, 0, 11.5], [0, 15.0, 8.5], [0, 0, 1]]), (18, 24))
    assert np.allclose(np.stack(view.rays, axis=-1) @ pose[:3, 2], 1, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_normals_are_the_steepest_way_out(seed: int) -> None:
    solids = pack(random_parts(seed))
    hits = cast(solids, view := Panorama(np.zeros(3), (24, 48), -1, 1, np.random.default_rng(seed)))
    found = hits.solid >= 0
    solid = hits.solid[found]
    points = (hits.distance[found][:, None] * np.stack([r[found] for r in view.rays], axis=1)).astype(np.float32)
    normal = solids.normals(solid, solids.local(solid, points)).astype(np.float64)
    assert np.allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-5)
    for s, one in enumerate(as_oracle(solids)):
        at = points[solid == s].astype(np.float64)
        slope = [(depth_inside(one, at + h) - depth_inside(one, at - h)) / 2e-5 for h in 1e-5 * np.eye(3)]
        steepest = np.stack(slope, axis=-1).reshape(-1, 3)
        cosine = (steepest * normal[solid == s]).sum(axis=-1) / np.linalg.norm(steepest, axis=-1)
        assert np.mean(cosine > 1 - 1e-3) >= 0.97 or len(at) < 30  # at an edge there are two
