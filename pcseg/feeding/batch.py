"""Samples put together for one step: what networks and methods are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from pcseg.sparse import SparseTensor


@dataclass(frozen=True)
class Batch:
    """E elements (voxels, pixels or points) of B samples, and the input that the network makes them from.

    ``inputs``: voxels as a SparseTensor (E, F), or images (B, C, H, W) float32. One row per element: ``sample`` (E,)
    int64; ``position`` (E, 3) in meters or (E, 2) in pixels, float32; ``color`` (E, 3) float32 in [0, 1], zeros where
    the scan has none; ``labels`` (E,) int64, IGNORE where unknown. ``names``: the B scenes or images. Samples that show
    one scene (views, frames, overlapping crops) are samples like others.

    Optional, None where the data has none: ``weights`` (E,) float32 in [0, 1], confidence of labels that were guessed;
    ``tags`` (B, K) bool, classes known to be in a sample; ``domain`` (B,) int64, 0 for labeled, 1 for unlabeled
    samples; ``matches`` (2, M) int64, pairs of elements of different samples that are the same point; ``point`` (E,)
    int64, the number in its scene of the point that an element is taken from, where no sample merges scenes. In a batch
    of pairs, samples 2m and 2m + 1 are partners.
    """

    inputs: SparseTensor | Tensor
    sample: Tensor
    position: Tensor
    color: Tensor
    labels: Tensor
    names: tuple[str, ...]
    weights: Tensor | None = None
    tags: Tensor | None = None
    domain: Tensor | None = None
    matches: Tensor | None = None
    point: Tensor | None = None

    @property
    def n_samples(self) -> int:
        return len(self.names)

    @property
    def voxels(self) -> SparseTensor:
        """The inputs of a batch of voxels; TypeError for images."""
        if not isinstance(self.inputs, SparseTensor):
            raise TypeError("a batch of images has no voxels; this method takes point clouds")
        return self.inputs

    def to(self, device: torch.device | str) -> Batch:
        """Return the same batch with its tensors on ``device``."""
        return replace(self, **{f.name: _moved(getattr(self, f.name), device) for f in fields(self)})


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, SparseTensor):
        return SparseTensor(value.feats.to(device), value.coords.to(device), value.stride)
    return value.to(device) if isinstance(value, Tensor) else value


def joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Return the rows of all parts, None where one is missing."""
    there = [part for part in parts if part is not None]
    return torch.cat(there) if len(there) == len(parts) else None
