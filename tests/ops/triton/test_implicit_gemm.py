"""The Triton kernels, on a GPU or else in Triton's interpreter; skipped where Triton is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import kernel_map
from tests.ops.test_sparse_conv import coarse, distinct, gradient, module, random_like
from tests.ops.triton.here import DEVICE, needs_triton, repair_interpreter
from tests.oracles import sparse_conv as oracle

pytestmark = needs_triton
if needs_triton.args[0] is False:
    from pcseg.ops.triton import implicit_gemm as kernels
    from pcseg.ops.triton.row_order import device_map
    from pcseg.ops.triton.tuning import Tile

    if DEVICE == "cpu":
        repair_interpreter()

HALF = [torch.float16, pytest.param(torch.bfloat16, marks=pytest.mark.skipif(DEVICE == "cpu", reason="wrong there"))]


def to_device(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.to(DEVICE) for tensor in tensors)


def conv(tile: Tile, feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int) -> Tensor:
    feats, weight, pairs = to_device(feats, weight, pairs)
    return kernels.run_conv(tile, feats, weight, pairs, device_map(pairs, starts, len(feats), n_out)).cpu()


def weight_grad(tile: Tile, feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    return kernels.run_weight_grad(tile, *to_device(feats, grad, pairs, starts)).cpu()


def small_tile(width: int = 32, rows: int = 32) -> Tile:
    return Tile(rows=rows, columns=16, depth=16, width=width, warps=4, stages=3)


@pytest.fixture(autouse=True)
def few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use two shares for each offset of a 3 x 3 x 3 kernel: the interpreter takes milliseconds for each program."""
    monkeypatch.setattr(kernels, "PROGRAMS", 54)


@pytest.mark.parametrize(
    ("kernel_size", "stride", "dilation", "channels", "width"),
    [(3, 1, 1, (5, 7), 27), (3, 1, 2, (17, 3), 9), (2, 1, 1, (3, 18), 8), (2, 2, 1, (33, 5), 8), (3, 2, 1, (4, 4), 27),
     (5, 1, 1, (3, 4), 32)],
)  # fmt: skip
def test_forward_and_gradients_equal_dense_conv3d(
    kernel_size: int, stride: int, dilation: int, channels: tuple[int, int], width: int
) -> None:
    coords = distinct(60, 2, seed=kernel_size)
    outputs = coords if stride == 1 else coarse(coords, stride)
    feats, weight = random_like(len(coords), channels[0]), random_like(kernel_size**3, *channels, seed=1)
    grad = random_like(len(outputs), channels[1], seed=2)
    feats.requires_grad_(), weight.requires_grad_()
    expected = oracle.dense_conv(coords, feats, weight, outputs, kernel_size, stride, dilation)
    d_feats, d_weight = torch.autograd.grad(expected, (feats, weight), grad)
    feats, weight, grad = (tensor.detach().float() for tensor in (feats, weight, grad))
    pairs, starts = kernel_map(coords, outputs, oracle.offsets(kernel_size, dilation=dilation))
    tile = small_tile(width)
    # Float32 sums of up to 125 * 33 products of order 1: 1e-4 is near what rounding does.
    close = {"rtol": 1e-5, "atol": 1e-4}
    out = conv(tile, feats, weight, pairs, starts, len(outputs))
    torch.testing.assert_close(out, expected.detach().float(), **close)
    back = conv(tile, grad, weight.transpose(1, 2), oracle.transposed(pairs, starts), starts, len(feats))
    torch.testing.assert_close(back, d_feats.float(), **close)
    torch.testing.assert_close(weight_grad(tile, feats, grad, pairs, starts), d_weight.float(), **close)


def test_transposed_map_equals_dense_conv_transpose3d() -> None:
    fine = distinct(60, 2, seed=0)
    inputs = coarse(fine, 2)
    feats, weight = random_like(len(inputs), 4), random_like(8, 4, 6, seed=1)
    pairs, starts = kernel_map(fine, inputs, oracle.offsets(2))
    out = conv(small_tile(8), feats.float(), weight.float(), oracle.transposed(pairs, starts), starts, len(fine))
    expected = oracle.dense_conv_transpose(inputs, feats, weight, fine, 2, 2).float()
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)


