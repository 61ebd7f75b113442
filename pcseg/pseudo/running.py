"""Running means from batch to batch, of what not every batch shows."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def move(mean: Tensor, met: Tensor, now: Tensor, seen: Tensor, momentum: float) -> None:
    """Move ``mean`` (..., C) by ``1 - momentum`` of the way to ``now`` (..., C) where it is ``seen`` (...) bool.

    The first time, where it is not yet ``met`` (...) bool, the mean becomes ``now``. Both change in place. C may be
    missing.
    """
    before, there = (x.view(x.shape + (1,) * (mean.dim() - x.dim())) for x in (met, seen))
    moved = torch.where(before, torch.lerp(now, mean, momentum), now)
    mean.copy_(torch.where(there, moved, mean))
    met |= seen
