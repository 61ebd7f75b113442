"""Batches: free of hidden labels, independent of the number of workers, each with the rows of its samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.collate import collate
from pcseg.feeding.samplers import Item, PairSampler, Plan, RandomSampler
from tests.feeding.datasets import augmented, batches, budget, dataset, equal
from tests.scenes.rooms import building


@pytest.mark.parametrize("poison", ["garbage", "wrong", "gone"])
def test_hidden_labels_cannot_reach_a_batch(tmp_path: Path, poison: str) -> None:
    """With ground truth that is unreadable, wrong or missing, every batch stays the same bit for bit."""
    folders = building(tmp_path)
    labels = budget(folders)

    def run() -> list[Batch]:
        data = augmented(folders, labels)
        random = batches(data, RandomSampler(data, Plan(2, 6), mix=0.5))
        return random + batches(data, PairSampler(data, Plan(4, 6)))

    before = run()
    for folder in folders:
        for name in ("segment.npy", "instance.npy"):
            if poison == "garbage":
                (folder / name).write_bytes(b"this is not an array")
            elif poison == "wrong":
                np.save(folder / name, np.full(400, 2, dtype=np.int16))
            else:
                (folder / name).unlink()
    after = run()
    assert all(equal(a, b) for a, b in zip(before, after, strict=True))
    assert any((batch.labels != IGNORE).any() for batch in before)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(tmp_path: Path, workers: int) -> None:
    folders = building(tmp_path)
    data = augmented(folders, budget(folders))
    alone = batches(data, RandomSampler(data, Plan(2, 5), mix=0.5))
    shared = batches(data, RandomSampler(data, Plan(2, 5), mix=0.5), workers)
    assert all(equal(a, b) for a, b in zip(alone, shared, strict=True))
    resumed = batches(data, RandomSampler(data, Plan(2, 5, start=3), mix=0.5), workers)
    assert all(equal(a, b) for a, b in zip(alone[3:], resumed, strict=True))


def test_pairs_lie_side_by_side_and_share_their_class(tmp_path: Path) -> None:
    folders = building(tmp_path)
    data = augmented(folders, budget(folders))
    for batch in batches(data, PairSampler(data, Plan(4, 5))):
        sample = batch.inputs.coords[:, 0]
        for first in (0, 2):
            here, there = (set(batch.labels[sample == b].tolist()) - {IGNORE} for b in (first, first + 1))
            assert here & there
            assert batch.names[first] != batch.names[first + 1]


def test_a_batch_keeps_the_rows_of_its_samples(tmp_path: Path) -> None:
    data = dataset(building(tmp_path), None)
    samples = [data[Item(i, i)] for i in range(3)]
    batch = collate(samples)
    assert batch.n_samples == 3
    assert batch.inputs.coords.dtype == torch.int32
    for b, sample in enumerate(samples):
        rows = batch.inputs.coords[:, 0] == b
        assert torch.equal(batch.inputs.coords[rows, 1:], sample.coords)
        assert torch.equal(batch.inputs.feats[rows], sample.feats)
        assert torch.equal(batch.labels[rows], sample.labels)
    assert (batch.inputs.coords[:, 0].diff() >= 0).all()
    with pytest.raises(InputError, match="no sample"):
        collate([])
