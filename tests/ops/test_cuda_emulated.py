"""The CUDA side of the ops on the CPU (tests/ops/emulated.py), against oracles and the reference."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import COORDINATE_LIMIT
from pcseg.ops import _native as native
from pcseg.ops._sort import hash_workspace, sort_keys
from tests.ops import emulated
from tests.ops.clouds import random_coords
from tests.oracles import neighbors as neighbors_oracle
from tests.oracles import segment as segment_oracle
from tests.oracles import sparse_conv as oracle

voxelize, kernel_map, segment, neighbors = (
    sys.modules[f"pcseg.ops.{name}"] for name in ("voxelize", "kernel_map", "segment", "neighbors")
)
many = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def on_the_cpu(emulated_library: ctypes.CDLL) -> Iterator[None]:
    with emulated.calls_go_to(emulated_library):
        yield


@many
@given(
    keys=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5), max_size=50),
    bits=st.sampled_from([1, 3, 20, 64]),
)
def test_sort_is_stable_and_looks_at_the_lowest_bits(keys: list[int], bits: int) -> None:
    ordered, order = sort_keys(torch.tensor(keys, dtype=torch.int64), 2**bits)
    expected = sorted(range(len(keys)), key=lambda i: keys[i] % 2**bits)
    assert order.tolist() == expected
    assert ordered.tolist() == [keys[i] for i in expected]


@many
@given(
    points=st.integers(0, 200), span=st.sampled_from([0, 1, 3, 100, COORDINATE_LIMIT]), samples=st.integers(1, 4),
    kept=st.sampled_from([None, 0.0, 0.3, 1.0]), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_voxelize_equals_a_dictionary(points: int, span: int, samples: int, kept: float | None, seed: int) -> None:
    coords = random_coords(points, span, samples, seed)
    keep = None if kept is None else torch.rand(points, generator=torch.Generator().manual_seed(seed)) < kept
    found = voxelize._cuda(coords, keep)
    assert [f.tolist() for f in found] == list(oracle.voxels(coords, keep))
    assert all(f.dtype == torch.int64 for f in found)


def test_voxelize_uses_all_63_bits() -> None:
    """Seven samples over the whole range: keys up to 2^62.8, twice which needs all of 64 bits."""
    edge = COORDINATE_LIMIT
    coords = torch.cat([random_coords(100, edge, 7, seed=0), torch.tensor([[0, *[-edge] * 3], [6, *[edge] * 3]]).int()])
    found = voxelize._cuda(coords, coords[:, 1] > 0)
    assert [f.tolist() for f in found] == list(oracle.voxels(coords, coords[:, 1] > 0))
    with pytest.raises(InputError, match="101 samples spanning 1048577 x 1048577 x 1048577"):
        voxelize._cuda(torch.tensor([[0, *[-edge] * 3], [100, *[edge] * 3]], dtype=torch.int32), None)
    with pytest.raises(InputError, match=f"coords: voxel coordinate {edge + 1} is beyond"):
        voxelize._cuda(torch.tensor([[0, 0, edge + 1, 0]], dtype=torch.int32), None)


def check_map(in_coords: Tensor, out_coords: Tensor, offsets: Tensor) -> None:
    pairs, starts = kernel_map._cuda(in_coords, out_coords, offsets)
    expected_pairs, expected_starts = oracle.kernel_map(in_coords, out_coords, offsets)
    assert starts.tolist() == expected_starts
    assert [tuple(pair) for pair in pairs.t().tolist()] == expected_pairs
    assert (pairs.dtype, starts.dtype, starts.device.type) == (torch.int32, torch.int64, "cpu")
    assert pairs.shape == (2, len(expected_pairs))


def distinct(points: int, span: int, seed: int) -> Tensor:
    """Return different voxels of two samples, in random order."""
    coords = torch.unique(random_coords(points, span, 2, seed), dim=0)
    return coords[torch.randperm(len(coords), generator=torch.Generator().manual_seed(seed))]


@many
@given(
    points=st.integers(0, 90), outputs=st.integers(0, 90), span=st.sampled_from([1, 3, 6, COORDINATE_LIMIT]),
    kernel_size=st.integers(1, 4), dilation=st.integers(1, 3), same=st.booleans(), sort=st.booleans(),
    seed=st.integers(0, 10**6),
)  # fmt: skip
def test_kernel_map_equals_a_dictionary(
    points: int, outputs: int, span: int, kernel_size: int, dilation: int, same: bool, sort: bool, seed: int
) -> None:
    inputs = distinct(points, span, seed)
    inputs = torch.unique(inputs, dim=0) if sort else inputs
    outs = inputs if same else distinct(outputs, span, seed + 1)
    check_map(inputs, outs, oracle.offsets(kernel_size, dilation=dilation))
    check_map(inputs, outs, torch.tensor([[5, -3, 0]], dtype=torch.int32))
    check_map(inputs, outs, torch.zeros(0, 3, dtype=torch.int32))


def test_kernel_map_in_many_runs() -> None:
    inputs = distinct(1500, 6, seed=0)
    check_map(inputs, inputs, oracle.offsets(3))
    check_map(inputs, inputs.clone(), oracle.offsets(3))
    check_map(inputs[::2], inputs, oracle.offsets(2))
    check_map(inputs, torch.cat([inputs, inputs]), oracle.offsets(3))


def test_kernel_map_searches_for_half_of_a_symmetric_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    call = native.call
    monkeypatch.setattr(native, "call", lambda name, *args: (asked.append((name, args[7])), call(name, *args)))
    coords = distinct(30, 2, seed=0)
    for outputs, size in ((coords, 3), (coords.clone(), 3), (coords, 2)):
        kernel_map._cuda(coords, outputs, oracle.offsets(size))
    assert [mirrored for name, mirrored in asked if name.endswith("_find")] == [1, 0, 0]


def test_kernel_map_refuses_a_voxel_given_twice() -> None:
    coords = torch.tensor([[1, -4, 5, 6], [2, 0, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0], [1, -4, 5, 6]], dtype=torch.int32)
    with pytest.raises(InputError, match=r"voxel \[1, -4, 5, 6\] is there more than once"):
        kernel_map._cuda(coords, coords, oracle.offsets(3))
    with pytest.raises(InputError, match=r"voxel \[1, -4, 5, 6\] is there more than once"):
        kernel_map._cuda(coords, coords[:0], oracle.offsets(3))


def test_hash_tables_have_free_slots_to_end_a_probe() -> None:
    for rows in (0, 1, 2, 3, 1000, 1024):
        keys, values, slots = hash_workspace(rows, torch.device("cpu"))
        assert len(keys) == len(values) == slots > 2 * rows
        assert slots & (slots - 1) == 0


def some_segments(elements: int, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return values with many ties, and segments, some of them empty and some long."""
    g = torch.Generator().manual_seed(seed)
    values = torch.randint(-4, 5, (elements, 3), generator=g).double()
    return values, (n * torch.rand(elements, generator=g) ** 3).long().clamp(max=max(n - 1, 0))


