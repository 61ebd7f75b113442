"""Quantizing and voxelizing: against dictionaries, at the limits, and the same for any number of threads."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.ops import COORDINATE_LIMIT, quantize, voxelize
from tests.ops.clouds import compiled, devices, random_coords, torch_threads
from tests.oracles import sparse_conv as oracle

reference = sys.modules["pcseg.ops.voxelize"]._reference


@devices
@settings(deadline=None, max_examples=60)
@given(
    points=st.integers(0, 200), span=st.sampled_from([1, 3, 100, COORDINATE_LIMIT]), samples=st.integers(1, 3),
    kept=st.sampled_from([None, 0.0, 0.3, 1.0]), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_equals_a_dictionary(device: str, points: int, span: int, samples: int, kept: float | None, seed: int) -> None:
    coords = random_coords(points, span, samples, seed)
    keep = None if kept is None else torch.rand(points, generator=torch.Generator().manual_seed(seed)) < kept
    expected = oracle.voxels(coords, keep)
    for kernel in (voxelize, reference):
        found = kernel(coords.to(device), None if keep is None else keep.to(device))
        assert [f.tolist() for f in found] == list(expected)
        assert all(f.dtype == torch.int64 for f in found)


@compiled
def test_many_points_in_several_blocks_and_threads() -> None:
    coords = random_coords(100_000, 20, 2, seed=1)
    keep = torch.rand(100_000, generator=torch.Generator().manual_seed(1)) < 0.01
    expected = reference(coords, keep)
    for threads in (1, 2, 3):
        with torch_threads(threads):
            found = voxelize(coords, keep)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_kept_point_stands_for_its_voxel() -> None:
    coords = torch.tensor([[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]], dtype=torch.int32)
    assert voxelize(coords).rows.tolist() == [3, 0]
    assert voxelize(coords, torch.tensor([False, False, True, False])).rows.tolist() == [3, 2]
    assert voxelize(coords, torch.tensor([False, True, True, False])).rows.tolist() == [3, 1]


def test_rows_need_not_be_contiguous() -> None:
    coords = random_coords(50, 2, 1, seed=3)
    strided = torch.cat([coords, coords], 1)[:, :4]
    assert not strided.is_contiguous()
    assert torch.equal(voxelize(strided).inverse, voxelize(coords).inverse)


@devices
def test_wrong_coords_are_refused(device: str) -> None:
    coords = random_coords(5, 2, 1, seed=0).to(device)
    far = coords.clone()
    far[3, 2] = COORDINATE_LIMIT + 1
    with pytest.raises(InputError, match=rf"voxel coordinate {COORDINATE_LIMIT + 1} is beyond"):
        voxelize(far)
    far[3, 2] = torch.iinfo(torch.int32).min
    with pytest.raises(InputError, match="is beyond"):
        voxelize(far)
    with pytest.raises(InputError, match=r"\(N, 4\)"):
        voxelize(coords[:, :3])
    with pytest.raises(InputError, match=r"torch\.int32"):
        voxelize(coords.long())
    with pytest.raises(InputError, match="keep"):
        voxelize(coords, torch.ones(4, dtype=torch.bool))


@devices
def test_a_batch_too_wide_for_keys_is_an_error_not_a_wrong_map(device: str) -> None:
    corners = torch.tensor([[0, *[-COORDINATE_LIMIT] * 3], [100, *[COORDINATE_LIMIT] * 3]], dtype=torch.int32)
    for kernel in (voxelize, lambda coords: reference(coords, None)):
        with pytest.raises(InputError, match="101 samples spanning 1048577 x 1048577 x 1048577"):
            kernel(corners.to(device))


def test_opcheck() -> None:
    coords = random_coords(40, 2, 2, seed=0)
    torch.library.opcheck(torch.ops.pcseg.voxelize.default, (coords, None))
    torch.library.opcheck(torch.ops.pcseg.voxelize.default, (coords, coords[:, 1] > 0))


def test_quantize_rounds_down_below_zero_too() -> None:
    position = torch.tensor([[0.0, 0.249, 0.25], [-0.001, -0.25, -0.251]])
    assert quantize(position, 0.25).tolist() == [[0, 0, 1], [-1, -1, -2]]
    assert quantize(position + 1, 0.25, origin=(1, 1, 1)).tolist() == [[0, 0, 1], [-1, -1, -2]]
    assert quantize(position, 0.25).dtype == torch.int32
    assert quantize(torch.zeros(0, 3), 0.05).shape == (0, 3)


def test_quantize_keeps_centimeters_at_map_coordinates() -> None:
    position = torch.tensor([[431_000.03, 5_400_000.07, 30.01]], dtype=torch.float64)
    assert quantize(position, 0.02, origin=(431_000.0, 5_400_000.0, 30.0)).tolist() == [[1, 3, 0]]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30, (COORDINATE_LIMIT + 1) * 0.5])
def test_quantize_names_the_row_it_cannot_place(bad: float) -> None:
    position = torch.zeros(4, 3)
    position[2, 1] = bad
    with pytest.raises(InputError, match=r"row 2 \(0, .*, 0\)"):
        quantize(position, 0.5)
    edge = torch.full((1, 3), -COORDINATE_LIMIT * 0.5)
    assert quantize(edge, 0.5).tolist() == [[-COORDINATE_LIMIT] * 3]


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf")])
def test_quantize_refuses_invalid_sizes(size: float) -> None:
    with pytest.raises(InputError, match="voxel_size"):
        quantize(torch.zeros(1, 3), size)


@pytest.mark.parametrize("origin", [(0.0, 0.0), (0.0, 0.0, float("nan")), 0.0])
def test_quantize_refuses_invalid_origins(origin: Any) -> None:
    with pytest.raises(InputError, match=r"origin=.*; give x, y and z"):
        quantize(torch.zeros(1, 3), 0.5, origin)
