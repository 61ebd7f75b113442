"""Batch norm, residual and ReLU in one op: torch's batch_norm and relu are the oracle."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import batch_norm

from pcseg.errors import InputError
from pcseg.ops import batch_norm_relu
from tests.ops.clouds import compiled, torch_threads
from tests.ops.test_sparse_conv import random_like

EPS = 1e-5
SHAPES = {"two rows": (2, 3), "a part of a block": (77, 5), "several blocks": (1500, 70), "one channel": (70_000, 1)}


def case(rows: int, channels: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """feats, weight, bias, residual."""
    shapes = (rows, channels), (channels,), (channels,), (rows, channels)
    return [random_like(*shape, seed=seed, dtype=dtype).detach() for seed, shape in enumerate(shapes)]


def oracle(feats: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None) -> Tensor:
    out = batch_norm(feats, None, None, weight, bias, training=True, eps=EPS)
    return (out if residual is None else out + residual).relu()


@pytest.mark.parametrize("residual", ["none", "without gradient", "with gradient"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_values_and_gradients_are_torchs(shape: tuple[int, int], dtype: torch.dtype, residual: str) -> None:
    given = case(*shape, dtype=dtype)
    inputs = [value.requires_grad_() for value in given[: 4 if residual == "with gradient" else 3]]
    more = None if residual == "none" else given[3]
    grad = random_like(*shape, seed=9, dtype=dtype)
    out, mean, variance = batch_norm_relu(*given[:3], more)
    exact = [value.detach().double().requires_grad_() for value in inputs]
    expected = oracle(*exact[:3], None if more is None else exact[3] if len(exact) == 4 else more.double())
    if shape != (2, 3):
        assert 0.1 < (out == 0).double().mean() < 0.9
    # float32: errors of order 1e-7 of terms of order 1, in sums of as many of them as there are rows.
    close = {"rtol": 1e-9, "atol": 1e-9} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(out.double(), expected, **close)
    torch.testing.assert_close(mean.double(), given[0].detach().double().mean(0), **close)
    torch.testing.assert_close(variance.double(), given[0].detach().double().var(0, correction=0), **close)
    assert not mean.requires_grad
    assert not variance.requires_grad
    for ours, theirs in zip(
        torch.autograd.grad(out, inputs, grad), torch.autograd.grad(expected, exact, grad.double()), strict=True
    ):
        scale = max(1.0, float(theirs.abs().max()))
        torch.testing.assert_close(ours.double() / scale, theirs / scale, **close)


def test_gradcheck() -> None:
    given = [value.requires_grad_() for value in case(7, 3)]
    assert torch.autograd.gradcheck(lambda *args: batch_norm_relu(*args)[0], given)


@pytest.mark.parametrize("residual", [True, False])
def test_opcheck(residual: bool) -> None:
    given = [value.requires_grad_() for value in case(9, 3)]
    torch.library.opcheck(torch.ops.pcseg.batch_norm_relu, (*given[: 3 + residual], *[None] * (not residual), EPS))
    out, mean, variance = (value.detach() for value in batch_norm_relu(*given))
    fixed = [value.detach() for value in given]
    arguments = (fixed[3], fixed[0], out, fixed[1], mean, variance, EPS, residual)
    torch.library.opcheck(torch.ops.pcseg.batch_norm_relu_backward, arguments)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_mean_far_above_the_deviations(dtype: torch.dtype) -> None:
    feats, weight, bias, _ = case(5000, 40, dtype)
    feats = 1e4 + feats / 16  # steps of float32 are 1e-3 there
    feats[0] = -1e4  # and what comes first says nothing of the rest
    _, mean, variance = batch_norm_relu(feats, weight, bias)
    torch.testing.assert_close(mean.double(), feats.double().mean(0), rtol=1e-7, atol=0)
    torch.testing.assert_close(variance.double(), feats.double().var(0, correction=0), rtol=1e-5, atol=0)
    out, _, variance = batch_norm_relu(feats[1:], weight, bias)
    torch.testing.assert_close(variance.double(), feats[1:].double().var(0, correction=0), rtol=1e-5, atol=0)
    # The mean is rounded to a step of 1e-3 of values whose deviation is 1 / 16.
    close = {"rtol": 1e-9, "atol": 1e-6} if dtype == torch.float64 else {"rtol": 1e-2, "atol": 5e-2}
    torch.testing.assert_close(out.double(), oracle(feats[1:].double(), weight.double(), bias.double(), None), **close)


def test_without_deviations() -> None:
    _, weight, bias, _ = case(100, 4)
    feats = torch.full((100, 4), 3.7, dtype=torch.float64, requires_grad=True)
    out, mean, variance = batch_norm_relu(feats, weight, bias)
    torch.testing.assert_close(out, bias.relu().expand(100, 4))
    torch.testing.assert_close(mean, feats[0].detach())
    assert float(variance.max()) < 1e-20
    (grad,) = torch.autograd.grad(out.sum(), feats)
    torch.testing.assert_close(grad, torch.zeros_like(grad))


def test_what_is_not_a_number_stays_so() -> None:
    feats, weight, bias, residual = case(50, 4)
    feats[3, 1], residual[7, 2] = torch.nan, torch.nan
    inputs = [feats.requires_grad_(), residual.requires_grad_()]
    out, expected = batch_norm_relu(feats, weight, bias, residual)[0], oracle(feats, weight, bias, residual)
    assert torch.equal(out.isnan(), expected.isnan())
    assert out[:, 1].isnan().all()
    ours, theirs = (torch.autograd.grad(value, inputs, torch.ones_like(out)) for value in (out, expected))
    torch.testing.assert_close(ours, theirs, equal_nan=True)


def test_input_in_any_order_of_memory() -> None:
    given = [value.requires_grad_() for value in case(30, 6)]
    feats, residual = (
        given[0].detach().T.contiguous().T.requires_grad_(),
        given[3].detach()[:, None].expand(30, 2, 6)[:, 1],
    )
    out, expected = batch_norm_relu(feats, *given[1:3], residual)[0], oracle(given[0], *given[1:])
    torch.testing.assert_close(out, expected)
    ours, theirs = torch.autograd.grad(out.sum(), feats), torch.autograd.grad(expected.sum(), given[0])
    torch.testing.assert_close(ours, theirs)


@compiled
def test_the_same_bits_for_any_number_of_threads() -> None:
    given = [value.requires_grad_() for value in case(20_011, 24, torch.float32)]
    grad = random_like(20_011, 24, seed=9, dtype=torch.float32)
    results = []
    for threads in (1, 2, 3):
        with torch_threads(threads):
            out, mean, variance = batch_norm_relu(*given)
            results.append((out, mean, variance, *torch.autograd.grad(out, given, grad)))
    for result in results:
        assert all(torch.equal(one, other) for one, other in zip(result, results[0], strict=True))


def test_the_gradient_of_the_gradient_is_refused() -> None:
    given = [value.requires_grad_() for value in case(9, 3)]
    (grad,) = torch.autograd.grad(batch_norm_relu(*given)[0].square().sum(), given[0], create_graph=True)
    with pytest.raises(InputError, match="batch_norm_relu: cannot be differentiated twice"):
        grad.sum().backward()


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, torch.zeros(1, 3), r"feats: \(1, 3\) torch.float32 given; give \(N, C\)"),
        (0, torch.zeros(4, 3, dtype=torch.float16), r"feats: \(4, 3\) torch.float16 given"),
        (0, torch.zeros(3), r"feats: \(3,\)"),
        (1, torch.zeros(2), r"weight: \(2,\) torch.float32 given; give \(3,\) torch.float32"),
        (2, torch.zeros(3, dtype=torch.float64), r"bias: \(3,\) torch.float64 given; give \(3,\) torch.float32"),
        (3, torch.zeros(1, 3), r"residual: \(1, 3\) torch.float32 given; give \(4, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(place: int, value: Tensor, words: str) -> None:
    given = [torch.zeros(4, 3), torch.zeros(3), torch.zeros(3), torch.zeros(4, 3)]
    given[place] = value
    with pytest.raises(InputError, match=words):
        batch_norm_relu(*given)
