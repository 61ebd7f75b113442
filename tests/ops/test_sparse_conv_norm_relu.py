"""The convolution fused with norm, residual and ReLU equals the unfused layers, on every instruction set."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import kernel_map, sparse_conv, sparse_conv_norm_relu
from tests.ops.clouds import compiled, torch_threads
from tests.ops.test_sparse_conv import case, coarse, distinct, random_like
from tests.oracles import sparse_conv as oracle

op = torch.ops.pcseg.sparse_conv_norm_relu


def finish(n_out: int, cout: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    scale, shift = random_like(cout, seed=5, dtype=dtype), random_like(cout, seed=6, dtype=dtype)
    return scale, shift, random_like(n_out, cout, seed=7, dtype=dtype)


@pytest.mark.parametrize("with_residual", [True, False])
def test_equals_dense_conv3d_norm_residual_and_relu(with_residual: bool) -> None:
    coords = distinct(150, 5, seed=3)
    feats, weight = random_like(len(coords), 5), random_like(27, 5, 7, seed=1)
    pairs, starts = kernel_map(coords, coords, oracle.offsets(3))
    scale, shift, residual = finish(len(coords), 7)
    dense = oracle.dense_conv(coords, feats, weight, coords, 3) * scale + shift
    if with_residual:
        out = sparse_conv_norm_relu(feats, weight, pairs, starts, len(feats), scale, shift, residual)
        torch.testing.assert_close(out, (dense + residual).clamp(min=0))
    else:
        out = sparse_conv_norm_relu(feats, weight, pairs, starts, len(feats), scale, shift)
        torch.testing.assert_close(out, dense.clamp(min=0))
    assert 0.2 < (out == 0).double().mean() < 0.8


@settings(deadline=None, max_examples=30)
@given(
    points=st.integers(1, 300), channels=st.tuples(st.integers(1, 20), st.integers(1, 70)),
    dtype=st.sampled_from([torch.float32, torch.float64]), isa=st.sampled_from(["plain", "avx2", "avx512"]),
    strided=st.booleans(), with_residual=st.booleans(),
)  # fmt: skip
@example(points=300, channels=(3, 48), dtype=torch.float32, isa="avx512", strided=False, with_residual=True)  # whole
@example(points=300, channels=(3, 21), dtype=torch.float32, isa="avx512", strided=False, with_residual=True)  # and not
def test_equals_one_after_the_other(
    points: int, channels: tuple[int, int], dtype: torch.dtype, isa: str, strided: bool, with_residual: bool
) -> None:
    coords = distinct(points, 4, seed=points)
    outputs = coarse(coords, 2) if strided else coords
    pairs, starts = kernel_map(coords, outputs, oracle.offsets(2 if strided else 3))
    feats, weight = (
        random_like(len(coords), channels[0], dtype=dtype),
        random_like(len(starts) - 1, *channels, dtype=dtype),
    )
    scale, shift, residual = finish(len(outputs), channels[1], dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PCSEG_ISA", isa)
        expected = sparse_conv(feats, weight, pairs, starts, len(outputs)) * scale + shift
        given = residual if with_residual else None
        out = sparse_conv_norm_relu(feats, weight, pairs, starts, len(outputs), scale, shift, given)
    expected = (expected + residual if with_residual else expected).relu()
    # The sums are the same bits; float32 values of order 10 are then rounded once or twice.
    torch.testing.assert_close(out, expected, **({"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {}))


@compiled
def test_the_same_bits_for_any_number_of_threads() -> None:
    coords = distinct(20_000, 16, seed=0)
    pairs, starts = kernel_map(coords, coords, oracle.offsets(3))
    feats, weight = random_like(len(coords), 8, dtype=torch.float32), random_like(27, 8, 20, dtype=torch.float32)
    arguments = (feats, weight, pairs, starts, len(coords), *finish(len(coords), 20, torch.float32))
    results = []
    for threads in (1, 2, 3):
        with torch_threads(threads):
            results.append(sparse_conv_norm_relu(*arguments))
    assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_keeps_the_norm_in_float32(dtype: torch.dtype) -> None:
    feats, weight, pairs, starts, _ = (tensor.detach() for tensor in case(dtype=torch.float32))
    scale, shift, residual = finish(len(feats), 4, torch.float32)
    with torch.autocast("cpu", dtype):
        out = sparse_conv_norm_relu(feats, weight, pairs, starts, len(feats), scale, shift, residual.to(dtype))
    assert out.dtype == dtype
    exact = sparse_conv(feats.to(dtype).double(), weight.to(dtype).double(), pairs, starts, len(feats))
    exact = (exact * scale + shift + residual.to(dtype)).relu()
    # The reference rounds the sum, then the result: of sums of order 10, in units of the narrow type.
    torch.testing.assert_close(out.double(), exact, rtol=2 * torch.finfo(dtype).eps, atol=20 * torch.finfo(dtype).eps)


def test_nan_stays_nan() -> None:
    feats, weight, pairs, starts, _ = (tensor.detach() for tensor in case())
    feats = feats.clone()
    feats[0, 0] = torch.nan
    out = sparse_conv_norm_relu(feats, weight, pairs, starts, len(feats), *finish(len(feats), 4)[:2])
    assert torch.equal(out.isnan(), sparse_conv(feats, weight, pairs, starts, len(feats)).isnan())
    assert out.isnan().any()


def test_nothing_in_nothing_out() -> None:
    none, starts = torch.zeros(2, 0, dtype=torch.int32), torch.zeros(28, dtype=torch.int64)
    weight = random_like(27, 3, 4)
    scale, shift, residual = finish(5, 4)
    assert sparse_conv_norm_relu(random_like(0, 3), weight, none, starts, 0, scale, shift).shape == (0, 4)
    out = sparse_conv_norm_relu(random_like(2, 3), weight, none, starts, 5, scale, shift, residual)
    assert torch.equal(out, (shift + residual).relu())


def test_opcheck() -> None:
    feats, weight, pairs, starts, _ = (tensor.detach() for tensor in case())
    torch.library.opcheck(op.default, (feats, weight, pairs, starts, len(feats), *finish(len(feats), 4)))
    torch.library.opcheck(op.default, (feats, weight, pairs, starts, len(feats), *finish(len(feats), 4)[:2], None))


def test_wrong_arguments_are_refused() -> None:
    feats, weight, pairs, starts, _ = case()
    scale, shift, residual = finish(len(feats), 4)
    with pytest.raises(InputError, match="has no gradient"):
        sparse_conv_norm_relu(feats, weight, pairs, starts, len(feats), scale, shift)
    with torch.no_grad():
        for wrong, message in (
            ((scale[:3], shift), r"scale \(3,\)"),
            ((scale, shift[:, None]), r"shift \(4, 1\)"),
            ((scale, shift, residual[1:]), rf"give \({len(feats)}, 4\)"),
        ):
            with pytest.raises(InputError, match=message):
                sparse_conv_norm_relu(feats, weight, pairs, starts, len(feats), *wrong)
        with pytest.raises(InputError, match="does not fit"):
            sparse_conv_norm_relu(feats, weight[:8], pairs, starts, len(feats), scale, shift)
