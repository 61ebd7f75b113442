"""Sparse convolution over a kernel map, and its weight gradient."""

from __future__ import annotations

import functools
import importlib
import itertools
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops._row_order import device_map


def sparse_conv(
    feats: Tensor,
    weight: Tensor,
    pairs: Tensor,
    starts: Tensor,
    n_out: int,
    t_pairs: Tensor | None = None,
    t_starts: Tensor | None = None,
) -> Tensor:
    """out[m] = sum over k and pairs (n, m) of group k of feats[n] @ weight[k]; (n_out, Cout).

    ``feats`` (N, Cin), ``weight`` (K, Cin, Cout), both float32, float64, float16 or bfloat16; half precision is
    summed in float32 and rounded once. Under autocast both are cast to its type. ``pairs`` (2, Q) int32 and ``starts``
    (K+1,) int64, this on the CPU, come from :func:`kernel_map`. ``t_pairs``, ``t_starts``: the transposed map (rows
    swapped, the new output rows ascending in each group), needed where ``feats`` needs a gradient. No gradient of the
    gradient. The same bits each time, on the CPU for any number of threads.
    """
    return torch.ops.pcseg.sparse_conv(*autocast(feats, weight), pairs, starts, n_out, t_pairs, t_starts)


def autocast(feats: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the type that autocast asks for here."""
    device = feats.device.type
    if not torch.is_autocast_enabled(device) or feats.dtype == torch.float64:
        return feats, weight
    dtype = torch.get_autocast_dtype(device)
    return feats.to(dtype), weight.to(dtype)


def _check(feats: Tensor, name: str, other: Tensor, pairs: Tensor, starts: Tensor) -> None:
    if feats.dim() != 2 or feats.dtype != other.dtype or feats.dtype not in native.DTYPES:
        raise InputError(
            f"sparse_conv: feats {tuple(feats.shape)} {feats.dtype} with {name} {tuple(other.shape)} {other.dtype}; "
            "give (N, C) feats and both of the same floating type"
        )
    native.check_devices(feats=feats, pairs=pairs, **{name: other})
    if pairs.dim() != 2 or pairs.shape[0] != 2 or pairs.dtype != torch.int32:
        raise InputError(
            f"sparse_conv: pairs {tuple(pairs.shape)} {pairs.dtype}; give (2, Q) torch.int32, as kernel_map makes them"
        )
    if starts.dim() != 1 or starts.dtype != torch.int64 or starts.device.type != "cpu":
        raise InputError(
            f"sparse_conv: starts {tuple(starts.shape)} {starts.dtype} on {starts.device}; give (K+1,) torch.int64 on the "
            "CPU, as kernel_map makes them"
        )


def _check_weight(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int) -> None:
    _check(feats, "weight", weight, pairs, starts)
    if weight.dim() != 3 or weight.shape[1] != feats.shape[1] or len(starts) != len(weight) + 1:
        raise InputError(
            f"sparse_conv: weight {tuple(weight.shape)} does not fit feats {tuple(feats.shape)} and a map of "
            f"{len(starts) - 1} offsets; give (offsets, channels in, channels out)"
        )
    if n_out < 0:
        raise InputError(f"sparse_conv: n_out={n_out}; give the number of output rows, 0 or more")


def _sum_type(dtype: torch.dtype) -> torch.dtype:
    """What products of ``dtype`` are added in."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(_sum_type(tensor.dtype))


def _cpu_type(dtype: torch.dtype) -> torch.dtype:
    """What the CPU kernels take for ``dtype``: bfloat16 as it is only where the machine multiplies it."""
    as_it_is = dtype == torch.bfloat16 and native.query("pcseg_has_bfloat16")
    return dtype if as_it_is else _sum_type(dtype)


def _groups(pairs: Tensor, starts: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Input and output rows of each offset."""
    return [(pairs[0, a:b], pairs[1, a:b]) for a, b in itertools.pairwise(starts.tolist())]


# The kernels take the arguments of the op; `*_` is the transposed map, which the gradient alone has a use for.


def _reference(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *_: Tensor | None) -> Tensor:
    _check_weight(feats, weight, pairs, starts, n_out)
    wide_feats, wide_weight = _wide(feats), _wide(weight)
    out = wide_feats.new_zeros(n_out, weight.shape[2])
    for k, (rows_in, rows_out) in enumerate(_groups(pairs, starts)):
        out.index_add_(0, rows_out, wide_feats.index_select(0, rows_in) @ wide_weight[k])
    return out.to(feats.dtype)


def _fake(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *_: Tensor | None) -> Tensor:
    return feats.new_empty(n_out, weight.shape[2])


def _cpu(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *_: Tensor | None) -> Tensor:
    return convolve(feats, weight, pairs, starts, n_out)


def convolve(
    feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *finish: Tensor | None
) -> Tensor:
    """The CPU kernel; ``finish`` is none or scale, shift and residual (see sparse_conv_norm_relu.py)."""
    _check_weight(feats, weight, pairs, starts, n_out)
    dtype, given = _cpu_type(feats.dtype), feats.dtype
    feats, weight = feats.to(dtype).contiguous(), weight.to(dtype)
    if dtype == torch.bfloat16 and feats.shape[1] % 2:  # multiplied in pairs of channels
        feats, weight = F.pad(feats, (0, 1)), F.pad(weight, (0, 0, 0, 1))
    code, (k, cin, cout) = native.DTYPES[dtype], weight.shape
    out = feats.new_empty(n_out, cout)
    packed = feats.new_empty(k * cin * native.query("pcseg_padded", cout, code))
    types = (_sum_type(dtype), _sum_type(dtype), dtype)
    values = zip(finish or (None, None, None), types, strict=True)
    then = [None if value is None else value.to(kind).contiguous() for value, kind in values]
    native.call(
        "pcseg_sparse_conv", code, feats, len(feats), cin, weight.data_ptr(), *weight.stride(), pairs.contiguous(),
        pairs.shape[1], starts.contiguous(), k, out, n_out, cout, *then, packed, torch.get_num_threads(),
    )  # fmt: skip
    return out.to(given)


def _cuda(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *_: Tensor | None) -> Tensor:
    _check_weight(feats, weight, pairs, starts, n_out)
    device_map(pairs, starts, len(feats), n_out)  # refuses what is no map
    wide, (k, cin, cout) = _wide(feats).contiguous(), weight.shape
    total = wide.new_zeros(n_out, cout)
    native.call(
        "pcseg_cuda_sparse_conv", native.DTYPES[wide.dtype], wide, cin, _wide(weight).contiguous(), pairs.contiguous(),
        pairs.shape[1], starts.contiguous(), k, total, cout, *native.cuda_place(feats),
    )  # fmt: skip
    return total.to(feats.dtype)


@functools.cache
def _implicit_gemm(device: torch.device, dtype: torch.dtype) -> ModuleType | None:
    """The Triton kernels, where the GPU's tensor cores take every type they are written for; they know no float64."""
    if dtype == torch.float64 or torch.cuda.get_device_capability(device) < (8, 0):
        return None
    return importlib.import_module("pcseg.ops._implicit_gemm")  # only here: it needs Triton, a GPU, and a second


def _triton(feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int, *_: Tensor | None) -> Tensor:
    kernels = _implicit_gemm(feats.device, feats.dtype)
    if kernels is None:
        with torch.autocast(feats.device.type, enabled=False):
            return (_cuda if native.has_cuda() else _reference)(feats, weight, pairs, starts, n_out)
    _check_weight(feats, weight, pairs, starts, n_out)
    return kernels.sparse_conv(feats, weight, pairs, starts, n_out)


def _weight_grad_reference(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    _check(feats, "grad", grad, pairs, starts)
    wide_feats, wide_grad = _wide(feats), _wide(grad)
    out = wide_feats.new_empty(len(starts) - 1, feats.shape[1], grad.shape[1])
    for k, (rows_in, rows_out) in enumerate(_groups(pairs, starts)):
        out[k] = wide_feats.index_select(0, rows_in).t() @ wide_grad.index_select(0, rows_out)
    return out.to(feats.dtype)


def _weight_grad_fake(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    return feats.new_empty(starts.shape[0] - 1, feats.shape[1], grad.shape[1])


def _weight_grad_cpu(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    _check(feats, "grad", grad, pairs, starts)
    dtype, given = _cpu_type(feats.dtype), feats.dtype
    feats, grad = feats.to(dtype).contiguous(), grad.to(dtype).contiguous()
    code, k, (n, cin), (m, cout) = native.DTYPES[dtype], len(starts) - 1, feats.shape, grad.shape
    out = feats.new_empty(k, cin, cout)
    room = native.query("pcseg_weight_grad_workspace", code, cin, cout, k, m)
    workspace = torch.empty(room, dtype=_sum_type(feats.dtype))
    native.call(
        "pcseg_sparse_conv_weight_grad", code, feats, n, cin, grad, m, cout, pairs.contiguous(), pairs.shape[1],
        starts.contiguous(), k, out, workspace, torch.get_num_threads(),
    )  # fmt: skip
    return out.to(given)


def _weight_grad_cuda(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    _check(feats, "grad", grad, pairs, starts)
    device_map(pairs, starts, len(feats), len(grad))
    wide, (k, cin, cout) = _wide(feats).contiguous(), (len(starts) - 1, feats.shape[1], grad.shape[1])
    splits = min(64, 1 + 2**19 // (cin * cout + 1))  # enough threads where channels are few, little memory where many
    out, partial = wide.new_empty(k, cin, cout), wide.new_empty(k, splits, cin, cout)
    native.call(
        "pcseg_cuda_sparse_conv_weight_grad", native.DTYPES[wide.dtype], wide, cin, _wide(grad).contiguous(), cout,
        pairs.contiguous(), pairs.shape[1], starts.contiguous(), k, partial, splits, out, *native.cuda_place(feats),
    )  # fmt: skip
    return out.to(feats.dtype)


def _weight_grad_triton(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    kernels = _implicit_gemm(feats.device, feats.dtype)
    if kernels is None:
        with torch.autocast(feats.device.type, enabled=False):
            return (_weight_grad_cuda if native.has_cuda() else _weight_grad_reference)(feats, grad, pairs, starts)
    _check(feats, "grad", grad, pairs, starts)
    return kernels.sparse_conv_weight_grad(feats, grad, pairs, starts)


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
        d_weight = torch.ops.pcseg.sparse_conv_weight_grad(feats, grad, pairs, starts)
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
native.define(
    "sparse_conv_weight_grad(Tensor feats, Tensor grad, Tensor pairs, Tensor starts) -> Tensor",
    reference=_weight_grad_reference,
    fake=_weight_grad_fake,
    cpu=_weight_grad_cpu,
    cuda=_weight_grad_cuda,
    triton=_weight_grad_triton,
)
native.differentiate("sparse_conv", _backward, _setup_context)
