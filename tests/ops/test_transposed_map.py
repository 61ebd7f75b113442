"""Maps from outputs to inputs hold the same pairs, ascending by the new output row in each group."""

from __future__ import annotations

import ctypes
import sys

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import kernel_map, transposed_map
from tests.ops import emulated
from tests.ops.clouds import devices
from tests.ops.test_sparse_conv import coarse, distinct
from tests.oracles import sparse_conv as oracle

module = sys.modules["pcseg.ops.transposed_map"]
CASES = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
KERNELS = st.sampled_from([(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (4, 4)])


def a_map(points: int, span: int, kernel: tuple[int, int], seed: int) -> tuple[Tensor, Tensor, int, int]:
    coords = distinct(points, span, seed)
    outputs = coords if kernel[1] == 1 else coarse(coords, kernel[1])
    return *kernel_map(coords, outputs, oracle.offsets(kernel[0])), len(coords), len(outputs)


@CASES
@given(points=st.integers(1, 200), span=st.sampled_from([2, 4, 9]), kernel=KERNELS, seed=st.integers(0, 1000))
def test_equals_pairs_turned_one_by_one(
    emulated_library: ctypes.CDLL, points: int, span: int, kernel: tuple[int, int], seed: int
) -> None:
    given_map = a_map(points, span, kernel, seed)
    expected = oracle.transposed(*given_map[:2])
    assert torch.equal(transposed_map(*given_map), expected)
    assert torch.equal(transposed_map(*given_map, mirrored=kernel == (3, 1)), expected)
    with emulated.calls_go_to(emulated_library):
        assert torch.equal(module._cuda(*given_map), expected)


@devices
@pytest.mark.parametrize("kernel", [(2, 2), (3, 1), (3, 2)])
def test_equals_pairs_turned_one_by_one_on_each_device(device: str, kernel: tuple[int, int]) -> None:
    pairs, starts, n_in, n_out = a_map(3000, 12, kernel, seed=0)
    expected = oracle.transposed(pairs, starts)
    for mirrored in {False, kernel == (3, 1)}:
        assert torch.equal(transposed_map(pairs.to(device), starts, n_in, n_out, mirrored).cpu(), expected)


def test_many_runs_of_rows_and_no_pairs(emulated_library: ctypes.CDLL) -> None:
    many = a_map(3000, 8, (2, 2), seed=0)
    none = torch.zeros(2, 0, dtype=torch.int32), torch.zeros(9, dtype=torch.int64), 5, 3
    no_groups = none[0], torch.zeros(1, dtype=torch.int64), 5, 5
    with emulated.calls_go_to(emulated_library):
        assert torch.equal(module._cuda(*many), oracle.transposed(*many[:2]))
        assert module._cuda(*none).shape == module._cuda(*no_groups).shape == (2, 0)
    assert transposed_map(*none).shape == transposed_map(*no_groups).shape == (2, 0)
    assert transposed_map(*no_groups, mirrored=True).shape == (2, 0)


def test_pairs_in_any_layout(emulated_library: ctypes.CDLL) -> None:
    pairs, *rest = a_map(60, 4, (3, 2), seed=0)
    columns = pairs.T.contiguous().T
    with emulated.calls_go_to(emulated_library):
        assert torch.equal(module._cuda(columns, *rest), oracle.transposed(pairs, rest[0]))
    assert torch.equal(transposed_map(columns, *rest), oracle.transposed(pairs, rest[0]))
    torch.library.opcheck(torch.ops.pcseg.transposed_map.default, (columns.contiguous(), *rest))


@pytest.mark.parametrize("cells", [0, 1, 200, 10**9])
def test_groups_are_transposed_alike_however_many_at_a_time(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setattr(module, "CELLS", cells)
    given_map = a_map(60, 4, (3, 2), seed=0)
    assert torch.equal(transposed_map(*given_map), oracle.transposed(*given_map[:2]))


def test_a_gpu_is_given_no_rows_out_of_range(emulated_library: ctypes.CDLL) -> None:
    pairs, starts, n_in, n_out = a_map(60, 4, (2, 2), seed=0)
    with emulated.calls_go_to(emulated_library):
        with pytest.raises(InputError, match=f"has {n_in - 1} rows, the map needs {n_in}"):
            module._cuda(pairs, starts, n_in - 1, n_out)
        with pytest.raises(InputError, match=f"no map to {n_out - 1} rows"):
            module._cuda(pairs, starts, n_in, n_out - 1)


def test_a_map_to_voxels_given_twice_has_no_opposite(emulated_library: ctypes.CDLL) -> None:
    coords = distinct(50, 4, seed=0)
    pairs, starts = kernel_map(coords, torch.cat([coords, coords]), oracle.offsets(3))
    with pytest.raises(InputError, match="give kernel_map each output voxel once"):
        transposed_map(pairs, starts, 50, 100)
    with emulated.calls_go_to(emulated_library), pytest.raises(InputError, match="each output voxel once"):
        module._cuda(pairs, starts, 50, 100)


def test_what_is_no_map_is_refused_by_name() -> None:
    pairs, starts, n_in, n_out = a_map(60, 4, (3, 2), seed=0)
    with pytest.raises(InputError, match=r"transposed_map: pairs \(2, \d+\) torch.int64; give \(2, Q\) torch.int32"):
        transposed_map(pairs.long(), starts, n_in, n_out)
    with pytest.raises(InputError, match=r"transposed_map: starts \(28,\) torch.int32 on cpu; give"):
        transposed_map(pairs, starts.int(), n_in, n_out)
    with pytest.raises(InputError, match=f"mirrored: {n_in} input and {n_out} output rows"):
        transposed_map(pairs, starts, n_in, n_out, mirrored=True)
