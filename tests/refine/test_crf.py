"""The fully connected CRF: mean field against brute force and pydensecrf, what it repairs, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pcseg.elements import pixel_grid
from pcseg.refine import CLOUDS, CRF, IMAGES
from pcseg.refine.crf import EXACT

SMALL = CRF(sigma_alpha=0.5, sigma_beta=0.2, sigma_gamma=0.2, iterations=4)


def mean_field(p: np.ndarray, position: np.ndarray, color: np.ndarray | None, crf: CRF) -> np.ndarray:
    """Brute force, pair by pair: Algorithm 1 of arXiv 1210.5644, with kernels normalized and j = i included."""
    kernels = [(crf.w2, [(position, crf.sigma_gamma)])]
    if color is not None:
        kernels.append((crf.w1, [(position, crf.sigma_alpha), (color, crf.sigma_beta)]))
    coupling = np.zeros((len(p), len(p)))
    for weight, parts in kernels:
        k = np.ones((len(p), len(p)))
        for values, sigma in parts:
            for i in range(len(p)):
                for j in range(len(p)):
                    k[i, j] *= np.exp(-((values[i] - values[j]) ** 2).sum() / (2 * sigma**2))
        total = k.sum(axis=1)
        coupling += weight * k / np.sqrt(total[:, None] * total)
    q = p / p.sum(axis=1, keepdims=True)
    for _ in range(crf.iterations):
        differing = coupling @ (1 - q)  # Potts: pays for the probability that others are of another class
        q = p * np.exp(-differing)
        q /= q.sum(axis=1, keepdims=True)
    return q


def elements(count: int, seed: int, dims: int = 3, n_classes: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Return probabilities, positions and colors of random elements, float64."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(n_classes), count)
    return torch.from_numpy(p), torch.from_numpy(rng.random((count, dims))), torch.from_numpy(rng.random((count, 3)))


def noisy(truth: np.ndarray, n_classes: int, strength: float, rng: np.random.Generator) -> Tensor:
    """Return the softmax (E, K) of normal noise, plus ``strength`` for the true class."""
    scores = rng.normal(size=(len(truth), n_classes))
    scores[np.arange(len(truth)), truth] += strength
    return torch.from_numpy(scores).softmax(dim=1)


def image(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return probabilities (61 % right), positions, colors and labels of 40 x 40 pixels: discs on a background."""
    rng = np.random.default_rng(seed)
    grid = pixel_grid(40, 40).numpy()
    truth = np.zeros(len(grid), dtype=np.int64)
    for label, (center, radius) in enumerate(zip(rng.uniform(8, 32, (3, 2)), rng.uniform(6, 10, 3), strict=True), 1):
        truth[np.linalg.norm(grid - center, axis=1) < radius] = label
    palette = np.array([[90, 110, 90], [120, 90, 80], [80, 90, 130], [140, 140, 120]])
    color = palette[truth] + rng.normal(0, 2, (len(grid), 3))
    color = torch.from_numpy(color.round().astype(np.uint8))
    return noisy(truth, 4, 1.2, rng), pixel_grid(40, 40), color, torch.from_numpy(truth)


def slabs(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return probabilities (75 % right), positions, colors and labels of points on a floor and a box of other color."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1], 750)
    position = rng.uniform(0, 1, (1500, 3)) * [1, 1, 0.02]
    position[truth == 1] = [0.3, 0.3, 0.05] + 0.5 * position[truth == 1]
    color = np.where(truth[:, None] == 0, [0.5, 0.4, 0.3], [0.3, 0.4, 0.6]) + rng.normal(0, 0.02, (1500, 3))
    return noisy(truth, 2, 0.95, rng), torch.from_numpy(position), torch.from_numpy(color), torch.from_numpy(truth)


@settings(max_examples=15, deadline=None)
@given(
    count=st.integers(1, 25), seed=st.integers(0, 10**6), dims=st.sampled_from([2, 3]), colored=st.booleans(),
    w1=st.floats(0, 8), w2=st.floats(0, 8),
)  # fmt: skip
def test_exact_is_the_mean_field(count: int, seed: int, dims: int, colored: bool, w1: float, w2: float) -> None:
    p, position, color = elements(count, seed, dims)
    crf = replace(SMALL, w1=w1, w2=w2, filter="exact")
    found = crf(p, position, color if colored else None)
    wanted = mean_field(p.numpy(), position.numpy(), color.numpy() if colored else None, crf)
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)
    half = crf(p.float(), position, color if colored else None)
    assert half.dtype == torch.float32
    np.testing.assert_allclose(half, wanted, atol=1e-4)


