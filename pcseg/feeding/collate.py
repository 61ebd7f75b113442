"""Put the voxels of several samples together to one batch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.sample import Sample
from pcseg.sparse import SparseTensor


def collate(samples: Sequence[Sample]) -> Batch:
    """Return one batch of several samples, in their order.

    ``weights``, ``tags``, ``domain`` and ``point`` come with the batch where every sample has them, ``matches`` where
    some samples are views of one scene. Raises InputError if there is no sample.
    """
    if not samples:
        raise InputError("a batch of no sample; give one or more")
    column = [torch.full((len(s.coords), 1), b, dtype=torch.int32) for b, s in enumerate(samples)]
    coords = torch.cat([torch.cat([number, s.coords], dim=1) for number, s in zip(column, samples, strict=True)])
    weights = [s.weights for s in samples if s.weights is not None]
    tags = [s.tags for s in samples if s.tags is not None]
    domains = [s.domain for s in samples if s.domain is not None]
    points = [s.point for s in samples if s.point is not None]
    return Batch(
        inputs=SparseTensor(torch.cat([s.feats for s in samples]), coords),
        sample=coords[:, 0].long(),
        position=torch.cat([s.position for s in samples]),
        color=torch.cat([s.color for s in samples]),
        labels=torch.cat([s.labels for s in samples]),
        names=tuple(s.name for s in samples),
        weights=torch.cat(weights) if len(weights) == len(samples) else None,
        tags=torch.stack(tags) if len(tags) == len(samples) else None,
        domain=torch.tensor(domains) if len(domains) == len(samples) else None,
        matches=_matches(samples),
        point=torch.cat(points) if len(points) == len(samples) else None,
    )


def _matches(samples: Sequence[Sample]) -> Tensor | None:
    """Pairs of voxels (2, M) int64, numbered over the batch, that hold the same point of a scene in two views.

    Each pair of voxels once; None where no two samples are views of one scene.
    """
    start, found = 0, []
    known: dict[int, list[tuple[Tensor, Tensor]]] = {}
    for sample in samples:
        if sample.view is not None and sample.row is not None:
            kept = sample.inverse >= 0
            known.setdefault(sample.view, []).append((sample.row[kept], sample.inverse[kept] + start))
        start += len(sample.coords)
    for views in known.values():
        found += [_common(*first, *second) for first, second in combinations(views, 2)]
    return torch.cat(found, dim=1) if found else None


def _common(row: Tensor, voxel: Tensor, other_row: Tensor, other_voxel: Tensor) -> Tensor:
    """Pairs of voxels (2, M) of two views that hold a point of the same row."""
    at = torch.full((1 + max(int(r.max()) if len(r) else -1 for r in (row, other_row)),), -1)
    at[row] = voxel
    there = at[other_row]
    pairs = torch.stack([there, other_voxel])[:, there >= 0]
    return torch.unique(pairs, dim=1)