@many
@given(
    elements=st.sampled_from([0, 1, 30, 255, 256, 257, 1500]), n=st.sampled_from([1, 2, 7, 90]), seed=st.integers(0, 99)
)
def test_segments_equal_the_loop(elements: int, n: int, seed: int) -> None:
    values, index = some_segments(elements, n, seed)
    for dtype in (torch.float64, torch.float32, torch.bfloat16):  # whole numbers, which each of them holds
        expected = segment_oracle.reduce(values.numpy(), index.numpy(), n, "sum")
        total = segment._sum_cuda(values.to(dtype), None, None, index, n)
        torch.testing.assert_close(total, torch.from_numpy(expected).to(dtype), rtol=0, atol=0)
        greatest, arg = segment._max_cuda(values.to(dtype), index, n)
        assert greatest.dtype == dtype
        np.testing.assert_array_equal(greatest.double(), segment_oracle.reduce(values.numpy(), index.numpy(), n, "max"))
        assert torch.equal(arg, segment._max_reference(values, index, n)[1])  # the first of the greatest


def test_weighted_sum_equals_the_loop() -> None:
    g = torch.Generator().manual_seed(0)
    values, weight = (
        torch.rand(50, 4, generator=g, dtype=torch.float64),
        torch.rand(900, generator=g, dtype=torch.float64),
    )
    row, index = torch.randint(50, (900,), generator=g), torch.randint(5, (900,), generator=g)
    out = segment._sum_cuda(values, row, weight, index, 6)
    np.testing.assert_allclose(out, segment_oracle.weighted_sum(*(t.numpy() for t in (values, row, weight, index)), 6))
    assert segment._sum_cuda(values[:, :0], row, weight, index, 6).shape == (6, 0)
    assert segment._sum_cuda(values, row[:0], None, index[:0], 0).shape == (0, 4)


