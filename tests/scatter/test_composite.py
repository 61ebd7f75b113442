"""Softmax, its logarithm, logsumexp and standard deviation, against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import pcseg.scatter as torch_scatter
from tests.scatter import loops
from tests.scatter.cases import CASES, SIZE, array, draw, every_case

COMPOSITES = ("softmax", "log_softmax", "logsumexp", "std")
every_composite = pytest.mark.parametrize("how", COMPOSITES)


@every_composite
@every_case
def test_equals_the_loop(case: str, how: str) -> None:
    src, index, dim = draw(case)
    expected = loops.composite(array(src), array(index), dim, SIZE, how)
    result = getattr(torch_scatter, f"scatter_{how}")(src, index, dim, dim_size=SIZE)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-11, atol=1e-11)


@every_composite
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_types(how: str, dtype: torch.dtype) -> None:
    src, index, dim = draw("an index of each batch", dtype)
    expected = loops.composite(array(src), array(index), dim, SIZE, how)
    result = getattr(torch_scatter, f"scatter_{how}")(src, index, dim, dim_size=SIZE)
    assert result.dtype == dtype
    np.testing.assert_allclose(array(result), expected, rtol=max(torch.finfo(dtype).eps, 1e-5), atol=1e-6)


@pytest.mark.parametrize("how", COMPOSITES[:3])
def test_great_numbers_do_not_overflow(how: str) -> None:
    src, index, dim = draw("rows", torch.float32)
    function, shift = getattr(torch_scatter, f"scatter_{how}"), 1000 * (index[:, None] + 1)
    expected = function(src, index, dim)
    if how == "logsumexp":
        shifts = 1000 * torch.arange(1, len(expected) + 1)[:, None]
        expected = expected + shifts * (torch.bincount(index)[:, None] > 0)
    torch.testing.assert_close(function(src + shift, index, dim), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_logsumexp_with_out(case: str) -> None:
    src, index, dim = draw(case)
    sums = torch.from_numpy(loops.reduce(np.exp(array(src)), array(index), dim, SIZE, "sum")[0])
    out = torch.linspace(-2, 3, sums.numel(), dtype=torch.float64).reshape(sums.shape)
    expected = (sums + out.exp()).log()
    assert torch_scatter.scatter_logsumexp(src, index, dim, out) is out
    torch.testing.assert_close(out, expected)


def test_minus_infinity() -> None:
    src = torch.tensor([-torch.inf, -torch.inf, -torch.inf, 1.0, 2.0])
    index = torch.tensor([0, 0, 1, 1, 3])
    assert torch_scatter.scatter_logsumexp(src, index).tolist() == [0, 1, 0, 2]
    out = torch.tensor([5.0, -torch.inf, 7.0, -torch.inf])
    assert torch_scatter.scatter_logsumexp(src, index, out=out).tolist() == [5, 1, 7, 2]
    assert torch_scatter.scatter_softmax(src, index)[2:].tolist() == [0, 1, 1]
    assert torch_scatter.scatter_log_softmax(src, index).tolist() == [-torch.inf] * 3 + [0, 0]


def test_eps() -> None:
    src, index = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([0, 0])
    total = math.exp(-1) + 1 + 0.5
    assert torch_scatter.scatter_logsumexp(src, index, eps=0.5).item() == pytest.approx(2 + math.log(total))
    found = torch_scatter.scatter_log_softmax(src, index, eps=0.5)
    assert found.tolist() == pytest.approx([-1 - math.log(total), -math.log(total)])


@every_case
def test_std_of_the_whole(case: str) -> None:
    src, index, dim = draw(case)
    expected = loops.composite(array(src), array(index), dim, SIZE, "std", unbiased=False)
    result = torch_scatter.scatter_std(src, index, dim, dim_size=SIZE, unbiased=False)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-11, atol=1e-11)


def test_std_adds_squares_to_out() -> None:
    src, index = torch.tensor([1.0, 3.0, 5.0, 7.0], dtype=torch.float64), torch.tensor([0, 0, 0, 1])
    out = torch.tensor([4.0, 9.0], dtype=torch.float64)
    result = torch_scatter.scatter_std(src, index, out=out)
    assert out.tolist() == [12, 9]
    assert result.tolist() == pytest.approx([math.sqrt(12 / (2 + 1e-6)), math.sqrt(9 / (1 + 1e-6))])


def test_std_of_integers() -> None:
    src, index = torch.tensor([1, 3, 5]), torch.tensor([0, 0, 1])
    torch.testing.assert_close(torch_scatter.scatter_std(src, index), torch.tensor([2.0, 0.0]).sqrt())
