"""The directions of features, whose products are cosines."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

SHORTEST = 1e-4
"""Length below which a feature is not brought to length 1: of one of 0 the gradient would be without bound."""


def directions(feats: Tensor) -> Tensor:
    """Return features (..., C) divided by their lengths, or by SHORTEST where that is more."""
    return F.normalize(feats, dim=-1, eps=SHORTEST)
