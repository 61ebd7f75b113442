"""Sparse convolution as one fused kernel on tensor cores, in Triton: float32, float16 and bfloat16, summed in float32.

The convolution is output-stationary: a program computes a tile of output rows, gathers the input rows of one offset
after another while it multiplies, and writes each result once (implicit GEMM of spconv v2; TorchSparse++, arXiv
2311.12862). Output rows are sorted as in row_order.py. There are no atomics: a given tile gives the same bits every
time.
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from pcseg.ops.triton.kernels import conv_kernel, weight_grad_kernel
from pcseg.ops.triton.row_order import DeviceMap, device_map
from pcseg.ops.triton.tuning import Tile, choose, conv_tiles, weight_grad_tiles

PROGRAMS = 2048
"""Approximate number of programs of a weight gradient: several for each multiprocessor of a large GPU."""


def sparse_conv(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int) -> Tensor:
    """Compute the op of this name. ``weight`` may have any strides, so a transposed weight costs no copy."""
    known = device_map(pairs, starts, len(feats), n_out)
    (k, cin, cout), feats = weight.shape, feats.contiguous()
    if 0 in (n_out, cout, k):
        return feats.new_zeros(n_out, cout)
    key = ("conv", n_out.bit_length(), k, cin, cout, feats.dtype, _precision(), weight.stride(2) == 1)
    candidates, trial = conv_tiles(k, cin, cout, feats.element_size()), known.trial()
    tile = choose(key, candidates, feats, lambda tile: run_conv(tile, feats, weight, pairs, trial))
    return run_conv(tile, feats, weight, pairs, known)


def sparse_conv_weight_grad(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    """Compute the op of this name."""
    known = device_map(pairs, starts, len(feats), len(grad))
    feats, grad, pairs = feats.contiguous(), grad.contiguous(), pairs.contiguous()
    k, cin, cout = len(starts) - 1, feats.shape[1], grad.shape[1]
    if 0 in (k, cin, cout):
        return feats.new_zeros(k, cin, cout)
    key = ("weight_grad", pairs.shape[1].bit_length(), k, cin, cout, feats.dtype, _precision())
    candidates = weight_grad_tiles(cin, cout, feats.element_size())
    tile = choose(key, candidates, feats, lambda tile: run_weight_grad(tile, feats, grad, pairs, known.starts))
    return run_weight_grad(tile, feats, grad, pairs, known.starts)


def run_conv(tile: Tile, feats: Tensor, weight: Tensor, pairs: Tensor, known: DeviceMap) -> Tensor:
    """Return the convolution (n_out, Cout): one launch for each group of ``tile.width`` offsets, added in ``out``."""
    (k, cin, cout), n_out, ordered = weight.shape, known.n_out, known.sorted_rows(pairs, tile.width, tile.rows)
    out = feats.new_empty(n_out, cout, dtype=feats.dtype if k <= tile.width else torch.float32)
    n_tiles = triton.cdiv(n_out, tile.rows)
    with torch.cuda.device_of(feats):
        for group in range(len(ordered.rows)):
            conv_kernel[(n_tiles * triton.cdiv(cout, tile.columns),)](
                feats, weight, out, ordered.rows, ordered.firsts, ordered.offsets, ordered.table, group, n_tiles, n_out,
                cin, cout, *weight.stride(), ADD=group > 0, PRECISION=_precision(),
                **tile.launch(),
            )  # fmt: skip
    return out.to(feats.dtype)


def run_weight_grad(tile: Tile, feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    """Return the weight gradient (K, Cin, Cout).

    The pairs of each offset are cut into equal shares, one program each; the shares are then added in a fixed order.
    """
    k, cin, cout = len(starts) - 1, feats.shape[1], grad.shape[1]
    tiles = triton.cdiv(cin, tile.rows) * triton.cdiv(cout, tile.columns)
    shares = min(max(PROGRAMS // (k * tiles), 1), 128)
    partial = feats.new_empty(k, shares, cin, cout, dtype=torch.float32)
    with torch.cuda.device_of(feats):
        weight_grad_kernel[(tiles, shares, k)](
            feats, grad, pairs, starts, partial, pairs.shape[1], cin, cout, PRECISION=_precision(),
            **tile.launch(),
        )  # fmt: skip
    return partial.sum(1).to(feats.dtype)


def _precision() -> str:
    """Return Triton's precision for float32 products: that of torch's own matrix products."""
    matmul = torch.backends.cuda.matmul
    setting = getattr(matmul, "fp32_precision", None)  # torch 2.9 and later; allow_tf32 before
    tf32 = matmul.allow_tf32 if setting is None else setting == "tf32"
    return "tf32" if tf32 else "ieee"
