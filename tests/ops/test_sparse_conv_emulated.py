"""The plain CUDA convolution on the CPU (tests/ops/emulated.py), against dense conv3d and the reference."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import kernel_map
from tests.ops import emulated
from tests.ops.test_sparse_conv import case, coarse, distinct, random_like
from tests.oracles import sparse_conv as oracle

module = sys.modules["pcseg.ops.sparse_conv"]
gradient = sys.modules["pcseg.ops.sparse_conv_weight_grad"]


class Emulated(NamedTuple):
    """The `_cuda` functions of the op on CPU tensors."""

    library: ctypes.CDLL

    def conv(self, *args: Any) -> Tensor:
        with emulated.calls_go_to(self.library):
            return module._cuda(*args)

    def weight_grad(self, *args: Any) -> Tensor:
        with emulated.calls_go_to(self.library):
            return gradient._cuda(*args)


@pytest.fixture(scope="session")
def cuda(emulated_library: ctypes.CDLL) -> Emulated:
    return Emulated(emulated_library)


@pytest.mark.parametrize(
    ("kernel_size", "stride", "dilation", "channels"),
    [(3, 1, 1, (5, 7)), (3, 1, 2, (17, 3)), (2, 1, 1, (1, 18)), (2, 2, 1, (33, 1)), (3, 2, 1, (4, 4))],
)
def test_equals_dense_conv3d_and_its_gradients(
    cuda: Emulated, kernel_size: int, stride: int, dilation: int, channels: tuple[int, int]
) -> None:
    coords = distinct(90, 4, seed=kernel_size)
    outputs = coords if stride == 1 else coarse(coords, stride)
    pairs, starts = kernel_map(coords, outputs, oracle.offsets(kernel_size, dilation=dilation))
    feats, weight = random_like(len(coords), channels[0]), random_like(kernel_size**3, *channels, seed=1)
    grad = random_like(len(outputs), channels[1], seed=2)
    feats.requires_grad_(), weight.requires_grad_()
    expected = oracle.dense_conv(coords, feats, weight, outputs, kernel_size, stride, dilation)
    d_feats, d_weight = torch.autograd.grad(expected, (feats, weight), grad)
    feats, weight = feats.detach(), weight.detach()
    torch.testing.assert_close(cuda.conv(feats, weight, pairs, starts, len(outputs)), expected.detach())
    back = cuda.conv(grad, weight.transpose(1, 2), oracle.transposed(pairs, starts), starts, len(coords))
    torch.testing.assert_close(back, d_feats)
    torch.testing.assert_close(cuda.weight_grad(feats, grad, pairs, starts), d_weight)


@settings(deadline=None, max_examples=40)
@given(
    points=st.integers(1, 120), cin=st.integers(0, 40), cout=st.integers(0, 20), kernel_size=st.integers(1, 3),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.float16, torch.bfloat16]),
)  # fmt: skip
def test_equals_the_reference(
    cuda: Emulated, points: int, cin: int, cout: int, kernel_size: int, dtype: torch.dtype
) -> None:
    coords = distinct(points, 4, seed=points)
    pairs, starts = kernel_map(coords, coords, oracle.offsets(kernel_size))
    feats, grad = random_like(len(coords), cin, dtype=dtype), random_like(len(coords), cout, seed=1, dtype=dtype)
    weight = random_like(kernel_size**3, cout, cin, seed=2, dtype=dtype).transpose(1, 2)  # not contiguous
    out = cuda.conv(feats, weight, pairs, starts, len(coords))
    weight_grad = cuda.weight_grad(feats, grad, pairs, starts)
    assert out.dtype == weight_grad.dtype == dtype
    # Half precision is summed in float32 and rounded once; sums of up to 27 * 40 products of order 1.
    close = {} if dtype == torch.float64 else {"rtol": max(torch.finfo(dtype).eps, 1e-5), "atol": 1e-4}
    torch.testing.assert_close(out, module._reference(feats, weight, pairs, starts, len(coords)), **close)
    torch.testing.assert_close(weight_grad, gradient._reference(feats, grad, pairs, starts), **close)


def test_an_invalid_map_is_an_error_not_a_crash(cuda: Emulated) -> None:
    feats, weight, pairs, starts, _ = case()
    feats, weight, grad, n = feats.detach(), weight.detach(), random_like(len(feats), 4), len(feats)
    beyond, negative = pairs.clone(), pairs.clone()
    beyond[0, 5] = n
    negative[0, 5] = -1
    for broken in (beyond, negative):
        with pytest.raises(InputError, match="sparse_conv: "):
            cuda.conv(feats, weight, broken, starts, n)
        with pytest.raises(InputError, match="sparse_conv: "):
            cuda.weight_grad(feats, grad, broken, starts)
    with pytest.raises(InputError, match=f"no map to {n - 1} rows"):
        cuda.conv(feats, weight, pairs, starts, n - 1)
