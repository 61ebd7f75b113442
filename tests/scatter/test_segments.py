"""Reductions and gathering by sorted index and by pointers, against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import pcseg.scatter as torch_scatter
from tests.scatter import loops
from tests.scatter.cases import SIZE, TYPES, array

KINDS = ("sum", "add", "mean", "min", "max")
every_kind = pytest.mark.parametrize("how", KINDS)

# Shape of src, index (sorted along its last dimension), and pointers: not those of the index.
CASES = {
    "one dimension": ((7,), [0, 0, 1, 1, 1, 3, 3], [0, 2, 5, 5, 7]),
    "rows": ((7, 2), [0, 0, 1, 1, 1, 3, 3], [0, 0, 3, 7]),
    "batches": ((2, 7, 2), [[0, 0, 1, 1, 1, 3, 3], [1, 1, 1, 1, 2, 2, 2]], [[0, 2, 5, 5, 7], [0, 3, 5, 6, 7]]),
    "one for all batches": ((2, 7, 2), [[0, 0, 1, 1, 1, 3, 3]], [[0, 2, 5, 5, 7]]),
    "the last dimension": ((2, 7), [[0, 0, 1, 1, 1, 3, 3], [0, 0, 0, 0, 0, 0, 5]], [[0, 2, 5, 5, 7], [0, 7, 7, 7, 7]]),
    "some elements in no range": ((2, 7, 2), [[0, 0, 1, 1, 1, 3, 3]], [[1, 2, 5, 5], [2, 2, 4, 6]]),
    "one range": ((7, 2), [2] * 7, [0, 7]),
    "no range": ((7, 2), [2] * 7, [3]),
    "no elements": ((0, 2), [], [0, 0, 0]),
}
every_case = pytest.mark.parametrize("case", CASES)


def draw(case: str, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    shape, index, indptr = CASES[case]
    low = 1 if dtype == torch.uint8 else -3
    src = torch.randint(low, 4, shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    return src, torch.tensor(index, dtype=torch.int64), torch.tensor(indptr)


def check(found: Tensor | tuple[Tensor, Tensor], expected: tuple[np.ndarray, np.ndarray], dtype: torch.dtype) -> None:
    result, place = found if isinstance(found, tuple) else (found, None)
    assert result.dtype == dtype
    assert torch.equal(result, torch.from_numpy(expected[0]).to(dtype))
    if place is not None:
        np.testing.assert_array_equal(place.numpy(), expected[1])


@every_kind
@every_case
def test_by_index(case: str, how: str) -> None:
    for dtype in TYPES:
        src, index, _ = draw(case, dtype)
        dim = index.dim() - 1
        expected = loops.reduce(array(src), array(index), dim, SIZE, how)
        function = getattr(torch_scatter, f"segment_{how}_coo")
        check(function(src, index, dim_size=SIZE), expected, dtype)
        result = torch_scatter.segment_coo(src, index, None, SIZE, how)
        check(result, expected, dtype)

        out = torch.ones_like(result)
        expected = loops.reduce(array(src), array(index), dim, SIZE, how, array(out))
        check(function(src, index, out), expected, dtype)
        check(out, expected, dtype)


@every_kind
@every_case
def test_by_pointers(case: str, how: str) -> None:
    for dtype in TYPES:
        src, _, indptr = draw(case, dtype)
        expected = loops.ranges(array(src), array(indptr), how)
        function = getattr(torch_scatter, f"segment_{how}_csr")
        check(function(src, indptr), expected, dtype)
        result = torch_scatter.segment_csr(src, indptr, reduce=how)
        check(result, expected, dtype)
        assert result.is_contiguous()

        out = torch.ones_like(result)  # overwritten
        check(function(src, indptr, out), expected, dtype)
        check(out, expected, dtype)


@every_case
def test_gather_by_index(case: str) -> None:
    for dtype in TYPES:
        elements, index, _ = draw(case, dtype)
        dim = index.dim() - 1
        shape = list(elements.shape)
        shape[dim] = SIZE
        src = torch.randint(0, 4, shape, generator=torch.Generator().manual_seed(2)).to(dtype)
        full = loops.spread(array(index), elements.shape, dim)
        expected = torch.from_numpy(np.take_along_axis(array(src), full, dim)).to(dtype)
        assert torch.equal(torch_scatter.gather_coo(src, index), expected)
        out = torch.full_like(expected, 9)
        assert torch_scatter.gather_coo(src, index, out) is out
        assert torch.equal(out, expected)


@every_case
def test_gather_by_pointers(case: str) -> None:
    for dtype in TYPES:
        elements, _, indptr = draw(case, dtype)
        dim = indptr.dim() - 1
        shape = list(elements.shape)
        shape[dim] = indptr.shape[dim] - 1
        src = torch.randint(1, 4, shape, generator=torch.Generator().manual_seed(2)).to(dtype)
        out = torch.full_like(elements, 9)
        expected = torch.from_numpy(loops.repeat(array(src), array(indptr), array(out))).to(dtype)
        assert torch_scatter.gather_csr(src, indptr, out) is out
        assert torch.equal(out, expected)
        length = int(indptr.max())
        expected = loops.repeat(array(src), array(indptr), np.zeros((*shape[:dim], length, *shape[dim + 1 :])))
        assert torch.equal(torch_scatter.gather_csr(src, indptr), torch.from_numpy(expected).to(dtype))


def test_no_pointers() -> None:
    src, none = torch.rand(0, 3), torch.empty(0, dtype=torch.int64)
    assert torch_scatter.segment_csr(src, none).shape == (0, 3)
    assert torch_scatter.gather_csr(src, none).shape == (0, 3)


def test_an_index_in_any_order() -> None:
    src, index = torch.tensor([1, 2, 3, 4]), torch.tensor([1, 0, 1, 0])
    assert torch_scatter.segment_coo(src, index).tolist() == [6, 4]
    assert torch_scatter.gather_coo(src, index).tolist() == [2, 1, 2, 1]
