"""Points with a neighbor of another class, of pictures and of clouds, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.metrics import borders


@pytest.mark.parametrize("seed", range(5))
def test_pixels_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = np.where(rng.random((7, 9)) < 0.8, 0, rng.integers(-1, 3, (7, 9)))
    wanted = np.zeros((7, 9), bool)
    for i, j in np.ndindex(7, 9):
        around = grid[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
        wanted[i, j] = grid[i, j] != IGNORE and ((around != grid[i, j]) & (around != IGNORE)).any()
    np.testing.assert_array_equal(borders(grid.reshape(-1), np.zeros((63, 3)), (7, 9)).reshape(7, 9), wanted)


@pytest.mark.parametrize("seed", range(5))
def test_points_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coord, truth = rng.random((60, 3)).astype(np.float32), rng.integers(-1, 2, 60)
    wanted = np.zeros(60, bool)
    for i in range(60):
        for j in np.argsort(np.square(coord - coord[i]).sum(axis=1), kind="stable")[:9]:
            if truth[i] != truth[j] and IGNORE not in (truth[i], truth[j]):
                wanted[[i, j]] = True
    np.testing.assert_array_equal(borders(truth, coord), wanted)


def test_few_points_have_fewer_neighbors() -> None:
    assert borders(np.array([0, 1]), np.eye(2, 3)).all()
    assert not borders(np.array([0]), np.zeros((1, 3))).any()
