"""Kernel maps: against dictionaries, for any order of rows, and errors instead of wrong maps."""

from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.ops import COORDINATE_LIMIT, kernel_map, voxelize
from tests.ops.clouds import compiled, devices, random_coords, torch_threads
from tests.oracles import sparse_conv as oracle

reference = sys.modules["pcseg.ops.kernel_map"]._reference


def distinct(points: int, span: int, samples: int, seed: int) -> torch.Tensor:
    coords = random_coords(points, span, samples, seed)
    return coords[voxelize(coords).rows]


def check(in_coords: torch.Tensor, out_coords: torch.Tensor, offsets: torch.Tensor, device: str = "cpu") -> None:
    expected_pairs, expected_starts = oracle.kernel_map(in_coords, out_coords, offsets)
    inputs = in_coords.to(device)
    outputs = inputs if out_coords is in_coords else out_coords.to(device)
    for kernel in (kernel_map, reference):
        pairs, starts = kernel(inputs, outputs, offsets)
        assert starts.tolist() == expected_starts
        assert (starts.dtype, starts.device.type) == (torch.int64, "cpu")
        assert [tuple(pair) for pair in pairs.t().tolist()] == expected_pairs
        assert (pairs.dtype, pairs.device.type) == (torch.int32, device)
        assert pairs.shape == (2, len(expected_pairs))


@devices
@settings(deadline=None, max_examples=40)
@given(
    points=st.integers(0, 80), span=st.sampled_from([1, 3, COORDINATE_LIMIT]), samples=st.integers(1, 3),
    kernel_size=st.integers(1, 4), dilation=st.integers(1, 3), shuffled=st.booleans(), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_equals_a_dictionary_on_the_same_voxels(
    device: str, points: int, span: int, samples: int, kernel_size: int, dilation: int, shuffled: bool, seed: int
) -> None:
    coords = distinct(points, span, samples, seed)
    if shuffled:
        coords = coords[torch.randperm(len(coords), generator=torch.Generator().manual_seed(seed))]
    check(coords, coords, oracle.offsets(kernel_size, dilation=dilation), device)


@devices
@settings(deadline=None, max_examples=40)
@given(
    points=st.integers(0, 80), outputs=st.integers(0, 80), span=st.integers(1, 6), kernel_size=st.integers(1, 3),
    shuffled=st.booleans(), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_equals_a_dictionary_between_two_sets(
    device: str, points: int, outputs: int, span: int, kernel_size: int, shuffled: bool, seed: int
) -> None:
    in_coords, out_coords = distinct(points, span, 2, seed), distinct(outputs, 2 * span, 2, seed + 1)
    if shuffled:
        in_coords, out_coords = in_coords.flip(0), out_coords[torch.randperm(len(out_coords))]
    check(in_coords, out_coords, oracle.offsets(kernel_size), device)
    check(in_coords, out_coords, torch.tensor([[5, -3, 0]], dtype=torch.int32), device)


@devices
@settings(deadline=None, max_examples=40)
@given(
    chosen=st.lists(st.tuples(*[st.integers(-2, 2)] * 3), min_size=1, max_size=8), mirrored=st.booleans(),
    seed=st.integers(0, 10**6),
)  # fmt: skip
def test_offsets_come_in_any_order_and_twice(
    device: str, chosen: list[tuple[int, int, int]], mirrored: bool, seed: int
) -> None:
    offsets = torch.tensor(chosen, dtype=torch.int32)
    if mirrored:
        offsets = torch.cat([offsets, torch.zeros(1, 3, dtype=torch.int32), -offsets.flip(0)])
    coords = distinct(80, 3, 2, seed)
    check(coords, coords, offsets, device)


@devices
def test_output_voxels_may_repeat(device: str) -> None:
    coords = distinct(20, 2, 1, seed=0)
    check(coords, torch.cat([coords, coords]), oracle.offsets(3), device)


@devices
def test_voxels_at_the_limits_do_not_wrap_round(device: str) -> None:
    edge = COORDINATE_LIMIT
    coords = torch.tensor([[0, -edge, -edge, -edge], [0, edge, edge, edge], [1, -edge, 0, edge]], dtype=torch.int32)
    check(coords, coords, oracle.offsets(3), device)
    check(coords, coords, torch.tensor([[0, 0, 2 * edge], [0, 0, 1]], dtype=torch.int32), device)


@compiled
def test_many_voxels_in_several_blocks_and_threads() -> None:
    coords = distinct(40_000, 25, 2, seed=2)
    assert len(coords) > 2**15  # more than a block of the sort
    shuffled = coords[torch.randperm(len(coords), generator=torch.Generator().manual_seed(0))]
    offsets = oracle.offsets(3)[::2].contiguous()
    for inputs, outputs in ((coords, coords), (coords, coords.clone()), (shuffled, shuffled), (shuffled, coords)):
        pairs, starts = reference(inputs, outputs, offsets)
        for threads in (1, 2, 3):
            with torch_threads(threads):
                found = kernel_map(inputs, outputs, offsets)
            assert torch.equal(found[0], pairs)
            assert torch.equal(found[1], starts)


@devices
def test_a_voxel_given_twice_is_refused_by_name(device: str) -> None:
    coords = torch.tensor([[0, 1, 2, 3], [1, -4, 5, 6], [0, 0, 0, 0], [1, -4, 5, 6]], dtype=torch.int32).to(device)
    for kernel in (kernel_map, reference):
        with pytest.raises(InputError, match=r"voxel \[1, -4, 5, 6\] is there more than once"):
            kernel(coords, coords, oracle.offsets(3).to(device))


def test_wrong_arguments_are_refused() -> None:
    coords = distinct(5, 2, 1, seed=0)
    offsets = oracle.offsets(3)
    far = coords.clone()
    far[0, 3] = -COORDINATE_LIMIT - 1
    for kernel in (kernel_map, reference):
        with pytest.raises(InputError, match=r"in_coords: voxel coordinate -524289"):
            kernel(far, coords, offsets)
        with pytest.raises(InputError, match="out_coords: voxel coordinate -524289"):
            kernel(coords, far, offsets)
        with pytest.raises(InputError, match="offsets"):
            kernel(coords, coords, offsets.long())
        with pytest.raises(InputError, match="out_coords"):
            kernel(coords, coords[:, 1:], offsets)


def test_opcheck() -> None:
    coords = distinct(30, 2, 2, seed=0)
    torch.library.opcheck(torch.ops.pcseg.kernel_map.default, (coords, coords[::2].contiguous(), oracle.offsets(2)))


def test_views_that_begin_together_are_not_taken_for_one() -> None:
    base = torch.tensor([[0, i, 0, 0] for i in range(8)], dtype=torch.int32)
    pairs, _ = kernel_map(base[::2], base[:4], torch.zeros(1, 3, dtype=torch.int32))
    assert pairs.tolist() == [[0, 1], [0, 2]]
