"""Sparse convolution, norm, residual and ReLU in one pass over memory; for inference."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops.sparse_conv import autocast, convolve


def sparse_conv_norm_relu(
    feats: Tensor,
    weight: Tensor,
    pairs: Tensor,
    starts: Tensor,
    n_out: int,
    scale: Tensor,
    shift: Tensor,
    residual: Tensor | None = None,
) -> Tensor:
    """Return relu(scale * out + shift + residual), (n_out, Cout), of out = :func:`sparse_conv` (the other arguments).

    ``scale`` and ``shift`` (Cout,) express a batch norm in eval mode; ``residual`` (n_out, Cout). The CPU kernel
    applies them to rows that are still in the cache. Half precision is computed in float32. There is no gradient:
    raises InputError where one would be needed.
    """
    given = (feats, weight, scale, shift, *(() if residual is None else (residual,)))
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given):
        raise InputError("sparse_conv_norm_relu: has no gradient; call it within torch.no_grad()")
    feats, weight = autocast(feats, weight)
    return torch.ops.pcseg.sparse_conv_norm_relu(feats, weight, pairs, starts, n_out, scale, shift, residual)


def _check(weight: Tensor, n_out: int, scale: Tensor, shift: Tensor, residual: Tensor | None) -> None:
    cout = weight.shape[-1]
    if scale.shape != (cout,) or shift.shape != (cout,):
        raise InputError(
            f"sparse_conv_norm_relu: scale {tuple(scale.shape)} and shift {tuple(shift.shape)}; give ({cout},) for both"
        )
    if residual is not None and residual.shape != (n_out, cout):
        raise InputError(f"sparse_conv_norm_relu: residual {tuple(residual.shape)}; give ({n_out}, {cout})")


def _reference(
    feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int,
    scale: Tensor, shift: Tensor, residual: Tensor | None,
) -> Tensor:  # fmt: skip
    _check(weight, n_out, scale, shift, residual)
    # Calls the op, not its reference: on a device with a kernel for the convolution alone, that kernel runs.
    out = torch.ops.pcseg.sparse_conv(feats, weight, pairs, starts, n_out, None, None) * scale + shift
    return (out if residual is None else out + residual).relu().to(feats.dtype)


def _fake(
    feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int,
    scale: Tensor, shift: Tensor, residual: Tensor | None,
) -> Tensor:  # fmt: skip
    return feats.new_empty(n_out, weight.shape[2])


def _cpu(
    feats: Tensor, weight: Tensor, pairs: Tensor, starts: Tensor, n_out: int,
    scale: Tensor, shift: Tensor, residual: Tensor | None,
) -> Tensor:  # fmt: skip
    _check(weight, n_out, scale, shift, residual)
    return convolve(feats, weight, pairs, starts, n_out, scale, shift, residual)


native.define(
    "sparse_conv_norm_relu(Tensor feats, Tensor weight, Tensor pairs, Tensor starts, SymInt n_out, Tensor scale, "
    "Tensor shift, Tensor? residual) -> Tensor",
    reference=_reference,
    fake=_fake,
    cpu=_cpu,
)
