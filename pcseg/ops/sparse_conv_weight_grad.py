"""The weight gradient of sparse_conv: one matrix product of gathered rows for each offset."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.ops import _native as native
from pcseg.ops._sparse_conv import check, cpu_type, groups, implicit_gemm, sum_type, widened
from pcseg.ops.triton.row_order import device_map


def sparse_conv_weight_grad(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    """Return out (K, Cin, Cout): out[k] = sum over the pairs (n, m) of group k of the outer product feats[n] x grad[m].

    ``feats`` (N, Cin) and ``grad`` (M, Cout) have the same type; ``pairs``, ``starts``, summation and rounding are
    those of :func:`sparse_conv`.
    """
    out: Tensor = torch.ops.pcseg.sparse_conv_weight_grad(feats, grad, pairs, starts)
    return out


def _reference(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    check(feats, "grad", grad, pairs, starts)
    wide_feats, wide_grad = widened(feats), widened(grad)
    out = wide_feats.new_empty(len(starts) - 1, feats.shape[1], grad.shape[1])
    for k, (rows_in, rows_out) in enumerate(groups(pairs, starts)):
        out[k] = wide_feats.index_select(0, rows_in).t() @ wide_grad.index_select(0, rows_out)
    return out.to(feats.dtype)


def _fake(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    return feats.new_empty(starts.shape[0] - 1, feats.shape[1], grad.shape[1])


def _cpu(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    check(feats, "grad", grad, pairs, starts)
    dtype, given = cpu_type(feats.dtype), feats.dtype
    feats, grad = feats.to(dtype).contiguous(), grad.to(dtype).contiguous()
    code, k, (n, cin), (m, cout) = native.DTYPES[dtype], len(starts) - 1, feats.shape, grad.shape
    out = feats.new_empty(k, cin, cout)
    size = native.query("pcseg_weight_grad_workspace", code, cin, cout, k, m)
    workspace = torch.empty(size, dtype=sum_type(feats.dtype))
    native.call(
        "pcseg_sparse_conv_weight_grad", code, feats, n, cin, grad, m, cout, pairs.contiguous(), pairs.shape[1],
        starts.contiguous(), k, out, workspace, torch.get_num_threads(),
    )  # fmt: skip
    return out.to(given)


def _cuda(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    check(feats, "grad", grad, pairs, starts)
    device_map(pairs, starts, len(feats), len(grad))
    wide, (k, cin, cout) = widened(feats).contiguous(), (len(starts) - 1, feats.shape[1], grad.shape[1])
    splits = min(64, 1 + 2**19 // (cin * cout + 1))  # many threads for few channels, little memory for many
    out, partial = wide.new_empty(k, cin, cout), wide.new_empty(k, splits, cin, cout)
    native.call(
        "pcseg_cuda_sparse_conv_weight_grad", native.DTYPES[wide.dtype], wide, cin, widened(grad).contiguous(), cout,
        pairs.contiguous(), pairs.shape[1], starts.contiguous(), k, partial, splits, out, *native.cuda_place(feats),
    )  # fmt: skip
    return out.to(feats.dtype)


def _triton(feats: Tensor, grad: Tensor, pairs: Tensor, starts: Tensor) -> Tensor:
    kernels = implicit_gemm(feats.device, feats.dtype)
    if kernels is None:
        with torch.autocast(feats.device.type, enabled=False):
            return (_cuda if native.has_cuda() else _reference)(feats, grad, pairs, starts)
    check(feats, "grad", grad, pairs, starts)
    return kernels.sparse_conv_weight_grad(feats, grad, pairs, starts)


native.define(
    "sparse_conv_weight_grad(Tensor feats, Tensor grad, Tensor pairs, Tensor starts) -> Tensor",
    reference=_reference,
    fake=_fake,
    cpu=_cpu,
    cuda=_cuda,
    triton=_triton,
)
