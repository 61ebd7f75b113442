"""The mean of a loss over the elements that count."""

from __future__ import annotations

import torch
from torch import Tensor


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return ``sum w v / sum w`` of values and weights, or a bool mask, of one shape; 0 where all weights are 0.

    Values must be finite, also where the weight is 0.
    """
    share = weights.to(values.dtype)
    return (values * share).sum() / share.sum().clamp(min=torch.finfo(values.dtype).tiny)
