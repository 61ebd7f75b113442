"""Sparse convolution over a kernel map, and its gradients."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops._sparse_conv import check, cpu_type, groups, implicit_gemm, sum_type, widened
from pcseg.ops.sparse_conv_weight_grad import sparse_conv_weight_grad
from pcseg.ops.triton.row_order import device_map


def sparse_conv(
    feats: Tensor,
    weight: Tensor,
    pairs: Tensor,
    starts: Tensor,
    n_out: int,
    t_pairs: Tensor | None = None,
    t_starts: Tensor | None = None,
) -> Tensor:
    """Return out (n_out, Cout): out[m] = sum over k and pairs (n, m) of group k of feats[n] @ weight[k].

    ``feats`` (N, Cin), ``weight`` (K, Cin, Cout), both float32, float64, float16 or bfloat16; half precision is
    summed in float32 and rounded once. Under autocast both are cast to its type. ``pairs`` (2, Q) int32 and ``starts``
    (K + 1,) int64 on the CPU come from :func:`kernel_map`. ``t_pairs``, ``t_starts``: the transposed map (rows swapped,
    the new output rows ascending in each group), needed where ``feats`` needs a gradient. There is no second
    derivative. Repeated calls give the same bits, on the CPU for any number of threads. Raises InputError for arguments
    that do not fit.
    """
    return torch.ops.pcseg.sparse_conv(*autocast(feats, weight), pairs, starts, n_out, t_pairs, t_starts)


def autocast(feats: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in the type of autocast, where it is enabled on their device."""
    device = feats.device.type
    if not torch.is_autocast_enabled(device) or feats.dtype == torch.float64:
        return feats, weight
    dtype = torch.get_autocast_dtype(device)
    return feats.to(dtype), weight.to(dtype)


def _check_weight(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int) -> None:
    check(feats, "weight", weight, pairs, starts)
    if weight.dim() != 3 or weight.shape[1] != feats.shape[1] or len(starts) != len(weight) + 1:
        raise InputError(
            f"sparse_conv: weight {tuple(weight.shape)} does not fit feats {tuple(feats.shape)} and a map of "
            f"{len(starts) - 1} offsets; give (offsets, channels in, channels out)"
        )
    if n_out < 0:
        raise InputError(f"sparse_conv: n_out={n_out}; give the number of output rows, 0 or more")


# The kernels take the arguments of the op; `*_` is the transposed map, which only the gradient uses.


def _reference(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *_: Tensor | None) -> Tensor:
    _check_weight(feats, weight, pairs, starts, n_out)
    wide_feats, wide_weight = widened(feats), widened(weight)
    out = wide_feats.new_zeros(n_out, weight.shape[2])
    for k, (rows_in, rows_out) in enumerate(groups(pairs, starts)):
        out.index_add_(0, rows_out, wide_feats.index_select(0, rows_in) @ wide_weight[k])
    return out.to(feats.dtype)


def _fake(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *_: Tensor | None) -> Tensor:
    return feats.new_empty(n_out, weight.shape[2])


def _cpu(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *_: Tensor | None) -> Tensor:
    return convolve(feats, weight, pairs, starts, n_out)


def convolve(
    feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *finish: Tensor | None
) -> Tensor:
    """Run the CPU kernel; ``finish`` is empty, or scale, shift and residual (see sparse_conv_norm_relu.py)."""
    _check_weight(feats, weight, pairs, starts, n_out)
    dtype, given = cpu_type(feats.dtype), feats.dtype
    feats, weight = feats.to(dtype).contiguous(), weight.to(dtype)
    if dtype == torch.bfloat16 and feats.shape[1] % 2:  # multiplied in pairs of channels
        feats, weight = F.pad(feats, (0, 1)), F.pad(weight, (0, 0, 0, 1))
    code, (k, cin, cout) = native.DTYPES[dtype], weight.shape
    out = feats.new_empty(n_out, cout)
    packed = feats.new_empty(k * cin * native.query("pcseg_padded", cout, code))
    types = (sum_type(dtype), sum_type(dtype), dtype)
    values = zip(finish or (None, None, None), types, strict=True)
    then = [None if value is None else value.to(kind).contiguous() for value, kind in values]
    native.call(
        "pcseg_sparse_conv", code, feats, len(feats), cin, weight.data_ptr(), *weight.stride(), pairs.contiguous(),
        pairs.shape[1], starts.contiguous(), k, out, n_out, cout, *then, packed, torch.get_num_threads(),
    )  # fmt: skip
    return out.to(given)


def _cuda(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *_: Tensor | None) -> Tensor:
    _check_weight(feats, weight, pairs, starts, n_out)
    device_map(pairs, starts, len(feats), n_out)  # raises InputError for an invalid map
    wide, (k, cin, cout) = widened(feats).contiguous(), weight.shape
    total = wide.new_zeros(n_out, cout)
    native.call(
        "pcseg_cuda_sparse_conv", native.DTYPES[wide.dtype], wide, cin, widened(weight).contiguous(),
        pairs.contiguous(), pairs.shape[1], starts.contiguous(), k, total, cout, *native.cuda_place(feats),
    )  # fmt: skip
    return total.to(feats.dtype)


def _triton(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *_: Tensor | None) -> Tensor:
    kernels = implicit_gemm(feats.device, feats.dtype)
    if kernels is None:
        with torch.autocast(feats.device.type, enabled=False):
            return (_cuda if native.has_cuda() else _reference)(feats, weight, pairs, starts, n_out)
    _check_weight(feats, weight, pairs, starts, n_out)
    return kernels.sparse_conv(feats, weight, pairs, starts, n_out)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    feats, weight, pairs, starts, _, t_pairs, t_starts = inputs
    if ctx.needs_input_grad[0] and (t_pairs is None or t_starts is None):
        raise InputError("sparse_conv: feats needs a gradient; pass the transposed map as t_pairs and t_starts")
    ctx.save_for_backward(feats, weight, pairs, starts, t_pairs, t_starts)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    feats, weight, pairs, starts, t_pairs, t_starts = ctx.saved_tensors
    d_feats = d_weight = None
    if ctx.needs_input_grad[0]:
        d_feats = torch.ops.pcseg.sparse_conv(
            grad, weight.transpose(1, 2), t_pairs, t_starts, feats.shape[0], None, None
        )
    if ctx.needs_input_grad[1]:
        d_weight = sparse_conv_weight_grad(feats, grad, pairs, starts)
    return d_feats, d_weight, None, None, None, None, None


native.define(
    "sparse_conv(Tensor feats, Tensor weight, Tensor pairs, Tensor starts, SymInt n_out, Tensor? t_pairs, "
    "Tensor? t_starts) -> Tensor",
    reference=_reference,
    fake=_fake,
    cpu=_cpu,
    cuda=_cuda,
    triton=_triton,
)
native.differentiate("sparse_conv", _backward, _setup_context)
