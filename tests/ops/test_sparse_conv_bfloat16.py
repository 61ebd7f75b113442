"""bfloat16 where the machine multiplies it: float32 sums, rounded once, against float64 of the same numbers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native, kernel_map, sparse_conv, sparse_conv_norm_relu
from tests.ops.clouds import torch_threads
from tests.ops.test_sparse_conv import coarse, distinct, random_like
from tests.oracles import sparse_conv as oracle

conv_op, weight_grad_op = torch.ops.pcseg.sparse_conv, torch.ops.pcseg.sparse_conv_weight_grad
HALF_UNIT = torch.finfo(torch.bfloat16).eps / 2

pytestmark = pytest.mark.skipif(
    _native.library() is None or not _native.query("pcseg_has_bfloat16"), reason="bfloat16 is not multiplied here"
)


def random_bfloat16(*shape: int, seed: int = 0) -> Tensor:
    return random_like(*shape, seed=seed).bfloat16()


def assert_rounded_once(found: Tensor, exact: Tensor, of_absolutes: Tensor, products: int) -> None:
    """Check that ``found`` is ``exact`` (float64) up to float32 sums of ``products`` and one rounding to bfloat16."""
    assert found.dtype == torch.bfloat16
    sums = of_absolutes * products * torch.finfo(torch.float32).eps
    error = (found.double() - exact).abs()
    assert bool((error <= HALF_UNIT * (exact.abs() + sums) + sums).all()), float(error.max())


def a_map(points: int = 300, span: int = 4) -> tuple[int, Tensor, Tensor]:
    coords = distinct(points, span, seed=0)
    return len(coords), *kernel_map(coords, coords, oracle.offsets(3))


@settings(deadline=None, max_examples=30)
@given(
    points=st.integers(1, 200), cin=st.integers(1, 40), cout=st.integers(1, 40), kernel_size=st.integers(1, 3),
    seed=st.integers(0, 1000),
)  # fmt: skip
@example(points=60, cin=1, cout=1, kernel_size=3, seed=0)
@example(points=60, cin=32, cout=48, kernel_size=2, seed=0)  # whole vectors, a lone last one
@example(points=60, cin=270, cout=33, kernel_size=1, seed=0)  # a second panel of weights
def test_equals_dense_conv3d_rounded_once(points: int, cin: int, cout: int, kernel_size: int, seed: int) -> None:
    coords = distinct(points, 3, seed)
    stride = 2 if kernel_size == 2 else 1
    outputs = coarse(coords, stride)
    pairs, starts = kernel_map(coords, outputs, oracle.offsets(kernel_size))
    feats, grad = random_bfloat16(len(coords), cin, seed=seed), random_bfloat16(len(outputs), cout, seed=seed + 1)
    weight = random_bfloat16(kernel_size**3, cout, cin, seed=seed + 2).transpose(1, 2)  # not contiguous

    def exact(feats: Tensor, weight: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        weight = weight.double().requires_grad_()
        out = oracle.dense_conv(coords, feats.double(), weight, outputs, kernel_size, stride)
        return out.detach(), torch.autograd.grad(out, weight, grad.double())[0]

    expected, of_absolutes = exact(feats, weight, grad), exact(feats.abs(), weight.abs(), grad.abs())
    out = conv_op(feats, weight, pairs, starts, len(outputs), None, None)
    assert_rounded_once(out, expected[0], of_absolutes[0], kernel_size**3 * cin)
    assert_rounded_once(weight_grad_op(feats, grad, pairs, starts), expected[1], of_absolutes[1], points)


@pytest.mark.parametrize("cout", [5, 32])
@pytest.mark.parametrize("with_residual", [True, False])
def test_norm_and_residual_are_rounded_with_the_sum(cout: int, with_residual: bool) -> None:
    n, pairs, starts = a_map()
    feats, weight = random_bfloat16(n, 7), random_bfloat16(27, 7, cout, seed=1)
    scale, shift, residual = random_like(cout, seed=2).float(), random_like(cout, seed=3), random_bfloat16(n, cout)
    shift = shift.float()
    wide = [value.double() for value in (feats, weight, scale, shift, residual)]

    def exact(feats: Tensor, weight: Tensor, scale: Tensor, shift: Tensor, residual: Tensor) -> Tensor:
        out = conv_op(feats, weight, pairs, starts, n, None, None) * scale + shift
        return out + residual if with_residual else out

    found = sparse_conv_norm_relu(feats, weight, pairs, starts, n, scale, shift, residual if with_residual else None)
    assert_rounded_once(found, exact(*wide).relu(), exact(*(value.abs() for value in wide)), 27 * 7)


@pytest.mark.parametrize("values", [[1, 2**-8], [1, 3 * 2**-8], [-1, -(2**-8)], [3e38, 3e38], [1, 1e-9]])
def test_rounds_as_torch_does(values: list[float]) -> None:
    """Round to nearest, ties to even, overflow to infinity; for feats of one."""
    weight = torch.tensor(values).bfloat16()
    feats, pairs, starts = torch.ones(1, 2).bfloat16(), torch.zeros(2, 1, dtype=torch.int32), torch.tensor([0, 1])
    out = conv_op(feats, weight.reshape(1, 2, 1), pairs, starts, 1, None, None)
    assert torch.equal(out.flatten(), weight.float().sum()[None].bfloat16())


@pytest.mark.parametrize("channels", [(3, 5), (8, 32)])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_and_infinity_stay_in_their_rows(channels: tuple[int, int], bad: float) -> None:
    """Rows that are in no pair, before, between and after those that are, are never read."""
    cin, cout = channels
    feats, grad = torch.full((7, cin), bad).bfloat16(), torch.full((7, cout), bad).bfloat16()
    feats[1:6:2], grad[1:6:2] = random_bfloat16(3, cin), random_bfloat16(3, cout, seed=1)
    rows = torch.tensor([1, 3, 5, 1, 3], dtype=torch.int32)  # an odd number of pairs, and an even one
    pairs, starts = torch.stack([rows, rows]), torch.tensor([0, 3, 5])
    weight = random_bfloat16(2, cin, cout, seed=2)
    assert bool(conv_op(feats, weight, pairs, starts, 7, None, None).isfinite().all())
    assert bool(weight_grad_op(feats, grad, pairs, starts).isfinite().all())
    feats[3] = bad
    out = conv_op(feats, weight, pairs, starts, 7, None, None)
    assert out.isfinite().all(1).tolist() == [row != 3 for row in range(7)]


@pytest.mark.parametrize("channels", [(32, 32), (5, 20)])
def test_the_same_bits_for_any_number_of_threads(channels: tuple[int, int]) -> None:
    n, pairs, starts = a_map(30_000, 18)
    feats, grad = random_bfloat16(n, channels[0]), random_bfloat16(n, channels[1], seed=1)
    weight = random_bfloat16(27, *channels, seed=2)
    scale, shift = torch.rand(2, channels[1])
    assert n > 3 * 4096  # several ranges of the weight gradient
    results = []
    for threads in (1, 2, 3):
        with torch_threads(threads):
            results.append((conv_op(feats, weight, pairs, starts, n, None, None),
                            weight_grad_op(feats, grad, pairs, starts),
                            sparse_conv_norm_relu(feats, weight, pairs, starts, n, scale, shift, grad)))  # fmt: skip
    for found in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found, results[0], strict=True))
    exact, of_absolutes = (
        weight_grad_op(a.double(), b.double(), pairs, starts) for a, b in ((feats, grad), (feats.abs(), grad.abs()))
    )
    assert_rounded_once(results[0][1], exact, of_absolutes, 64)  # errors of thousands of sums cancel for the most part


def test_nothing_in_nothing_out() -> None:
    none, starts = torch.zeros(2, 0, dtype=torch.int32), torch.zeros(28, dtype=torch.int64)
    weight = random_bfloat16(27, 3, 4)
    assert conv_op(random_bfloat16(0, 3), weight, none, starts, 0, None, None).shape == (0, 4)
    out = conv_op(random_bfloat16(2, 3), weight, none, starts, 5, None, None)
    assert torch.equal(out, torch.zeros(5, 4).bfloat16())
    found = weight_grad_op(random_bfloat16(2, 3), random_bfloat16(5, 4), none, starts)
    assert torch.equal(found, torch.zeros_like(weight))


def test_autocast_trains_in_it() -> None:
    n, pairs, starts = a_map()
    t_pairs = oracle.transposed(pairs, starts)
    leaves = [random_like(n, 5).float(), random_like(27, 5, 9, seed=1).float()]
    grad = random_bfloat16(n, 9, seed=2)

    def train(narrow: bool) -> list[Tensor]:
        inputs = [leaf.bfloat16().double() if not narrow else leaf.clone() for leaf in leaves]
        for value in inputs:
            value.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            out = sparse_conv(*inputs, pairs, starts, n, t_pairs, starts)  # type: ignore[misc]
        return [out.detach(), *torch.autograd.grad(out, inputs, grad.to(out.dtype))]

    for found, exact in zip(train(True), train(False), strict=True):
        torch.testing.assert_close(found.double(), exact, rtol=1.01 * HALF_UNIT, atol=1e-4)


def test_elsewhere_it_is_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    n, pairs, starts = a_map()
    feats, weight = random_bfloat16(n, 6), random_bfloat16(27, 6, 9)
    here = conv_op(feats, weight, pairs, starts, n, None, None)
    monkeypatch.setenv("PCSEG_ISA", "avx512")
    assert not _native.query("pcseg_has_bfloat16")
    there = conv_op(feats, weight, pairs, starts, n, None, None)
    torch.testing.assert_close(there.double(), here.double(), rtol=2.01 * HALF_UNIT, atol=1e-4)
    starts_of_none, none = torch.zeros(28, dtype=torch.int64), torch.zeros(2, 0, dtype=torch.int32)
    with pytest.raises(InputError, match="bfloat16"):
        _native.call(
            "pcseg_sparse_conv_weight_grad", 3, feats, n, 6, feats, n, 6, none, 0, starts_of_none, 27, feats, feats, 1
        )
