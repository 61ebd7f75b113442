"""Find the extreme of each segment and its row: an op, since torch.jit.script knows no limits of types."""

from typing import Any

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops._segment_extreme import ABOVE_LOWEST, BELOW_HIGHEST, extreme_cpu, gradient_at


def find_extreme(values: Tensor, segment: Tensor, n_segments: int, greatest: bool) -> tuple[Tensor, Tensor]:
    """Return the greatest or smallest (n_segments, C) of each segment, and the first row that has it; 0, R for none.

    ``values`` (R, C), integers or floats. Elements that are not above the lowest finite number of their type (not below
    the highest, for the smallest) do not count, nor do NaN. The gradient goes to that row.
    """
    best, row = torch.ops.pcseg.segment_extreme(values, segment, n_segments, greatest)
    return best, row


def _reference(values: Tensor, segment: Tensor, n_segments: int, greatest: bool) -> tuple[Tensor, Tensor]:
    _check(values)
    limits = torch.finfo(values.dtype) if values.is_floating_point() else torch.iinfo(values.dtype)
    worst, how = (limits.min, "amax") if greatest else (limits.max, "amin")
    counts = values > worst if greatest else values < worst
    index = segment.unsqueeze(1).expand_as(values)
    best = values.new_full((n_segments, values.shape[1]), worst)
    best.scatter_reduce_(0, index, values.where(counts, worst), how)
    hit = counts & (values == best.index_select(0, segment))
    row = torch.arange(len(values), device=values.device).unsqueeze(1).where(hit, len(values))
    row = torch.full_like(best, len(values), dtype=torch.int64).scatter_reduce_(0, index, row, "amin")
    return best.masked_fill(row == len(values), 0), row


def _cpu(values: Tensor, segment: Tensor, n_segments: int, greatest: bool) -> tuple[Tensor, Tensor]:
    if values.dtype != torch.float32 and values.dtype != torch.float64:
        return _reference(values, segment, n_segments, greatest)
    return extreme_cpu(values, segment, n_segments, ABOVE_LOWEST if greatest else BELOW_HIGHEST)


def _cuda(values: Tensor, segment: Tensor, n_segments: int, greatest: bool) -> tuple[Tensor, Tensor]:
    if not values.is_floating_point():
        return _reference(values, segment, n_segments, greatest)
    _check(values)
    keys = values if greatest else -values
    counts = keys > torch.finfo(values.dtype).min
    best, row = torch.ops.pcseg.segment_max(keys.where(counts, -torch.inf), segment, n_segments)
    empty = (row < 0) | (best == -torch.inf)
    return (best if greatest else -best).masked_fill(empty, 0), row.masked_fill(empty, len(values))


def _check(values: Tensor) -> None:
    if values.is_complex() or values.dtype == torch.bool:
        raise InputError(f"src: {values.dtype} given, which has no order; give integers or floats")


def _fake(values: Tensor, segment: Tensor, n_segments: int, greatest: bool) -> tuple[Tensor, Tensor]:
    best = values.new_empty(n_segments, values.shape[1])
    return best, torch.empty_like(best, dtype=torch.int64)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1])
    ctx.elements = inputs[0].shape[0]


def _backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
    return gradient_at(ctx.saved_tensors[0], grad, ctx.elements), None, None, None


native.define(
    "segment_extreme(Tensor values, Tensor segment, SymInt n_segments, bool greatest) -> (Tensor, Tensor)",
    reference=_reference,
    fake=_fake,
    cpu=_cpu,
    cuda=_cuda,
)
native.differentiate("segment_extreme", _backward, _setup)