def case(dtype: torch.dtype = torch.float32, channels: tuple[int, int] = (20, 18)) -> tuple[Tensor, ...]:
    coords = distinct(50, 2, seed=1, samples=2)
    pairs, starts = kernel_map(coords, coords, oracle.offsets(3))
    feats, weight = random_like(len(coords), channels[0], dtype=dtype), random_like(27, *channels, seed=1, dtype=dtype)
    return feats, weight, random_like(len(coords), channels[1], seed=2, dtype=dtype), pairs, starts


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("width", [27, 9])
def test_half_precision_is_summed_in_float32_and_rounded_once(dtype: torch.dtype, width: int) -> None:
    feats, weight, grad, pairs, starts = case(dtype)
    out = conv(small_tile(width), feats, weight, pairs, starts, len(feats))
    d_weight = weight_grad(small_tile(), feats, grad, pairs, starts)
    assert out.dtype == d_weight.dtype == dtype
    close = {"rtol": torch.finfo(dtype).eps, "atol": 1e-4}  # one rounding, and float32's where terms cancel
    wide = feats.double(), weight.double(), grad.double()
    exact = module._reference(wide[0], wide[1], pairs, starts, len(feats))
    torch.testing.assert_close(out.double(), exact, **close)
    exact = gradient._reference(wide[0], wide[2], pairs, starts)
    torch.testing.assert_close(d_weight.double(), exact, **close)


def test_rows_and_offsets_that_nothing_reaches_get_zeros() -> None:
    feats, weight, grad, pairs, starts = case()
    keep = slice(int(starts[3]), int(starts[5]))  # offsets 3 and 4 alone
    pairs, starts = pairs[:, keep].contiguous(), (starts.clamp(keep.start, keep.stop) - keep.start)
    n_out = len(feats) + 40
    for width in (27, 9):
        out = conv(small_tile(width), feats, weight, pairs, starts, n_out)
        expected = module._reference(feats, weight, pairs, starts, n_out)
        torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
        assert not out[len(feats) :].any()
    d_weight = weight_grad(small_tile(), feats, grad, pairs, starts)
    assert d_weight[3:5].any()
    assert not d_weight[[*range(3), *range(5, 27)]].any()


def test_the_same_bits_again() -> None:
    feats, weight, grad, pairs, starts = case(torch.float16)
    first, again = (conv(small_tile(9), feats, weight, pairs.clone(), starts, len(feats)) for _ in range(2))
    assert torch.equal(first, again)
    first, again = (weight_grad(small_tile(), feats, grad, pairs.clone(), starts) for _ in range(2))
    assert torch.equal(first, again)


def test_the_tile_is_chosen_where_none_is_named() -> None:
    feats, weight, grad, pairs, starts = case()
    on = dict(zip("xwgp", to_device(feats, weight, grad, pairs), strict=True))
    out = kernels.sparse_conv(
        on["x"], on["w"].transpose(1, 2).contiguous().transpose(1, 2), on["p"], starts, len(feats)
    )
    torch.testing.assert_close(
        out.cpu(), module._reference(feats, weight, pairs, starts, len(feats)), rtol=1e-5, atol=1e-4
    )
    out = kernels.sparse_conv_weight_grad(on["x"], on["g"][:1].expand_as(on["g"]), on["p"], starts)
    expected = gradient._reference(feats, grad[:1].expand_as(grad), pairs, starts)
    torch.testing.assert_close(out.cpu(), expected, rtol=1e-5, atol=1e-4)


def test_empty_input_gives_empty_output() -> None:
    (none,), starts = to_device(torch.zeros(2, 0, dtype=torch.int32)), torch.zeros(28, dtype=torch.int64)
    x, y, weight = to_device(torch.ones(2, 3), torch.ones(5, 4), torch.ones(27, 3, 4))
    assert kernels.sparse_conv(x[:0], weight, none, starts, 0).shape == (0, 4)
    assert torch.equal(kernels.sparse_conv(x, weight, none, starts, 5).cpu(), torch.zeros(5, 4))
    assert kernels.sparse_conv(x, weight[:, :, :0], none, starts, 5).shape == (5, 0)
    assert torch.equal(kernels.sparse_conv(x[:, :0], weight[:, :0], none, starts, 5).cpu(), torch.zeros(5, 4))
    assert torch.equal(kernels.sparse_conv_weight_grad(x, y, none, starts).cpu(), torch.zeros(27, 3, 4))
    assert kernels.sparse_conv_weight_grad(x[:, :0], y, none, starts).shape == (27, 0, 4)


