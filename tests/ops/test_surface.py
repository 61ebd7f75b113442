"""Normals, sums over neighbors and main axes against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcseg.errors import InputError
from pcseg.ops import main_axes, normals, surroundings


@pytest.mark.parametrize("n", [1, 3, 9, 200])
@pytest.mark.parametrize("width", [0, 1, 3])
def test_sums_are_those_over_the_nearest(n: int, width: int) -> None:
    rng, few, many = np.random.default_rng(n), 4, 10
    position, columns = rng.random((n, 3)), rng.random((n, width)).astype(np.float32)
    found = surroundings(torch.from_numpy(position), torch.from_numpy(columns), few, many)
    for i in range(n):
        square = ((position - position[i]) ** 2).sum(axis=1)
        near = [j for j in np.argsort(square) if j != i][:many]
        near += [i] * (many - len(near))
        offset, there = position[near] - position[i], columns[near].astype(np.float64)
        for row, count in enumerate((few, many)):
            np.testing.assert_allclose(found.first[i, row], offset[:count].sum(axis=0), atol=1e-5)
            product = np.einsum("na,nb->ab", offset[:count], offset[:count])
            np.testing.assert_allclose(found.second[i, row], product, atol=1e-5)
        np.testing.assert_allclose(found.mean[i], there[:few].mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(found.total[i], there.sum(axis=0), atol=1e-5)
        np.testing.assert_allclose(found.squares[i], (there**2).sum(axis=0), atol=1e-5)
        np.testing.assert_allclose(found.nearest[i], np.sqrt(square[near[0]]), atol=1e-6)


def test_sums_of_nothing_and_of_no_place() -> None:
    found = surroundings(torch.zeros(0, 3, dtype=torch.float64), torch.zeros(0, 2), 4, 10)
    assert found.total.shape == (0, 2)
    with pytest.raises(InputError, match="NaN"):
        surroundings(torch.full((2, 3), float("nan"), dtype=torch.float64), torch.zeros(2, 1), 4, 10)


def test_the_library_gives_the_bits_of_the_definition() -> None:
    """Sums in float32, one neighbor after another: so descriptors are the same with and without the library."""
    from pcseg.ops.surface import _sums_reference

    rng = np.random.default_rng(0)
    position, columns = torch.from_numpy(rng.random((500, 3))), torch.from_numpy(rng.random((500, 3))).float()
    for one, other in zip(
        surroundings(position, columns, 16, 64), _sums_reference(position, columns, 16, 64), strict=True
    ):
        if one.dim() > 1:  # the norm of torch rounds in another order
            assert torch.equal(one, other)


def alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how well directions (n, 3) agree, whatever their sign: 1 where they are the same."""
    return np.abs((one * other).sum(axis=-1))


@pytest.mark.parametrize("k", [2, 5, 15])
def test_a_normal_is_where_a_point_and_its_neighbors_spread_least(k: int) -> None:
    rng = np.random.default_rng(k)
    position = rng.random((50, 3)) + np.array([1e5, 2e6, 30])
    near = rng.integers(-1, 50, (50, k))
    found = normals(torch.from_numpy(position), torch.from_numpy(near)).numpy()
    for i in range(50):
        there = np.concatenate([[i], near[i][near[i] >= 0]])
        if len(there) < 3:
            continue
        values, vectors = np.linalg.eigh(np.cov((position[there] - position[i]).T, bias=True))
        if values[1] > 1e-6 + 1.01 * values[0]:
            assert alike(found[i], vectors[:, 0]) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_main_axes_are_eigenvectors_of_matrices_of_every_kind() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(size=(200, 3, 3))
    matrix = np.concatenate(
        [
            half + half.transpose(0, 2, 1),
            1e-12 * half @ half.transpose(0, 2, 1),
            np.einsum("ni,nj->nij", half[:, 0], half[:, 0]),  # of rank one
            [np.zeros((3, 3)), np.eye(3), np.diag([3.0, 1.0, 2.0]), 1e18 * np.ones((3, 3))],
        ]
    ).astype(np.float32)
    values, vectors = (each.double().numpy() for each in main_axes(torch.from_numpy(matrix)))
    scale = np.abs(matrix).max(axis=(1, 2), initial=1e-30)[:, None]
    np.testing.assert_allclose(values / scale, np.linalg.eigvalsh(matrix.astype(np.float64)) / scale, atol=1e-6)
    assert (np.diff(values, axis=1) >= 0).all()
    image = matrix @ vectors
    np.testing.assert_allclose(image / scale[..., None], vectors * values[:, None] / scale[..., None], atol=2e-6)
    np.testing.assert_allclose(vectors.transpose(0, 2, 1) @ vectors, np.eye(3)[None].repeat(len(matrix), 0), atol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    """Memory is read by pointers: nothing may get there that is of another type, size or range."""
    position, near = torch.zeros(4, 3, dtype=torch.float64), torch.zeros(4, 2, dtype=torch.int64)
    for sums, word in (
        ((position.float(), torch.zeros(4, 1), 1, 2), "position: .* torch.float32"),
        ((position, torch.zeros(3, 1), 1, 2), "columns"),
        ((position, torch.zeros(4, 1).double(), 1, 2), "columns: .* torch.float64"),
        ((position, torch.zeros(4, 1), 3, 2), "few=3"),
        ((position, torch.zeros(4, 1), 0, 0), "few=0"),
        ((position * torch.nan, torch.zeros(4, 1), 1, 2), "NaN"),
    ):
        with pytest.raises(InputError, match=word):
            surroundings(*sums)
    for surface, word in (
        ((position[:, :2], near), "position"),
        ((position, near[1:]), "near"),
        ((position, near.int()), "near: .* torch.int32"),
        ((position, near + 4), "not all are points"),
        ((position, near - 2), "not all are points"),
    ):
        with pytest.raises(InputError, match=word):
            normals(*surface)
    for matrix in (torch.zeros(2, 3, 3).double(), torch.zeros(2, 3, 2), torch.zeros(3, 3)):
        with pytest.raises(InputError, match="matrix"):
            main_axes(matrix)
