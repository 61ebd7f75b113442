"""Find the row of the extreme of each segment: an op, since torch.jit.script knows no limits of types."""

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native


def find_extreme(values: Tensor, segment: Tensor, n_segments: int, greatest: bool) -> Tensor:
    """Return the row (n_segments, C) of the first greatest or smallest of each segment, R where there is none.

    ``values`` (R, C), integers or floats. Elements that are not above the lowest finite number of their type (not below
    the highest, for the smallest) do not count, nor do NaN.
    """
    return torch.ops.pcseg.segment_extreme(values, segment, n_segments, greatest)


def _reference(values: Tensor, segment: Tensor, n_segments: int, greatest: bool) -> Tensor:
    if values.is_complex() or values.dtype == torch.bool:
        raise InputError(f"src: {values.dtype} given, which has no order; give integers or floats")
    if values.is_floating_point():
        keys, lowest = values if greatest else -values, torch.finfo(values.dtype).min
        if not values.is_cuda:  # where the answer need not be waited for, see first whether all count
            best, row = torch.ops.pcseg.segment_max(keys, segment, n_segments)
            if bool(((best > lowest) | (row < 0)).all()):
                return row.where(row >= 0, len(values))
        best, row = torch.ops.pcseg.segment_max(keys.where(keys > lowest, -torch.inf), segment, n_segments)
        return row.where((row >= 0) & (best > -torch.inf), len(values))
    limits = torch.iinfo(values.dtype)
    worst, how = (limits.min, "amax") if greatest else (limits.max, "amin")
    index = segment.unsqueeze(1).expand_as(values)
    best = values.new_full((n_segments, values.shape[1]), worst).scatter_reduce_(0, index, values, how)
    hit = (values == best.index_select(0, segment)) & (values != worst)
    row = torch.arange(len(values), device=values.device).unsqueeze(1).where(hit, len(values))
    return torch.full_like(best, len(values), dtype=torch.int64).scatter_reduce_(0, index, row, "amin")


def _fake(values: Tensor, segment: Tensor, n_segments: int, greatest: bool) -> Tensor:
    return values.new_empty(n_segments, values.shape[1], dtype=torch.int64)


native.define(
    "segment_extreme(Tensor values, Tensor segment, SymInt n_segments, bool greatest) -> Tensor",
    reference=_reference,
    fake=_fake,
    cpu=_reference,
    cuda=_reference,
)