def test_the_first_nan_is_the_greatest() -> None:
    values = torch.zeros(700, 1)
    values[[300, 650]] = torch.nan
    greatest, arg = segment._max_cuda(values, torch.zeros(700, dtype=torch.int64), 2)
    assert greatest[:, 0].isnan().tolist() == [True, False]
    assert arg[:, 0].tolist() == [300, -1]


def test_kernels_refuse_numbers_out_of_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "_check", lambda *_: None)  # which does not look on a GPU, lest it wait
    values = torch.rand(4, 2)
    for index in (torch.tensor([0, 1, 2, 3]), torch.tensor([0, -1, 0, 0])):
        with pytest.raises(InputError, match=r"segment: holds (3|-1), but must be from 0 to 2"):
            segment._sum_cuda(values, None, None, index, 3)
        with pytest.raises(InputError, match=r"segment: holds (3|-1)"):
            segment._max_cuda(values, index, 3)
    with pytest.raises(InputError, match="row: holds 4, but must be from 0 to 3"):
        segment._sum_cuda(values, torch.tensor([0, 4]), None, torch.tensor([0, 1]), 3)


def check_neighbors(q: np.ndarray, p: np.ndarray, k: int, r: float, qs: np.ndarray, ps: np.ndarray) -> None:
    tensors = [torch.from_numpy(a) for a in (q, p, qs, ps)]
    index, distance = neighbors._cuda(tensors[0], tensors[1], k, r, tensors[2], tensors[3])
    expected = neighbors_oracle.neighbors(q, p, k, r, qs, ps)
    np.testing.assert_array_equal(index.numpy(), expected[0])
    np.testing.assert_allclose(distance.numpy(), expected[1], rtol=1e-12)


@many
@given(
    queries=st.integers(0, 12), points=st.integers(0, 70), k=st.integers(1, 20), samples=st.integers(1, 3),
    r=st.sampled_from([0.0, 0.3, 1.0, 2.5, 100.0, math.inf]), whole=st.booleans(), flat=st.booleans(),
    reach=st.sampled_from([0.0, 2.0, 60.0]), seed=st.integers(0, 999),
)  # fmt: skip
def test_neighbors_equal_sorting_all_pairs(
    queries: int, points: int, k: int, samples: int, r: float, whole: bool, flat: bool, reach: float, seed: int
) -> None:
    """``whole`` puts the points on an integer grid, full of ties; ``reach`` is the largest distance of a query."""
    rng = np.random.default_rng(seed)
    q, p = rng.uniform(-reach, reach, (queries, 3)), rng.uniform(-2, 2, (points, 3)) * (1, 1, 0 if flat else 1)
    q, p = (np.round(q), np.round(p)) if whole else (q, p)
    check_neighbors(q, p, k, r, rng.integers(-1, samples, queries), rng.integers(-1, samples, points))


@pytest.mark.parametrize("r", [math.inf, 0.05, 0.4])
@pytest.mark.parametrize("k", [1, 8, 40])
def test_neighbors_on_surfaces_in_clumps_and_far_out(k: int, r: float) -> None:
    """Cells have many points, none or one; queries search some shells, all shells or all points."""
    rng = np.random.default_rng(0)
    surface, clump = rng.uniform(0, 3, (900, 3)) * (1, 1, 0.01), rng.normal(0, 0.002, (300, 3)) + 1
    p = np.concatenate([surface, clump, surface[:50] + np.array([0, 0, 1]), [[40.0, 0, 0], [0, -9, 0]]])
    q = np.concatenate([p[::23], rng.uniform(-1, 4, (40, 3)), [[100.0, 0, 0], [39, 0, 0], [1e9, 0, 0]]])
    check_neighbors(q, p, k, r, rng.integers(0, 2, len(q)), rng.integers(0, 2, len(p)))


def test_neighbors_where_no_grid_can_be() -> None:
    alone = np.zeros(3, dtype=np.int64)
    check_neighbors(np.eye(3), np.ones((3, 3)), 2, math.inf, alone, alone)  # all points in one place
    huge = np.array([[0.0, 0, 0], [1e150, 0, 0], [1.0, 0, 0]])
    check_neighbors(huge, huge, 2, math.inf, alone, alone)
    index, _ = neighbors._cuda(torch.rand(4, 3), torch.rand(9, 3), 9, math.inf, None, None)
    assert index.sort(dim=1).values.tolist() == [list(range(9))] * 4
