"""Segment ops against loops; gradients; the same bits for any number of threads; errors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pcseg import ops
from pcseg.errors import InputError
from pcseg.ops import _native
from tests.ops.clouds import devices
from tests.oracles import segment as oracle

OPS = {"sum": ops.segment_sum, "mean": ops.segment_mean, "max": ops.segment_max, "softmax": ops.segment_softmax}
op = pytest.mark.parametrize("how", OPS)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def cloud(
    elements: int, n: int, channels: int = 3, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Return values with many ties, and segments, some of them empty and some long."""
    g = torch.Generator().manual_seed(seed)
    values = torch.randint(-4, 5, (elements, channels), generator=g).to(dtype)
    return values, (n * torch.rand(elements, generator=g) ** 3).long().clamp(max=n - 1)


@op
@devices
@settings(max_examples=25, deadline=None)
@given(elements=st.integers(0, 60), n=st.integers(1, 9), channels=st.integers(1, 5), seed=st.integers(0, 99))
def test_equals_the_loop(how: str, device: str, elements: int, n: int, channels: int, seed: int) -> None:
    values, segment = cloud(elements, n, channels, seed)
    expected = oracle.reduce(values.numpy(), segment.numpy(), n, how)
    out = OPS[how](values.to(device), segment.to(device), n)
    np.testing.assert_allclose(out.cpu().numpy(), expected, atol=1e-12)


@op
@devices
@pytest.mark.parametrize("sort", [False, True])
@pytest.mark.parametrize("n", [1, 3, 5000])
def test_long_segments_and_many_segments(how: str, n: int, sort: bool, device: str) -> None:
    """Segments span several of the blocks into which the kernel cuts the elements."""
    values, segment = cloud(9000, n, 2)
    segment = segment.sort().values if sort else segment
    expected = oracle.reduce(values.numpy(), segment.numpy(), n, how)
    out = OPS[how](values.to(device), segment.to(device), n)
    np.testing.assert_allclose(out.cpu().numpy(), expected, atol=1e-12)


@op
def test_one_row_of_values_is_a_column(how: str) -> None:
    values, segment = cloud(50, 4, 1)
    assert torch.equal(OPS[how](values[:, 0], segment, 4), OPS[how](values, segment, 4)[:, 0])


@op
@devices
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_precision(how: str, dtype: torch.dtype, device: str) -> None:
    """Half precision is reduced in float32 and rounded once: the error is one rounding for any number of elements."""
    g = torch.Generator().manual_seed(1)
    values, segment = torch.rand(6000, 3, generator=g).to(dtype), torch.randint(0, 3, (6000,), generator=g)
    out = OPS[how](values.to(device), segment.to(device), 3).cpu()
    assert out.dtype == dtype
    expected = torch.from_numpy(oracle.reduce(values.double().numpy(), segment.numpy(), 3, how))
    torch.testing.assert_close(out.double(), expected, rtol=max(torch.finfo(dtype).eps, 1e-5), atol=1e-7)


@op
@devices
def test_gradient(how: str, device: str) -> None:
    g = torch.Generator().manual_seed(2)
    values = torch.rand(12, 2, generator=g, dtype=torch.float64).to(device).requires_grad_()
    segment = torch.randint(0, 5, (12,), generator=g).to(device)
    assert torch.autograd.gradcheck(lambda v: OPS[how](v, segment, 6), (values,))


@devices
def test_weighted_sum_and_its_gradient(device: str) -> None:
    g = torch.Generator().manual_seed(3)
    values, weight = (torch.rand(size, generator=g, dtype=torch.float64) for size in ((6, 2), (15,)))
    row, segment = torch.randint(0, 6, (15,), generator=g), torch.randint(0, 4, (15,), generator=g)
    expected = oracle.weighted_sum(values.numpy(), row.numpy(), weight.numpy(), segment.numpy(), 5)
    values, weight, row, segment = (tensor.to(device) for tensor in (values, weight, row, segment))
    values.requires_grad_()
    out = ops.weighted_sum(values, row, weight, segment, 5)
    np.testing.assert_allclose(out.detach().cpu().numpy(), expected)
    assert torch.autograd.gradcheck(lambda v: ops.weighted_sum(v, row, weight, segment, 5), (values,))
    assert torch.autograd.gradgradcheck(lambda v: ops.weighted_sum(v, row, weight, segment, 5), (values,))