@pytest.mark.parametrize("filter", ["exact", "lattice"])
def test_without_pairwise_weights_the_probabilities_stay(filter: str) -> None:
    scores = torch.randn(50, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    _, position, color = elements(50, 0)
    unary = scores.softmax(dim=1)
    none = replace(SMALL, w1=0.0, w2=0.0, filter=filter)
    torch.testing.assert_close(none(unary, position, color), unary, rtol=1e-15, atol=0)
    torch.testing.assert_close(replace(SMALL, w2=0.0, filter=filter)(unary, position), unary, rtol=1e-15, atol=0)


@pytest.mark.parametrize("filter", ["exact", "lattice"])
@pytest.mark.parametrize(("crf", "make", "before", "gain"), [(IMAGES, image, 0.61, 0.34), (CLOUDS, slabs, 0.75, 0.25)])
def test_noisy_probabilities_become_right(filter: str, crf: CRF, make: Any, before: float, gain: float) -> None:
    were, are = [], []
    for seed in range(4):
        p, position, color, truth = make(seed)
        were.append(float((p.argmax(dim=1) == truth).double().mean()))
        refined = replace(crf, filter=filter, iterations=5)(p, position, color)
        are.append(float((refined.argmax(dim=1) == truth).double().mean()))
    assert abs(np.mean(were) - before) < 0.05
    assert np.mean(are) - np.mean(were) > gain / 2


@pytest.mark.parametrize(("crf", "make"), [(IMAGES, image), (CLOUDS, slabs)])
def test_lattice_is_near_exact(crf: CRF, make: Any) -> None:
    p, position, color, _ = make(5)
    exact, lattice = (replace(crf, filter=filter)(p, position, color) for filter in ("exact", "lattice"))
    # Sums differ by 1 to 3 % (test_lattice.py), which decides a few elements on the border of two classes.
    assert (exact - lattice).abs().mean() < 0.02
    assert (exact.argmax(dim=1) == lattice.argmax(dim=1)).double().mean() > 0.97


def test_color_keeps_an_edge_that_smoothness_alone_moves() -> None:
    p, position, color, truth = image(0)
    both, smooth = IMAGES(p, position, color).argmax(dim=1), IMAGES(p, position).argmax(dim=1)
    assert (both != truth).sum() < 0.7 * (smooth != truth).sum()


@pytest.mark.parametrize("filter", ["exact", "lattice"])
def test_samples_do_not_meet(filter: str) -> None:
    p, position, color = elements(90, 1)
    sample = torch.tensor([5, 0, 5, 2, 0, 5]).repeat(15)
    crf = replace(SMALL, filter=filter)
    found = crf(p, position, color, sample)
    for one in (0, 2, 5):
        own = sample == one
        assert torch.equal(found[own], crf(p[own], position[own], color[own]))


def test_auto_chooses_by_the_size_of_a_sample() -> None:
    p, position, color = elements(EXACT + 1 + 40, 2)
    sample = (torch.arange(len(p)) <= EXACT).long()
    crf = replace(SMALL, iterations=1)
    found = crf(p, position, color, sample)
    for number, filter in ((0, "exact"), (1, "lattice")):
        own = sample == number
        assert torch.equal(found[own], replace(crf, filter=filter)(p[own], position[own], color[own]))


@pytest.mark.parametrize("filter", ["exact", "lattice"])
def test_order_of_elements_and_classes_does_not_matter(filter: str) -> None:
    p, position, color = elements(200, 3)
    rows, classes = torch.randperm(200, generator=torch.Generator().manual_seed(0)), [2, 0, 1]
    crf = replace(SMALL, filter=filter)
    found, moved = crf(p, position, color), crf(p[rows][:, classes], position[rows], color[rows])
    torch.testing.assert_close(moved, found[rows][:, classes], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("filter", ["exact", "lattice"])
def test_origin_and_scale_of_inputs_do_not_matter(filter: str) -> None:
    p, position, color = elements(200, 4)
    crf = replace(SMALL, filter=filter)
    found = crf(p, position, color)
    far = position + torch.tensor([650000.0, 6860000.0, 100.0])
    torch.testing.assert_close(crf(7 * p, far, color), found, rtol=1e-5, atol=1e-6)  # UTM in float64 keeps 1e-9 m
    levels = (255 * color).round()
    assert torch.equal(crf(p, position, levels.to(torch.uint8)), crf(p, position, levels.float() / 255))


def test_an_element_without_knowledge_takes_the_class_of_its_surroundings() -> None:
    p, position, color, _ = slabs(0)
    p[:] = torch.tensor([0.2, 0.8])
    p[::2] = 0
    found = CLOUDS(p, position, color)
    assert (found.argmax(dim=1) == 1).all()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(len(p), dtype=torch.float64))
    alone = CLOUDS(torch.zeros(1, 4), torch.zeros(1, 3))
    torch.testing.assert_close(alone, torch.full((1, 4), 0.25))
    assert CLOUDS(torch.zeros(0, 4), torch.zeros(0, 3)).shape == (0, 4)


def test_no_gradient_and_half_precision() -> None:
    p, position, color = elements(60, 5)
    found = SMALL(p.float().requires_grad_(), position.float(), color.float())
    assert not found.requires_grad
    half = SMALL(p.to(torch.bfloat16), position, color)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, found, rtol=0, atol=0.05)  # bfloat16 rounds probabilities by 0.4 %


def test_agrees_with_pydensecrf() -> None:
    densecrf = pytest.importorskip("pydensecrf.densecrf")
    p, position, color, _ = image(1)
    crf = replace(IMAGES, filter="lattice")
    found = crf(p.float(), position, color).numpy()
    place = (position - position.median(dim=0).values).numpy()  # sums depend a little on the place in the lattice
    model = densecrf.DenseCRF(len(p), p.shape[1])
    model.setUnaryEnergy(np.ascontiguousarray(-np.log(p.numpy().T), dtype=np.float32))
    appearance = np.concatenate([place / crf.sigma_alpha, color.numpy() / 255 / crf.sigma_beta], axis=1)
    model.addPairwiseEnergy(np.ascontiguousarray(appearance.T, dtype=np.float32), compat=crf.w1)
    model.addPairwiseEnergy(np.ascontiguousarray(place.T / crf.sigma_gamma, dtype=np.float32), compat=crf.w2)
    theirs = np.array(model.inference(crf.iterations)).T
    # They find simplices in float32: elements on the border of two may add or miss a vertex.
    assert np.abs(found - theirs).mean() < 1e-4
    assert np.abs(found - theirs).max() < 0.02
