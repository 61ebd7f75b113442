"""The compiled search for the greatest or smallest element of each segment, and its gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.ops import _native as native

GREATEST, ABOVE_LOWEST, BELOW_HIGHEST = 0, 1, 2
"""The rules of pcseg_segment_extreme in csrc/include/pcseg.h."""


def extreme_cpu(values: Tensor, segment: Tensor, n_segments: int, rule: int) -> tuple[Tensor, Tensor]:
    """Return the extreme (n_segments, C) of values (E, C), float32 or float64, and the element that has it."""
    out = values.new_empty(n_segments, values.shape[1])
    arg = torch.empty_like(out, dtype=torch.int64)
    native.call(
        "pcseg_segment_extreme", native.DTYPES[values.dtype], values.contiguous(), values.shape[1],
        segment.contiguous(), len(segment), n_segments, rule, out, arg, segment.new_empty(len(segment)),
        torch.get_num_threads(),
    )  # fmt: skip
    return out, arg


def gradient_at(arg: Tensor, grad: Tensor, elements: int) -> Tensor:
    """Return the gradient (elements, C) of the elements ``arg`` (S, C), a number out of range for none."""
    spare = grad.new_zeros(elements + 1, grad.shape[1])  # the last row takes the gradients of empty segments
    return spare.scatter(0, arg.where(arg >= 0, elements), grad)[:-1]
