"""Put the voxels of several samples together to one batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pcseg.errors import InputError
from pcseg.feeding.batch import Batch, joined
from pcseg.feeding.matches import View, matches
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
    starts = torch.tensor([0, *(len(s.coords) for s in samples)]).cumsum(0).tolist()
    views = [_view(s, start) for s, start in zip(samples, starts, strict=False)]
    return Batch(
        inputs=SparseTensor(torch.cat([s.feats for s in samples]), coords),
        sample=coords[:, 0].long(),
        position=torch.cat([s.position for s in samples]),
        color=torch.cat([s.color for s in samples]),
        labels=torch.cat([s.labels for s in samples]),
        names=tuple(s.name for s in samples),
        weights=joined([s.weights for s in samples]),
        tags=joined([None if s.tags is None else s.tags[None] for s in samples]),
        domain=joined([None if s.domain is None else torch.tensor([s.domain]) for s in samples]),
        matches=matches(views),
        point=joined([s.point for s in samples]),
    )


def _view(sample: Sample, start: int) -> View:
    """Return which points the voxels of a sample hold; in the batch they are numbered from ``start``."""
    if sample.view is None or sample.row is None:
        return View(None, sample.inverse, sample.inverse)
    kept = sample.inverse >= 0
    return View(sample.view, sample.row[kept], sample.inverse[kept] + start)
