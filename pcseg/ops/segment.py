"""Reductions over segments: sum, mean, max and softmax over the rows with the same segment number."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops._segment_extreme import GREATEST, extreme_cpu, gradient_at
from pcseg.ops._sort import sort_keys
from pcseg.ops.gather import check_index

# Each function below takes `values` (E, C) or (E,) and `segment` (E,) int64 in [0, n_segments), in any order, and
# raises InputError where they do not fit. float16 and bfloat16 are reduced in float32 and rounded once. The compiled
# kernels give the same bits each time and for any number of threads. On the CPU a sorted `segment` is faster.


def segment_sum(values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    """Return the sum of each segment, (n_segments, C) or (n_segments,); 0 for an empty segment."""
    return _rows(values, lambda v: torch.ops.pcseg.weighted_sum(v, None, None, segment, n_segments))


def segment_mean(values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    """Return the mean of each segment, (n_segments, C) or (n_segments,); 0 for an empty segment."""
    total = segment_sum(values.to(_wide_type(values)), segment, n_segments)
    count = torch.zeros(n_segments, dtype=torch.int64, device=segment.device)
    count.index_add_(0, segment, torch.ones_like(segment))  # bincount would wait for the GPU
    share = 1.0 / count.clamp(min=1).to(total.dtype)
    return (total * share.view(-1, *[1] * (total.dim() - 1))).to(values.dtype)


def segment_max(values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    """Return the maximum of each segment, (n_segments, C) or (n_segments,); 0 if it is empty, NaN if it holds a NaN.

    The gradient goes to the first element that has the maximum.
    """
    return _rows(values, lambda v: torch.ops.pcseg.segment_max(v, segment, n_segments)[0])


def segment_softmax(values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    """Return the softmax over the elements of each segment, channel by channel, in the shape of ``values``."""
    return _rows(values, lambda v: torch.ops.pcseg.segment_softmax(v, segment, n_segments))


def weighted_sum(values: Tensor, row: Tensor | None, weight: Tensor | None, segment: Tensor, n_segments: int) -> Tensor:
    """Return out (n_segments, C): out[s] = sum over elements e with segment[e] == s of weight[e] * values[row[e]].

    ``values`` (N, C); ``row`` (E,) int64 into it, or None for row e; ``weight`` (E,) of the type of ``values`` (float32
    for half precision), or None for 1; it has no gradient. The gradient of ``values`` is this op with row and segment
    swapped.
    """
    if values.dim() != 2:
        raise InputError(f"values: {tuple(values.shape)} given; give (N, C), one column as values[:, None]")
    return torch.ops.pcseg.weighted_sum(values, row, weight, segment, n_segments)


def _rows(values: Tensor, reduce: Any) -> Tensor:
    """Return ``reduce`` of ``values``, of which (E,) are passed as (E, 1)."""
    return reduce(values.unsqueeze(1)).squeeze(1) if values.dim() == 1 else reduce(values)


def _wide_type(values: Tensor) -> torch.dtype:
    """Return the type in which values are reduced."""
    return torch.float32 if values.dtype in (torch.float16, torch.bfloat16) else values.dtype


def _check(values: Tensor, row: Tensor | None, weight: Tensor | None, segment: Tensor, n_segments: int) -> None:
    if values.dim() not in (1, 2) or values.dtype not in native.DTYPES:
        raise InputError(f"values: {tuple(values.shape)} {values.dtype} given; give (E, C) or (E,) of a floating type")
    native.check_devices(values=values, row=row, weight=weight, segment=segment)
    if n_segments < 0:
        raise InputError(f"n_segments={n_segments}: give the number of segments, 0 or more")
    elements = len(values) if row is None else row.numel()
    for name, index in (("row", row), ("segment", segment)):
        if index is not None and (index.shape != (elements,) or index.dtype != torch.int64):
            raise InputError(f"{name}: {tuple(index.shape)} {index.dtype} given; give ({elements},) torch.int64")
    if weight is not None and (weight.shape != (elements,) or weight.dtype != _wide_type(values)):
        raise InputError(f"weight: {tuple(weight.shape)} {weight.dtype} given; give ({elements},) {_wide_type(values)}")


def _sum_reference(
    values: Tensor, row: Tensor | None, weight: Tensor | None, segment: Tensor, n_segments: int
) -> Tensor:
    _check(values, row, weight, segment, n_segments)
    check_index("segment", segment, n_segments)
    if row is not None:
        check_index("row", row, len(values))
    wide = values.to(_wide_type(values))
    wide = wide if row is None else wide.index_select(0, row)
    wide = wide if weight is None else wide * weight.unsqueeze(1)
    return wide.new_zeros(n_segments, values.shape[1]).index_add_(0, segment, wide).to(values.dtype)


def _sum_fake(values: Tensor, row: Tensor | None, weight: Tensor | None, segment: Tensor, n_segments: int) -> Tensor:
    return values.new_empty(n_segments, values.shape[1])


def _sum_cpu(values: Tensor, row: Tensor | None, weight: Tensor | None, segment: Tensor, n_segments: int) -> Tensor:
    _check(values, row, weight, segment, n_segments)
    wide = values.to(_wide_type(values)).contiguous()
    out = wide.new_empty(n_segments, wide.shape[1])
    native.call(
        "pcseg_weighted_sum", native.DTYPES[wide.dtype], wide, len(wide), wide.shape[1],
        None if row is None else row.contiguous(), None if weight is None else weight.contiguous(),
        segment.contiguous(), len(segment), n_segments, out, segment.new_empty(len(segment)), torch.get_num_threads(),
    )  # fmt: skip
    return out.to(values.dtype)


def _sum_cuda(values: Tensor, row: Tensor | None, weight: Tensor | None, segment: Tensor, n_segments: int) -> Tensor:
    _check(values, row, weight, segment, n_segments)
    wide = values.to(_wide_type(values)).contiguous()
    out = wide.new_zeros(n_segments, wide.shape[1])
    native.call(
        "pcseg_cuda_weighted_sum", native.DTYPES[wide.dtype], wide, len(wide), wide.shape[1],
        None if row is None else row.contiguous(), None if weight is None else weight.contiguous(),
        *sort_keys(segment, n_segments), len(segment), n_segments, out, *_workspace(segment, n_segments, wide.shape[1]),
        *native.cuda_place(values),
    )  # fmt: skip
    return out.to(values.dtype)


def _workspace(segment: Tensor, n_segments: int, channels: int) -> tuple[Tensor, Tensor]:
    """Return the workspace of the CUDA kernels: starts of segments, and partial results of chunks."""
    start = segment.new_empty(n_segments + 1)
    size = native.query("pcseg_cuda_segment_workspace", len(segment), channels)
    return start, torch.empty(size, dtype=torch.uint8, device=segment.device)


def _sum_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    values, row, weight, segment, _ = inputs
    ctx.save_for_backward(row, weight, segment)
    ctx.rows = values.shape[0]


def _sum_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    row, weight, segment = ctx.saved_tensors
    if row is None:  # each element is read once: its gradient is a gather
        gathered = torch.ops.pcseg.gather(grad, segment)
        gathered = gathered if weight is None else (gathered * weight.unsqueeze(1)).to(grad.dtype)
        return gathered, None, None, None, None
    return torch.ops.pcseg.weighted_sum(grad, segment, weight, row, ctx.rows), None, None, None, None


def _max_reference(values: Tensor, segment: Tensor, n_segments: int) -> tuple[Tensor, Tensor]:
    _check(values, None, None, segment, n_segments)
    check_index("segment", segment, n_segments)
    index = segment.unsqueeze(1).expand_as(values)
    out = values.new_zeros(n_segments, values.shape[1])
    out = out.scatter_reduce(0, index, values, "amax", include_self=False)
    greatest = (values == out.gather(0, index)) | values.isnan()
    element = torch.arange(len(values), device=values.device).unsqueeze(1).where(greatest, len(values))
    arg = torch.full(out.shape, len(values), device=values.device)
    arg = arg.scatter_reduce(0, index, element, "amin")
    return out, arg.where(arg < len(values), -1)


def _max_fake(values: Tensor, segment: Tensor, n_segments: int) -> tuple[Tensor, Tensor]:
    out = values.new_empty(n_segments, values.shape[1])
    return out, torch.empty_like(out, dtype=torch.int64)


def _max_cpu(values: Tensor, segment: Tensor, n_segments: int) -> tuple[Tensor, Tensor]:
    _check(values, None, None, segment, n_segments)
    out, arg = extreme_cpu(values.to(_wide_type(values)), segment, n_segments, GREATEST)
    return out.to(values.dtype), arg


def _max_cuda(values: Tensor, segment: Tensor, n_segments: int) -> tuple[Tensor, Tensor]:
    _check(values, None, None, segment, n_segments)
    wide = values.to(_wide_type(values)).contiguous()
    out = wide.new_zeros(n_segments, wide.shape[1])
    arg = torch.full_like(out, -1, dtype=torch.int64)
    native.call(
        "pcseg_cuda_segment_max", native.DTYPES[wide.dtype], wide, wide.shape[1], *sort_keys(segment, n_segments),
        len(segment), n_segments, out, arg, *_workspace(segment, n_segments, wide.shape[1]), *native.cuda_place(values),
    )  # fmt: skip
    return out.to(values.dtype), arg


def _max_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1])
    ctx.elements = inputs[0].shape[0]


def _max_backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
    return gradient_at(ctx.saved_tensors[0], grad, ctx.elements), None, None


def _softmax(values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    wide = values.to(_wide_type(values))
    greatest, _ = torch.ops.pcseg.segment_max(wide, segment, n_segments)
    power = (wide - torch.ops.pcseg.gather(greatest, segment)).exp_()
    total = torch.ops.pcseg.weighted_sum(power, None, None, segment, n_segments)
    return (power / torch.ops.pcseg.gather(total, segment)).to(values.dtype)


def _softmax_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(output, inputs[1])
    ctx.segments = inputs[2]


def _softmax_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
    share, segment = ctx.saved_tensors
    flow = share * grad
    total = torch.ops.pcseg.weighted_sum(flow, None, None, segment, ctx.segments)
    return flow - share * torch.ops.pcseg.gather(total, segment), None, None


native.define(
    "weighted_sum(Tensor values, Tensor? row, Tensor? weight, Tensor segment, SymInt n_segments) -> Tensor",
    reference=_sum_reference,
    fake=_sum_fake,
    cpu=_sum_cpu,
    cuda=_sum_cuda,
)
native.differentiate("weighted_sum", _sum_backward, _sum_setup)
native.define(
    "segment_max(Tensor values, Tensor segment, SymInt n_segments) -> (Tensor, Tensor)",
    reference=_max_reference,
    fake=_max_fake,
    cpu=_max_cpu,
    cuda=_max_cuda,
)
native.differentiate("segment_max", _max_backward, _max_setup)
native.define(  # made of the two above, so it has no kernel of its own
    "segment_softmax(Tensor values, Tensor segment, SymInt n_segments) -> Tensor",
    reference=_softmax,
    fake=lambda values, segment, n_segments: torch.empty_like(values),
    cpu=_softmax,
    cuda=_softmax,
)
native.differentiate("segment_softmax", _softmax_backward, _softmax_setup)
