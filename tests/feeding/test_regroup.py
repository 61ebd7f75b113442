"""Batches made of a batch: rows say where each element was, and networks see the same elements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import (
    Boxes,
    draw_boxes,
    labeled_part,
    mix,
    next_sample,
    samples_of,
    select,
    strong_views,
    unlabeled_part,
)
from pcseg.sparse import SparseTensor
from tests.methods.tiny_network import make_batch, make_pictures

Make = Callable[..., Batch]
each_kind = pytest.mark.parametrize("make", [make_batch, make_pictures], ids=["voxels", "pixels"])


def batch_of(make: Make) -> Batch:
    batch = make(n_samples=4, n=100, n_labels=30)
    generator = torch.Generator().manual_seed(1)
    count = len(batch.labels)
    return replace(
        batch,
        weights=torch.rand(count, generator=generator),
        tags=torch.eye(4, 3).bool(),
        domain=torch.tensor([0, 1, 1, 0]),
        point=torch.arange(count),
        matches=torch.zeros(2, 1, dtype=torch.int64),
    )


def seen(batch: Batch) -> torch.Tensor:
    """What a network is given of each element (E, ...)."""
    if isinstance(batch.inputs, SparseTensor):
        return torch.cat([batch.inputs.feats, batch.inputs.coords[:, 1:].float()], dim=1)
    return torch.cat([batch.inputs.permute(0, 2, 3, 1).flatten(0, 2), batch.position], dim=1)


def check_rows(part: Batch, batch: Batch, rows: torch.Tensor) -> None:
    torch.testing.assert_close(seen(part), seen(batch)[rows])
    for name in ("position", "color", "labels", "weights"):
        torch.testing.assert_close(getattr(part, name), getattr(batch, name)[rows])
    if isinstance(part.inputs, SparseTensor):
        assert torch.equal(part.inputs.coords[:, 0].long(), part.sample)
        assert len(torch.unique(part.inputs.coords, dim=0)) == len(part.inputs.coords)
    assert part.matches is None


@each_kind
def test_chosen_samples_are_numbered_anew(make: Make) -> None:
    batch = batch_of(make)
    part, rows = select(batch, torch.tensor([False, True, False, True]))
    check_rows(part, batch, rows)
    assert torch.equal(batch.sample[rows], 2 * part.sample + 1)
    assert part.names == (batch.names[1], batch.names[3])
    assert part.domain is not None
    assert part.domain.tolist() == [1, 0]
    assert part.tags is not None
    assert part.tags.tolist() == [[False, True, False], [False, False, False]]
    assert torch.equal(part.point, rows)
    with pytest.raises(InputError, match="a batch lacks labeled or unlabeled samples"):
        select(batch, torch.zeros(4, dtype=torch.bool))


@each_kind
def test_labeled_and_unlabeled_samples_by_domain_else_all(make: Make) -> None:
    batch = batch_of(make)
    assert labeled_part(batch).batch.names == (batch.names[0], batch.names[3])
    assert unlabeled_part(batch).batch.names == (batch.names[1], batch.names[2])
    undivided = replace(batch, domain=None)
    for part in (labeled_part(undivided), unlabeled_part(undivided)):
        assert part.batch is undivided
        assert torch.equal(part.rows, torch.arange(len(batch.labels)))


@each_kind
@pytest.mark.parametrize("seed", range(5))
def test_regions_change_places(make: Make, seed: int) -> None:
    """Against a loop over elements: outside the region a sample's own, inside those of its partner."""
    batch = batch_of(make)
    torch.manual_seed(seed)
    boxes, partner = draw_boxes(batch), next_sample(4)
    mixed, rows = mix(batch, partner, boxes)
    check_rows(mixed, batch, rows)
    place = batch.inputs.coords[:, 1:3] if isinstance(batch.inputs, SparseTensor) else batch.position

    def inside(row: int, sample: int) -> bool:
        hits = 0
        for low, high in zip(boxes.low[sample].tolist(), boxes.high[sample].tolist(), strict=True):
            hits += all(a <= x < b for a, x, b in zip(low, place[row].tolist(), high, strict=True))
        return hits % 2 == 1

    wanted = set()
    for target in range(4):
        for row in range(len(place)):
            of = int(batch.sample[row])
            wanted |= {(target, row)} if of == target and not inside(row, target) else set()
            wanted |= {(target, row)} if of == int(partner[target]) and inside(row, target) else set()
    assert set(zip(mixed.sample.tolist(), rows.tolist(), strict=True)) == wanted
    assert 0 < sum(int(batch.sample[row]) != target for target, row in wanted) < 0.6 * len(wanted)
    assert mixed.tags is not None
    assert batch.tags is not None
    assert torch.equal(mixed.tags, batch.tags | batch.tags[partner])


@each_kind
def test_empty_regions_and_whole_ones(make: Make) -> None:
    batch = batch_of(make)
    nothing = Boxes(torch.zeros(4, 1, 2), torch.zeros(4, 1, 2))
    mixed, rows = mix(batch, next_sample(4), nothing)
    assert torch.equal(rows, torch.arange(len(rows)))
    torch.testing.assert_close(seen(mixed), seen(batch))
    everything = Boxes(torch.full((4, 1, 2), -1e6), torch.full((4, 1, 2), 1e6))
    mixed, rows = mix(batch, next_sample(4), everything)
    assert torch.equal(batch.sample[rows], (mixed.sample + 1) % 4)


@each_kind
def test_later_views_of_a_scene_are_told_from_its_first(make: Make) -> None:
    batch = make(n_samples=4, n=16)
    assert samples_of(batch, torch.tensor([0, 40, 41])).tolist() == [True, False, True, False]
    assert samples_of(batch, batch.sample == 3).tolist() == [False, False, False, True]
    pairs = torch.tensor([[0, 0, 16], [16, 32, 33]])
    assert strong_views(replace(batch, matches=pairs)).tolist() == [False, True, True, False]
    assert not strong_views(replace(batch, matches=pairs[:, :0])).any()
