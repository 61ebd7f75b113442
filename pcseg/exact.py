"""The type that sums and exponentials are computed in."""

from __future__ import annotations

from torch import Tensor, float64


def exact(values: Tensor) -> Tensor:
    """Return ``values`` in float32, or as they are in float64: half precision would lose small probabilities."""
    return values if values.dtype == float64 else values.float()
