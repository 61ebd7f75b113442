"""Batch norm by the batch's own statistics, the residual and the ReLU behind it in few passes over memory; for training."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native


def batch_norm_relu(
    feats: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None = None, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """relu((feats - mean) / sqrt(variance + eps) * weight + bias + residual), (N, C); mean (C,); biased variance (C,).

    ``feats`` and ``residual`` (N, C), N at least 2; ``weight`` and ``bias`` (C,); all float32 or all float64. The statistics
    are those of these rows (Ioffe and Szegedy, arXiv 1502.03167); their gradient is in that of the result, and they
    have none of their own. Compiled, the same bits for any number of threads. It cannot be differentiated twice.
    Raises InputError where shapes or types do not fit.
    """
    return torch.ops.pcseg.batch_norm_relu(feats, weight, bias, residual, eps)


def _check(feats: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None) -> None:
    if feats.dim() != 2 or len(feats) < 2 or feats.dtype not in (torch.float32, torch.float64):
        raise InputError(
            f"feats: {tuple(feats.shape)} {feats.dtype} given; give (N, C) torch.float32 or torch.float64, N at least 2"
        )
    channels = (feats.shape[1],)
    for name, value, shape in (
        ("weight", weight, channels),
        ("bias", bias, channels),
        ("residual", residual, feats.shape),
    ):
        if value is not None and (value.shape != shape or value.dtype != feats.dtype):
            raise InputError(
                f"{name}: {tuple(value.shape)} {value.dtype} given; give {tuple(shape)} {feats.dtype}, as feats"
            )
    native.check_devices(feats=feats, weight=weight, bias=bias, residual=residual)


def _reference(
    feats: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    _check(feats, weight, bias, residual)
    variance, mean = torch.var_mean(feats, 0, correction=0)
    out = (feats - mean) / torch.sqrt(variance + eps) * weight + bias
    return (out if residual is None else out + residual).relu(), mean, variance


def _fake(
    feats: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    rows, channels = feats.shape
    return feats.new_empty(rows, channels), feats.new_empty(channels), feats.new_empty(channels)


def _cpu(
    feats: Tensor, weight: Tensor, bias: Tensor, residual: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    _check(feats, weight, bias, residual)
    out, mean, variance = _fake(feats, weight, bias, residual, eps)
    residual = None if residual is None else residual.contiguous()
    native.call(
        "pcseg_batch_norm_relu", native.DTYPES[feats.dtype], feats.contiguous(), len(feats), feats.shape[1],
        weight.contiguous(), bias.contiguous(), residual, eps, mean, variance, out, torch.get_num_threads(),
    )  # fmt: skip
    return out, mean, variance


def _reference_backward(
    grad: Tensor, feats: Tensor, out: Tensor, weight: Tensor, mean: Tensor, variance: Tensor, eps: float, residual: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    through = torch.where(out <= 0, 0, grad)
    scale = torch.rsqrt(variance + eps)
    normal = (feats - mean) * scale
    weight_grad, bias_grad = (through * normal).sum(0), through.sum(0)
    feats_grad = weight * scale * (through - (normal * weight_grad + bias_grad) / len(feats))
    return feats_grad, weight_grad, bias_grad, through if residual else feats.new_empty(0)


def _fake_backward(
    grad: Tensor, feats: Tensor, out: Tensor, weight: Tensor, mean: Tensor, variance: Tensor, eps: float, residual: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows, channels = feats.shape
    residual_grad = feats.new_empty(rows, channels) if residual else feats.new_empty(0)
    return feats.new_empty(rows, channels), feats.new_empty(channels), feats.new_empty(channels), residual_grad


def _cpu_backward(
    grad: Tensor, feats: Tensor, out: Tensor, weight: Tensor, mean: Tensor, variance: Tensor, eps: float, residual: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    grads = _fake_backward(grad, feats, out, weight, mean, variance, eps, residual)
    feats_grad, weight_grad, bias_grad, residual_grad = grads
    native.call(
        "pcseg_batch_norm_relu_backward", native.DTYPES[feats.dtype], grad.contiguous(), feats.contiguous(), len(feats),
        feats.shape[1], out.contiguous(), weight.contiguous(), mean.contiguous(), variance.contiguous(), eps, feats_grad,
        weight_grad, bias_grad, residual_grad if residual else None, torch.get_num_threads(),
    )  # fmt: skip
    return grads


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    feats, weight, _, residual, ctx.eps = inputs
    out, mean, variance = output
    ctx.residual = residual is not None and residual.requires_grad
    ctx.mark_non_differentiable(mean, variance)
    ctx.save_for_backward(feats, out, weight, mean, variance)


def _backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    grads = torch.ops.pcseg.batch_norm_relu_backward(grad, *ctx.saved_tensors, ctx.eps, ctx.residual)
    return *grads[:3], grads[3] if ctx.residual else None, None


def _refuse(ctx: Any, *grads: Tensor) -> NoReturn:
    raise InputError("batch_norm_relu: cannot be differentiated twice; use torch's batch_norm and relu")


native.define(
    "batch_norm_relu(Tensor feats, Tensor weight, Tensor bias, Tensor? residual, float eps) -> (Tensor, Tensor, Tensor)",
    reference=_reference,
    fake=_fake,
    cpu=_cpu,
)
native.define(
    "batch_norm_relu_backward(Tensor grad, Tensor feats, Tensor out, Tensor weight, Tensor mean, Tensor variance, "
    "float eps, bool residual) -> (Tensor, Tensor, Tensor, Tensor)",
    reference=_reference_backward,
    fake=_fake_backward,
    cpu=_cpu_backward,
)
native.differentiate("batch_norm_relu", _backward, _setup_context)
native.differentiate("batch_norm_relu_backward", _refuse, lambda ctx, inputs, output: None)
