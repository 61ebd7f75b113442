"""Sparse convolution against dense conv3d, its gradients, and the compiled kernels against the reference."""

from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import kernel_map, sparse_conv, voxelize
from tests.ops.clouds import compiled, random_coords, torch_threads
from tests.oracles import sparse_conv as oracle

module = sys.modules["pcseg.ops.sparse_conv"]
gradient = sys.modules["pcseg.ops.sparse_conv_weight_grad"]
conv_op, weight_grad_op = torch.ops.pcseg.sparse_conv, torch.ops.pcseg.sparse_conv_weight_grad


def distinct(points: int, span: int, seed: int, samples: int = 1) -> Tensor:
    coords = random_coords(points, span, samples, seed)
    return coords[voxelize(coords).rows]


def coarse(coords: Tensor, stride: int) -> Tensor:
    rounded = torch.cat([coords[:, :1], torch.div(coords[:, 1:], stride, rounding_mode="floor") * stride], 1).int()
    return rounded[voxelize(rounded).rows]


def random_like(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(
    ("kernel_size", "stride", "dilation"),
    [(3, 1, 1), (5, 1, 1), (3, 1, 2), (2, 1, 1), (2, 2, 1), (3, 2, 1), (4, 2, 1), (3, 3, 2)],
)
def test_equals_dense_conv3d(kernel_size: int, stride: int, dilation: int) -> None:
    coords = distinct(150, 5, seed=kernel_size)
    outputs = coords if stride == 1 else coarse(coords, stride)
    feats, weight = random_like(len(coords), 5), random_like(kernel_size**3, 5, 7, seed=1)
    pairs, starts = kernel_map(coords, outputs, oracle.offsets(kernel_size, dilation=dilation))
    out = sparse_conv(feats, weight, pairs, starts, len(outputs))
    torch.testing.assert_close(out, oracle.dense_conv(coords, feats, weight, outputs, kernel_size, stride, dilation))


def test_transposed_map_equals_dense_conv_transpose3d() -> None:
    fine = distinct(150, 5, seed=0)
    outputs, inputs = fine, coarse(fine, 2)
    feats, weight = random_like(len(inputs), 4), random_like(8, 4, 6, seed=1)
    pairs, starts = kernel_map(fine, inputs, oracle.offsets(2))
    out = sparse_conv(feats, weight, oracle.transposed(pairs, starts), starts, len(outputs))
    torch.testing.assert_close(out, oracle.dense_conv_transpose(inputs, feats, weight, outputs, 2, 2))


def case(
    points: int = 40, channels: tuple[int, int] = (3, 4), dtype: torch.dtype = torch.float64
) -> tuple[Tensor, ...]:
    coords = distinct(points, 2, seed=1, samples=2)
    pairs, starts = kernel_map(coords, coords, oracle.offsets(3))
    feats = random_like(len(coords), channels[0], dtype=dtype).requires_grad_()
    weight = random_like(27, *channels, seed=1, dtype=dtype).requires_grad_()
    return feats, weight, pairs, starts, oracle.transposed(pairs, starts)


def test_gradients() -> None:
    feats, weight, pairs, starts, t_pairs = case()
    assert torch.autograd.gradcheck(
        lambda x, w: sparse_conv(x, w, pairs, starts, len(feats), t_pairs, starts), (feats, weight)
    )
    down, down_starts = kernel_map(distinct(40, 2, 1, 2), coarse(distinct(40, 2, 1, 2), 2), oracle.offsets(2))
    n_out = int(down[1].max()) + 1
    up = oracle.transposed(down, down_starts)
    small = random_like(8, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, w: sparse_conv(x, w, down, down_starts, n_out, up, down_starts), (feats, small)
    )


def test_opcheck() -> None:
    feats, weight, pairs, starts, t_pairs = case()
    torch.library.opcheck(conv_op.default, (feats, weight, pairs, starts, len(feats), t_pairs, starts))
    torch.library.opcheck(weight_grad_op.default, (feats.detach(), random_like(len(feats), 4), pairs, starts))


def test_a_gradient_for_feats_asks_for_the_transposed_map() -> None:
    feats, weight, pairs, starts, _ = case()
    with pytest.raises(InputError, match="t_pairs"):
        sparse_conv(feats, weight, pairs, starts, len(feats))
    sparse_conv(feats.detach(), weight, pairs, starts, len(feats)).sum().backward()
    assert weight.grad is not None


def test_torch_compile_gives_the_same() -> None:
    feats, weight, pairs, starts, t_pairs = case()

    def layer(x: Tensor, w: Tensor) -> Tensor:
        return sparse_conv(x, w, pairs, starts, len(x), t_pairs, starts).relu() * 2

    expected = torch.autograd.grad(layer(feats, weight).sum(), (feats, weight))
    found = torch.autograd.grad(torch.compile(layer, backend="aot_eager")(feats, weight).sum(), (feats, weight))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_rounds_once(dtype: torch.dtype) -> None:
    feats, weight, pairs, starts, t_pairs = case(dtype=torch.float32)
    with torch.autocast("cpu", dtype):
        out = sparse_conv(feats, weight, pairs, starts, len(feats), t_pairs, starts)
    assert out.dtype == dtype
    exact = sparse_conv(feats.to(dtype).double(), weight.to(dtype).double(), pairs, starts, len(feats), t_pairs, starts)
    # One rounding to the narrow type: half a unit in its last place.
    torch.testing.assert_close(out.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-5)
    out.float().sum().backward()
    assert feats.grad is not None
    assert feats.grad.dtype == torch.float32


@compiled
@settings(deadline=None, max_examples=40)
@given(
    points=st.integers(1, 300), cin=st.integers(1, 140), cout=st.integers(1, 70), kernel_size=st.integers(1, 3),
    dtype=st.sampled_from([torch.float32, torch.float64]), isa=st.sampled_from(["plain", "avx2", "avx512"]),
    seed=st.integers(0, 1000),
)  # fmt: skip
@example(points=60, cin=130, cout=48, kernel_size=3, dtype=torch.float32, isa="avx512", seed=0)  # a lone last vector,
@example(points=60, cin=130, cout=20, kernel_size=3, dtype=torch.float64, isa="avx2", seed=0)  # beyond a depth of 128
def test_compiled_equals_reference(
    points: int, cin: int, cout: int, kernel_size: int, dtype: torch.dtype, isa: str, seed: int
) -> None:
    coords = distinct(points, 4, seed)
    outputs = coords if kernel_size % 2 else coarse(coords, kernel_size)
    pairs, starts = kernel_map(coords, outputs, oracle.offsets(kernel_size))
    feats, grad = random_like(len(coords), cin, dtype=dtype), random_like(len(outputs), cout, seed=1, dtype=dtype)
    weight = random_like(kernel_size**3, cout, cin, seed=2, dtype=dtype).transpose(1, 2)  # not contiguous
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PCSEG_ISA", isa)
        out = conv_op(feats, weight, pairs, starts, len(outputs), None, None)
        weight_grad = weight_grad_op(feats, grad, pairs, starts)
    # Sums of up to 27 * 140 products of order 1 in another order: 1e-4 for float32 is near what rounding does.
    close = {"rtol": 1e-5, "atol": 1e-4} if dtype == torch.float32 else {}
    torch.testing.assert_close(out, module._reference(feats, weight, pairs, starts, len(outputs), None, None), **close)
    torch.testing.assert_close(weight_grad, gradient._reference(feats, grad, pairs, starts), **close)


@compiled
@pytest.mark.parametrize("channels", [(32, 32), (5, 20)])
def test_the_same_bits_for_any_number_of_threads(channels: tuple[int, int]) -> None:
    coords = distinct(30_000, 18, seed=0)
    pairs, starts = kernel_map(coords, coords, oracle.offsets(3))
    feats, grad = (random_like(len(coords), c, seed=c, dtype=torch.float32) for c in channels)
    weight = random_like(27, *channels, seed=2, dtype=torch.float32)
    assert len(coords) > 3 * 4096  # several ranges of the weight gradient
    results = []
    for threads in (1, 2, 3, 2):
        with torch_threads(threads):
            results.append((conv_op(feats, weight, pairs, starts, len(coords), None, None),
                            weight_grad_op(feats, grad, pairs, starts)))  # fmt: skip
    for out, weight_grad in results[1:]:
        assert torch.equal(out, results[0][0])
        assert torch.equal(weight_grad, results[0][1])
    expected = module._reference(feats, weight, pairs, starts, len(coords), None, None)
    torch.testing.assert_close(results[0][0], expected, rtol=1e-5, atol=1e-4)
    expected = gradient._reference(feats, grad, pairs, starts)
    # Sums of 16 thousand products: float32 rounding grows with their number.
    torch.testing.assert_close(results[0][1], expected, rtol=1e-4, atol=1e-3)


def test_nothing_in_nothing_out() -> None:
    none = torch.zeros(2, 0, dtype=torch.int32)
    starts = torch.zeros(28, dtype=torch.int64)
    weight = random_like(27, 3, 4)
    assert sparse_conv(torch.zeros(0, 3).double(), weight, none, starts, 0).shape == (0, 4)
    assert torch.equal(sparse_conv(random_like(2, 3), weight, none, starts, 5), torch.zeros(5, 4).double())
    assert torch.equal(weight_grad_op(random_like(2, 3), random_like(5, 4), none, starts), torch.zeros_like(weight))


def test_one_voxel() -> None:
    coords = torch.tensor([[0, -3, 7, 0]], dtype=torch.int32)
    pairs, starts = kernel_map(coords, coords, oracle.offsets(3))
    feats, weight = random_like(1, 3), random_like(27, 3, 4)
    torch.testing.assert_close(sparse_conv(feats, weight, pairs, starts, 1), feats @ weight[13])


def test_wrong_arguments_are_refused() -> None:
    feats, weight, pairs, starts, _ = case()
    feats, n = feats.detach(), len(feats)
    with pytest.raises(InputError, match="same floating type"):
        sparse_conv(feats.float(), weight, pairs, starts, n)
    with pytest.raises(InputError, match="does not fit"):
        sparse_conv(feats, weight[:, :2], pairs, starts, n)
    with pytest.raises(InputError, match="does not fit"):
        sparse_conv(feats, weight[:8], pairs, starts, n)
    with pytest.raises(InputError, match="kernel_map"):
        sparse_conv(feats, weight, pairs.long(), starts, n)
    with pytest.raises(InputError, match=r"starts \(\)"):
        sparse_conv(feats, weight, pairs, starts[0], n)
    with pytest.raises(InputError, match="n_out=-1"):
        sparse_conv(feats, weight, pairs, starts, -1)


@compiled
def test_an_invalid_map_is_an_error_not_a_crash() -> None:
    feats, weight, pairs, starts, _ = case()
    feats, n = feats.detach(), len(feats)
    beyond, negative, swapped = pairs.clone(), pairs.clone(), pairs.clone()
    beyond[0, 5] = n
    negative[0, 5] = -1
    swapped[1, :2] = pairs[1, :2].flip(0)
    for broken in (beyond, negative, swapped):
        with pytest.raises(InputError, match="kernel_map"):
            sparse_conv(feats, weight, broken, starts, n)
        with pytest.raises(InputError, match="kernel_map"):
            weight_grad_op(feats, random_like(n, 4), broken, starts)
    with pytest.raises(InputError, match="out of range"):
        sparse_conv(feats, weight, pairs, starts, n - 1)
    with pytest.raises(InputError, match="starts"):
        sparse_conv(feats, weight, pairs, starts.flip(0), n)
