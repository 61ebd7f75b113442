"""The permutohedral lattice: against the paper's algorithm in loops, and against sums over all pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.refine.exact import ExactFilter
from pcseg.refine.lattice import LatticeFilter


def by_the_paper(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Section 3 of Adams, Baek and Davis (2010) in loops over vertices of d + 1 integer coordinates, in a dict."""
    count, d = features.shape
    scale = (d + 1) * np.sqrt(2 / 3)
    corners: list[list[tuple[int, ...]]] = []
    weights = np.zeros((count, d + 1))
    table: dict[tuple[int, ...], np.ndarray] = {}
    for e in range(count):
        x = np.zeros(d + 1)
        for i in range(d):
            x[: i + 1] += scale * features[e, i] / np.sqrt((i + 1) * (i + 2))
            x[i + 1] -= scale * features[e, i] * (i + 1) / np.sqrt((i + 1) * (i + 2))
        zero = np.round(x / (d + 1)) * (d + 1)  # the nearest point of remainder 0, once its sum is 0
        while zero.sum() != 0:
            sign = np.sign(zero.sum())
            zero[np.argmin(sign * (x - zero))] -= sign * (d + 1)
        order = np.argsort(zero - x, kind="stable")  # falling differences
        y = (x - zero)[order] / (d + 1)
        for k in range(d + 1):
            vertex = zero.astype(int)
            vertex[order[: d + 1 - k]] += k
            vertex[order[d + 1 - k :]] += k - (d + 1)
            weights[e, k] = y[d - k] - y[d + 1 - k] if k else 1 - (y[0] - y[d])
            table[tuple(vertex)] = table.get(tuple(vertex), 0) + weights[e, k] * values[e]
            corners = [*corners, []] if len(corners) == e else corners
            corners[e].append(tuple(vertex))
    nothing = np.zeros(values.shape[1])
    for j in range(d + 1):
        step = np.ones(d + 1, dtype=int)
        step[j] = -d
        table = {
            vertex: 0.5 * at
            + 0.25 * table.get(tuple(np.array(vertex) + step), nothing)
            + 0.25 * table.get(tuple(np.array(vertex) - step), nothing)
            for vertex, at in table.items()
        }
    return np.stack([sum(w * table[v] for w, v in zip(weights[e], corners[e], strict=True)) for e in range(count)])


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 40),
    dims=st.integers(1, 6),
    seed=st.integers(0, 10**6),
    extent=st.sampled_from([0.5, 3.0, 50.0]),
)
def test_is_the_algorithm_of_the_paper(count: int, dims: int, seed: int, extent: float) -> None:
    rng = np.random.default_rng(seed)
    features, values = extent * rng.normal(size=(count, dims)), rng.normal(size=(count, 2))
    found = LatticeFilter(torch.from_numpy(features))(torch.from_numpy(values))
    np.testing.assert_allclose(found, by_the_paper(features, values), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("dims", "spacing"), [(1, 0.05), (2, 0.1), (3, 0.3)])
def test_has_the_width_of_a_gaussian(dims: int, spacing: float) -> None:
    axis = np.arange(-int(4 / spacing), int(4 / spacing) + 1) * spacing
    grid = torch.from_numpy(np.array(list(itertools.product(axis, repeat=dims))))
    impulse = (grid.norm(dim=1) < spacing / 2).double()[:, None]
    variance = torch.zeros(dims, dtype=torch.float64)
    for shift in torch.from_numpy(np.random.default_rng(0).uniform(0, 5, (8, dims))):  # the kernel depends on its place
        response = LatticeFilter(grid + shift)(impulse)
        variance += (response * grid**2).sum(dim=0) / response.sum() / 8
    torch.testing.assert_close(variance, torch.ones_like(variance), rtol=0.05, atol=0)


def pixels(sigma: float, sigma_beta: float | None = None) -> torch.Tensor:
    """Return features (E, 5), or (E, 2) without ``sigma_beta``, of 40 x 40 pixels of three colored stripes."""
    rng = np.random.default_rng(0)
    place = np.stack(np.meshgrid(np.arange(40), np.arange(40), indexing="ij"), axis=-1).reshape(-1, 2)
    stripe = place[:, 1] // 14
    color = np.array([[80, 90, 70], [110, 70, 60], [60, 80, 130]])[stripe] + rng.normal(0, 4, (1600, 3))
    return torch.from_numpy(np.concatenate([place / sigma, *([color / sigma_beta] if sigma_beta else [])], axis=1))


def surface(sigma: float, sigma_beta: float | None = None) -> torch.Tensor:
    """Return features (E, 6), or (E, 3) without ``sigma_beta``, of 1600 points of a floor and a wall of two colors."""
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 1, (1600, 3))
    place[:800, 2], place[800:, 0] = 0, 0
    color = np.repeat([[0.5, 0.4, 0.3], [0.7, 0.7, 0.6]], 800, axis=0) + rng.normal(0, 0.02, (1600, 3))
    return torch.from_numpy(np.concatenate([place / sigma, *([color / sigma_beta] if sigma_beta else [])], axis=1))


# The lattice's kernel is no true Gaussian: it depends on where in its simplex an element lies, and blurs lose what
# leaves the vertices that exist. Bounds are about twice the errors found: 1 to 3 % of the sums.
@pytest.mark.parametrize(
    ("features", "bound"),
    [
        pytest.param(pixels(30.0, 13.0), 0.03, id="image"),
        pytest.param(pixels(30.0, 5.0), 0.03, id="image, fine colors"),
        pytest.param(pixels(3.0), 0.02, id="image, smoothness"),
        pytest.param(surface(0.2, 0.05), 0.05, id="cloud"),
        pytest.param(surface(0.05), 0.05, id="cloud, smoothness"),
    ],
)
def test_is_near_the_sum_over_all_pairs(features: torch.Tensor, bound: float) -> None:
    values = torch.from_numpy(np.random.default_rng(1).dirichlet(np.ones(4) / 2, len(features)))
    means = []
    for made in (LatticeFilter, ExactFilter):
        apply = made(features)
        scale = apply(torch.ones(len(features), 1, dtype=torch.float64)).rsqrt()
        means.append(scale * apply(scale * values))
    assert (means[0] - means[1]).abs().sum() < bound * means[1].abs().sum()


def test_elements_far_apart_do_not_meet() -> None:
    place = torch.tensor([[0.0, 0.0, 0.0], [1e3, 0.0, 0.0], [-1e7, 1e8, 1e3], [1e9, 1e9, -1e9]], dtype=torch.float64)
    found = LatticeFilter(place)(torch.eye(4, dtype=torch.float64))
    assert (found.diagonal() > 0).all()
    assert (found - torch.diag(found.diagonal()) == 0).all()
    twice = LatticeFilter(torch.cat([place, place]))(torch.eye(4, dtype=torch.float64).repeat(2, 1))
    torch.testing.assert_close(twice, 2 * found.repeat(2, 1))


def test_same_bits_each_time_and_for_any_number_of_threads() -> None:
    features = surface(0.1, 0.05).float()
    values = torch.rand(len(features), 3, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(LatticeFilter(features)(values))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
