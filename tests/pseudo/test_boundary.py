"""Neighbors of pixels and voxels, and boundaries between classes, against distances between all pairs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.elements import at_boundary
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import select
from pcseg.pseudo.boundary import neighbors
from pcseg.sparse import SparseTensor
from tests.methods.tiny_network import make_batch, make_pictures

each_kind = pytest.mark.parametrize("make", [make_batch, make_pictures], ids=["voxels", "pixels"])


def near(batch: Batch) -> torch.Tensor:
    """Whether two elements (E, E) are at most one step apart along each axis, in the same sample."""
    place = batch.inputs.coords[:, 1:] if isinstance(batch.inputs, SparseTensor) else batch.position
    apart = (place[:, None] - place[None]).abs().amax(dim=2)
    return (apart <= 1) & (batch.sample[:, None] == batch.sample[None]) & ~torch.eye(len(place), dtype=torch.bool)


@each_kind
def test_neighbors_are_one_step_apart_and_each_pair_comes_once(make: Callable[..., Batch]) -> None:
    batch = make(n_samples=3, n=625)
    found = neighbors(batch)
    table = torch.zeros(len(batch.sample), len(batch.sample), dtype=torch.int64)
    table.index_put_((found[0], found[1]), torch.ones(found.shape[1], dtype=torch.int64), accumulate=True)
    assert torch.equal(table + table.T, near(batch).long())
    assert found.dtype == torch.int64
    assert torch.equal(found, neighbors(batch))


@each_kind
def test_boundaries_are_where_a_neighbor_has_another_class(make: Callable[..., Batch]) -> None:
    batch = make(n_samples=2, n=400)
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(len(batch.sample), generator=generator) < 0.1).long()
    labels[torch.randperm(len(labels), generator=generator)[:80]] = IGNORE
    known = labels != IGNORE
    differ = near(batch) & (labels[:, None] != labels[None]) & known[:, None] & known[None]
    found = at_boundary(labels, neighbors(batch))
    assert torch.equal(found, differ.any(dim=1))
    assert 0 < found.sum() < known.sum()
    twice = torch.cat([neighbors(batch), neighbors(batch).flip(0)], dim=1)
    assert torch.equal(at_boundary(labels, twice), found)


@each_kind
def test_one_class_or_none_has_no_boundary(make: Callable[..., Batch]) -> None:
    batch = make(n_samples=2, n=100)
    for label in (IGNORE, 0, 2):
        assert not at_boundary(torch.full_like(batch.labels, label), neighbors(batch)).any()


def test_a_half_of_a_picture_against_the_other() -> None:
    batch = make_pictures(n_samples=1, n=36)
    found = at_boundary((batch.position[:, 1] >= 3).long(), neighbors(batch)).view(6, 6)
    assert torch.equal(found, torch.tensor([0, 0, 1, 1, 0, 0]).bool().expand(6, 6))


@each_kind
def test_samples_alone_and_single_elements(make: Callable[..., Batch]) -> None:
    batch = make(n_samples=3, n=100)
    part, rows = select(batch, torch.tensor([False, True, False]))
    pairs = {frozenset(pair) for pair in rows[neighbors(part)].T.tolist()}
    whole = neighbors(batch)
    inside = (batch.sample == 1)[whole].all(dim=0)
    assert pairs == {frozenset(pair) for pair in whole[:, inside].T.tolist()}
    assert neighbors(make(n_samples=2, n=1, n_labels=1)).shape == (2, 0)