def test_a_map_of_more_inputs_than_there_are_is_refused() -> None:
    feats, weight, grad, pairs, starts = case()
    feats, weight, grad, pairs = to_device(feats[:-1], weight, grad, pairs)
    with pytest.raises(InputError, match="give all its inputs"):
        kernels.sparse_conv(feats, weight, pairs, starts, len(grad))
    with pytest.raises(InputError, match="give all its inputs"):
        kernels.sparse_conv_weight_grad(feats, grad, pairs, starts)


def test_tuning_keeps_the_order_of_the_winner_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, tiles = [], [small_tile(27), small_tile(9)]

    def choose(key: object, candidates: object, place: object, run: Callable[[Tile], Tensor]) -> Tile:
        tried.extend(run(tile) for tile in tiles)
        return tiles[1]

    monkeypatch.setattr(kernels, "choose", choose)
    feats, weight, _, pairs, starts = case()
    feats, weight, pairs = to_device(feats, weight, pairs)
    out = kernels.sparse_conv(feats, weight, pairs, starts, len(feats))
    torch.testing.assert_close(tried[0], out, rtol=1e-5, atol=1e-4)
    assert list(device_map(pairs, starts, len(feats), len(feats))._sorted) == [(9, 32)]


@pytest.mark.skipif(DEVICE == "cpu", reason="no GPU")
def test_a_known_map_does_not_wait_for_the_gpu() -> None:
    feats, weight, grad, pairs, starts = case()
    feats, weight, grad, pairs = to_device(feats, weight, grad, pairs)
    found = []
    for mode in ("default", "error"):
        torch.cuda.set_sync_debug_mode(mode)
        try:
            found.append((kernels.sparse_conv(feats, weight, pairs, starts, len(feats)),
                          kernels.sparse_conv_weight_grad(feats, grad, pairs, starts)))  # fmt: skip
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.skipif(DEVICE == "cpu", reason="no GPU")
def test_a_cuda_graph_replays_them() -> None:
    feats, weight, _, pairs, starts = case()
    feats, weight, pairs = to_device(feats, weight, pairs)
    expected = kernels.sparse_conv(feats, weight, pairs, starts, len(feats))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = kernels.sparse_conv(feats, weight, pairs, starts, len(feats))
    out.zero_()
    graph.replay()
    assert torch.equal(out, expected)


@pytest.mark.skipif(DEVICE == "cpu", reason="no GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_the_op_uses_them_on_a_gpu(dtype: torch.dtype) -> None:
    feats, weight, grad, pairs, starts = case(dtype, (32, 64))
    x, w = feats.to(DEVICE).requires_grad_(), weight.to(DEVICE).requires_grad_()
    p, t = to_device(pairs, oracle.transposed(pairs, starts))
    out = torch.ops.pcseg.sparse_conv(x, w, p, starts, len(feats), t, starts)
    found = [out, *torch.autograd.grad(out, (x, w), grad.to(DEVICE))]
    x, w = feats.double().requires_grad_(), weight.double().requires_grad_()
    exact = module._reference(x, w, pairs, starts, len(feats))
    close = {"rtol": max(torch.finfo(dtype).eps, 1e-5), "atol": 1e-3}  # weight gradients are sums of 50 products
    for a, b in zip(found, [exact, *torch.autograd.grad(exact, (x, w), grad.double())], strict=True):
        torch.testing.assert_close(a.detach().cpu().double(), b.detach(), **close)


def test_they_compile_for_gpus_that_this_machine_lacks(tmp_path: Path) -> None:
    """In a process without interpreter: tensor cores are used, and shared memory suffices."""
    if version("triton").startswith("3.2."):
        pytest.skip("triton.compile took other arguments then")
    env = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.ops.triton.compile_kernels"], env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 12
    limits = {"sm_80": 163, "sm_90": 227, "sm_100": 227}  # KiB of shared memory a block may have
    for line in lines:
        _, arch, precision, shared, tensor_cores = line.split(maxsplit=4)
        assert int(shared) <= limits[arch] * 1024, line
        assert tensor_cores == ("no tensor cores" if precision == "ieee" else "tensor cores"), line