@devices
def test_a_tie_gives_the_gradient_to_the_first(device: str) -> None:
    values = torch.tensor([[1.0], [3.0], [3.0], [2.0]], device=device, requires_grad=True)
    ops.segment_max(values, torch.tensor([0, 1, 1, 0], device=device), 3).sum().backward()
    assert values.grad is not None
    assert values.grad[:, 0].tolist() == [0, 1, 0, 1]


@devices
def test_nan_is_not_hidden_by_max(device: str) -> None:
    values = torch.tensor([1.0, torch.nan, 2.0, 5.0], device=device)
    out = ops.segment_max(values, torch.tensor([0, 0, 0, 1], device=device), 2)
    assert out.isnan().tolist() == [True, False]


@op
def test_same_bits_for_any_number_of_threads(how: str, threads: None) -> None:
    g = torch.Generator().manual_seed(4)
    values, segment = torch.randn(20_000, 4, generator=g), torch.randint(0, 7, (20_000,), generator=g)
    found = []
    for n in (1, 2, 5):
        torch.set_num_threads(n)
        found.append(OPS[how](values, segment, 7))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@op
@pytest.mark.skipif(not _native.has_cuda() or not torch.cuda.is_available(), reason="no GPU, or no kernels for it")
def test_same_bits_each_time_on_a_gpu(how: str) -> None:
    values, segment = torch.randn(20_000, 4, device="cuda"), torch.randint(0, 7, (20_000,), device="cuda")
    first = OPS[how](values, segment, 7)
    assert all(torch.equal(OPS[how](values, segment, 7), first) for _ in range(5))


def test_opcheck() -> None:
    values, segment = torch.rand(20, 3).requires_grad_(), torch.randint(0, 4, (20,))
    row = torch.randint(0, 20, (30,))
    torch.library.opcheck(torch.ops.pcseg.weighted_sum.default, (values, None, None, segment, 5))
    torch.library.opcheck(torch.ops.pcseg.weighted_sum.default, (values, row, torch.rand(30), row % 4, 5))
    torch.library.opcheck(torch.ops.pcseg.segment_max.default, (values, segment, 5))
    torch.library.opcheck(torch.ops.pcseg.segment_softmax.default, (values, segment, 5))


@op
def test_wrong_arguments_are_refused(how: str) -> None:
    values = torch.rand(4, 2)
    for segment, words in (
        (torch.tensor([0, 1, 2, 3]), "holds 3"),
        (torch.tensor([0, -1, 0, 0]), "holds -1"),
        (torch.tensor([0, 1, 2]), r"\(4,\)"),
        (torch.zeros(4), "int64"),
    ):
        with pytest.raises(InputError, match=words):
            OPS[how](values, segment, 3)


@op
def test_refuses_values_and_numbers_that_are_none(how: str) -> None:
    segment = torch.zeros(4, dtype=torch.int64)
    for values, n, words in (
        (torch.rand(4, 2, 2), 3, r"values: \(4, 2, 2\)"),
        (torch.tensor(1.0), 3, r"values: \(\)"),
        (torch.ones(4, 2, dtype=torch.int64), 3, "floating type"),
        (torch.rand(0, 2), -1, "n_segments=-1"),
    ):
        with pytest.raises(InputError, match=words):
            OPS[how](values, segment[: values.shape[0] if values.dim() else 0], n)


def test_weighted_sum_refuses_wrong_arguments() -> None:
    values, index = torch.rand(4, 2), torch.zeros(4, dtype=torch.int64)
    for changed, words in (
        ({"values": values[:, 0]}, r"values: \(4,\) given; give \(N, C\)"),
        ({"row": index[0]}, r"row: \(\)"),
        ({"row": index[:3]}, r"segment: \(4,\).*give \(3,\)"),
        ({"weight": values}, r"weight: \(4, 2\)"),
        ({"n_segments": -3}, "n_segments=-3"),
    ):
        arguments = {"values": values, "row": index, "weight": None, "segment": index, "n_segments": 1}
        with pytest.raises(InputError, match=words):
            ops.weighted_sum(**(arguments | changed))
