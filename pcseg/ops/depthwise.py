"""Depthwise convolution of maps: that of torch, with a weight gradient of our own on a CPU, where torch's is slow."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native


def depthwise_conv(maps: Tensor, weight: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """Return the convolution of each channel of ``maps`` (B, C, H, W) with its own kernel, ``weight`` (C, 1, K, K).

    It is ``torch.conv2d(maps, weight, None, stride, padding, dilation, groups=C)``. In training in float32 on a CPU,
    with K = 3 or 5 (:func:`own_gradient`), the gradient of the weights comes from the compiled library: products are
    added up along a row of pixels, rows along a map, and maps in their order, to the same bits for any number of
    threads. There torch.func's transforms and forward-mode gradients do not work.
    """
    if not own_gradient(maps, weight):
        return F.conv2d(maps, weight, None, stride, padding, dilation, len(weight))
    out: Tensor = torch.ops.pcseg.depthwise_conv(maps, weight, stride, padding, dilation)
    return out


def own_gradient(maps: Tensor, weight: Tensor) -> bool:
    """Return whether the gradient of ``weight`` is to be that of the compiled library."""
    return (
        COMPILED
        and maps.device.type == "cpu"
        and maps.dim() == 4
        and maps.dtype == weight.dtype == torch.float32
        and weight.shape[2] == weight.shape[3]
        and weight.shape[2] in (3, 5)
        and torch.is_grad_enabled()
        and weight.requires_grad
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
    )


def _conv(maps: Tensor, weight: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    return F.conv2d(maps, weight, None, stride, padding, dilation, len(weight))


def _backward_of_conv(
    grad: Tensor, maps: Tensor, weight: Tensor, stride: int, padding: int, dilation: int, wanted: list[bool]
) -> tuple[Tensor | None, ...]:
    found: tuple[Tensor | None, ...] = torch.ops.aten.convolution_backward(
        grad, maps, weight, None, [stride] * 2, [padding] * 2, [dilation] * 2, False, [0, 0], len(weight), wanted
    )
    return found


def _maps_grad(grad: Tensor, maps: Tensor, weight: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    border = (weight.shape[2] - 1) * dilation - padding
    if stride == 1 and border >= 0:  # a convolution, too, and much faster as such where there is a dilation
        return _conv(grad, weight.flip(2, 3), 1, border, dilation)
    found = _backward_of_conv(grad, maps, weight, stride, padding, dilation, [True, False, False])[0]
    assert found is not None
    return found


def _weight_grad(maps: Tensor, grad: Tensor, kernel: int, stride: int, padding: int, dilation: int) -> Tensor:
    weight = maps.new_empty(maps.shape[1], 1, kernel, kernel)
    found = _backward_of_conv(grad, maps, weight, stride, padding, dilation, [False, True, False])[1]
    assert found is not None
    return found


def _weight_grad_fake(maps: Tensor, grad: Tensor, kernel: int, stride: int, padding: int, dilation: int) -> Tensor:
    return maps.new_empty(maps.shape[1], 1, kernel, kernel)


def _weight_grad_cpu(maps: Tensor, grad: Tensor, kernel: int, stride: int, padding: int, dilation: int) -> Tensor:
    if maps.dim() != 4 or grad.dim() != 4 or grad.shape[:2] != maps.shape[:2] or maps.dtype != torch.float32:
        given = f"{tuple(maps.shape)} {maps.dtype} and {tuple(grad.shape)}"
        raise InputError(f"depthwise convolution: maps and gradient {given}; give (B, C, H, W) torch.float32 for both")
    (samples, channels, height, width), (out_height, out_width) = maps.shape, grad.shape[2:]
    grad = grad.to(maps.dtype)
    out = maps.new_empty(channels, 1, kernel, kernel)
    native.call(
        "pcseg_depthwise_weight_grad", maps.permute(0, 2, 3, 1).contiguous(), samples, height, width, channels,
        grad.permute(0, 2, 3, 1).contiguous(), out_height, out_width, kernel, stride, padding, dilation, out,
        torch.get_num_threads(),
    )  # fmt: skip
    return out


def _without_autocast(backward: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of what ran without autocast, also where the backward pass runs within it."""

    @functools.wraps(backward)
    def run(*args: Any) -> Any:
        with torch.autocast("cpu", enabled=False):
            return backward(*args)

    return run


def _setup_conv(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    maps, weight, *ctx.place = inputs
    ctx.save_for_backward(maps, weight)


@_without_autocast
def _conv_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    maps, weight = ctx.saved_tensors
    to_maps = to_weight = None
    if ctx.needs_input_grad[0]:
        to_maps = _maps_grad(grad, maps, weight, *ctx.place)
    if ctx.needs_input_grad[1]:
        to_weight = torch.ops.pcseg.depthwise_weight_grad(maps, grad, weight.shape[2], *ctx.place)
    return to_maps, to_weight, None, None, None


def _setup_weight_grad(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    maps, grad, _, *ctx.place = inputs
    ctx.save_for_backward(maps, grad)


@_without_autocast
def _weight_grad_backward(ctx: Any, second: Tensor) -> tuple[Tensor | None, ...]:
    maps, grad = ctx.saved_tensors
    to_maps = to_grad = None
    if ctx.needs_input_grad[0]:
        to_maps = _maps_grad(grad, maps, second, *ctx.place)
    if ctx.needs_input_grad[1]:
        to_grad = _conv(maps, second, *ctx.place)
    return to_maps, to_grad, None, None, None, None


COMPILED = native.library() is not None
PLACE = "SymInt stride, SymInt padding, SymInt dilation"
native.define(f"depthwise_conv(Tensor maps, Tensor weight, {PLACE}) -> Tensor", reference=_conv, fake=_conv, cpu=_conv)
native.define(
    f"depthwise_weight_grad(Tensor maps, Tensor grad, SymInt kernel, {PLACE}) -> Tensor",
    reference=_weight_grad,
    fake=_weight_grad_fake,
    cpu=_weight_grad_cpu,
)
native.differentiate("depthwise_conv", _conv_backward, _setup_conv)
native.differentiate("depthwise_weight_grad", _weight_grad_backward, _setup_weight_grad)
