"""Samples put together for one step: what networks and methods are given."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """N voxels of B samples, flattened; sample b occupies a contiguous run of rows.

    ``coords`` (N, 4) int32, rows (sample, x, y, z) in voxels; ``feats`` (N, F) float32; ``position`` (N, 3) float32 in
    meters; ``color`` (N, 3) float32 in [0, 1], zeros where the scan has none; ``labels`` (N,) int64, IGNORE where
    unknown; ``names`` the B scene names. In a batch of pairs, samples 2m and 2m + 1 are partners.
    """

    coords: Tensor
    feats: Tensor
    position: Tensor
    color: Tensor
    labels: Tensor
    names: tuple[str, ...]

    @property
    def n_samples(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with its tensors on ``device``."""
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "names"}
        return replace(self, **moved)
