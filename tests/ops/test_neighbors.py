"""kNN and radius search against sorting all pairs, ties and samples included."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from pcseg.errors import InputError
from pcseg.ops import knn, radius
from tests.ops.clouds import devices
from tests.oracles.neighbors import neighbors as oracle


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@devices
@settings(max_examples=60, deadline=None)
@given(
    queries=st.integers(0, 12), points=st.integers(0, 70), k=st.integers(1, 20), samples=st.integers(1, 3),
    r=st.sampled_from([0.0, 1.0, 2.5, math.inf]), whole=st.booleans(), seed=st.integers(0, 999),
)  # fmt: skip
def test_equals_sorting_all_pairs(
    device: str, queries: int, points: int, k: int, samples: int, r: float, whole: bool, seed: int
) -> None:
    """``whole`` puts the points on a small integer grid, with many ties and coinciding points."""
    rng = np.random.default_rng(seed)
    q, p = rng.uniform(-2, 2, (queries, 3)), rng.uniform(-2, 2, (points, 3))
    q, p = (np.round(q), np.round(p)) if whole else (q, p)
    qs, ps = rng.integers(-1, samples, queries), rng.integers(-1, samples, points)
    tensors = [torch.from_numpy(a).to(device) for a in (q, p, qs, ps)]
    if r == math.inf:
        index, distance = knn(tensors[0], tensors[1], k, tensors[2], tensors[3])
    else:
        index, distance = radius(tensors[0], tensors[1], r, k, tensors[2], tensors[3])
    expected = oracle(q, p, k, r, qs, ps)
    np.testing.assert_array_equal(index.cpu().numpy(), expected[0])
    np.testing.assert_allclose(distance.cpu().numpy(), expected[1], rtol=1e-12)


@devices
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_scipy_on_a_surface(dtype: torch.dtype, device: str) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 3, (1500, 3)) * (1, 1, 0.01)
    cloud = torch.from_numpy(points).to(device, dtype)
    index, distance = (found.cpu() for found in knn(cloud, cloud, 8))
    expected = cKDTree(points.astype(np.float32 if dtype == torch.float32 else np.float64)).query(
        points.astype(np.float32 if dtype == torch.float32 else np.float64), k=8
    )
    assert distance.dtype == dtype
    np.testing.assert_allclose(distance.numpy(), expected[0], rtol=1e-6)
    assert (index.numpy() == expected[1]).all()


def test_one_sample_needs_no_numbers() -> None:
    points = torch.rand(40, 3)
    alike = torch.zeros(40, dtype=torch.int64)
    assert torch.equal(knn(points, points, 3)[0], knn(points, points, 3, alike, alike)[0])


def test_points_far_from_the_origin_keep_their_order() -> None:
    """At 5,000 km float32 resolves half a meter; distances are still exact, since they are computed in float64."""
    points = torch.tensor([[5e6, 0, 0], [5e6 + 1, 0, 0], [5e6 + 3, 0, 0]])
    index, distance = knn(points[:1], points, 3)
    assert index.tolist() == [[0, 1, 2]]
    assert distance.tolist() == [[0.0, 1.0, 3.0]]


def test_same_bits_for_any_number_of_threads(threads: None) -> None:
    points = torch.rand(1200, 3, generator=torch.Generator().manual_seed(0))
    found = []
    for n in (1, 2, 5):
        torch.set_num_threads(n)
        found.append(knn(points, points, 6))
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_opcheck() -> None:
    points, sample = torch.rand(20, 3), torch.randint(0, 2, (20,))
    torch.library.opcheck(torch.ops.pcseg.neighbors.default, (points, points, 3, math.inf, None, None))
    torch.library.opcheck(torch.ops.pcseg.neighbors.default, (points, points, 3, 0.3, sample, sample))


def test_wrong_arguments_are_refused() -> None:
    points = torch.rand(5, 3)
    with pytest.raises(InputError, match="NaN or infinite"):
        knn(points, torch.full((2, 3), torch.nan), 1)
    with pytest.raises(InputError, match="k=0; give 1 or more"):
        knn(points, points, 0)
    with pytest.raises(InputError, match="both or for neither"):
        knn(points, points, 1, torch.zeros(5, dtype=torch.int64))
    with pytest.raises(InputError, match=r"\(P, 3\)"):
        knn(points[:, :2], points, 1)
    with pytest.raises(InputError, match="0 or more"):
        radius(points, points, -1.0, 3)


def test_of_many_points_in_one_place_the_first_come_first() -> None:
    together = torch.zeros(2000, 3, dtype=torch.float64)
    index, distance = knn(together, together, 17)
    assert torch.equal(index, torch.arange(17).expand(2000, 17))
    assert not distance.any()
