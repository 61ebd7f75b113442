"""The effect of the two stages on voxels without a label, on clouds small enough to train on in a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from pcseg.classes import IGNORE
from pcseg.feeding.batch import Batch
from pcseg.methods import CrossSamplePropagation, IntraSamplePropagation, Method, Supervised
from pcseg.model.model import Model
from pcseg.sparse import SparseTensor
from tests.methods.tiny_network import TinyNetwork, model_of

N, K, FEATURES, SCANS, SIZE = 200, 4, 6, 4, 24


def make_scans(seed: int) -> tuple[Batch, torch.Tensor]:
    """A building of four scans and the true classes: ten blobs of four classes each, noisy features that shift from
    scan
    to scan, one labeled voxel a class in each scan."""
    generator = torch.Generator().manual_seed(seed)
    prototype = torch.randn(K, FEATURES, generator=generator)
    coords, feats, truth, labels = [], [], [], []
    for b in range(SCANS):
        blob_class = torch.cat([torch.arange(K), torch.randint(K, (6,), generator=generator)])
        center = torch.randint(SIZE, (10, 3), generator=generator).float()
        cell = torch.randperm(SIZE**3, generator=generator)[:N].sort().values
        xyz = torch.stack([cell // SIZE**2, cell // SIZE % SIZE, cell % SIZE], dim=1)
        true = blob_class[torch.cdist(xyz.float(), center).argmin(dim=1)]
        shift = torch.randn(1, FEATURES, generator=generator)
        label = torch.full((N,), IGNORE)
        for k in true.unique().tolist():
            where = (true == k).nonzero().flatten()
            label[where[torch.randint(len(where), (1,), generator=generator)]] = k
        coords.append(torch.cat([torch.full((N, 1), b), xyz], dim=1))
        feats.append(prototype[true] + torch.randn(N, FEATURES, generator=generator) + shift)
        truth.append(true)
        labels.append(label)
    nothing = torch.zeros(SCANS * N, 3)
    names = tuple(f"scan_{b}" for b in range(SCANS))
    voxels = SparseTensor(torch.cat(feats), torch.cat(coords).int())
    batch = Batch(voxels, voxels.sample, nothing, nothing, torch.cat(labels), names)
    return batch, torch.cat(truth)


def shuffled(batch: Batch, step: int) -> Batch:
    """The same scans, numbered anew, so that pairs change from step to step."""
    number = torch.randperm(SCANS, generator=torch.Generator().manual_seed(step)).int()
    coords = batch.inputs.coords.clone()
    coords[:, 0] = number[batch.sample]
    return replace(batch, inputs=SparseTensor(batch.inputs.feats, coords), sample=coords[:, 0].long())


def unlabeled_accuracy(seed: int, stages: list[tuple[Callable[[Model], Method], int, float]]) -> float:
    batch, truth = make_scans(seed)
    torch.manual_seed(seed)
    network = TinyNetwork(FEATURES, K, width=16)
    for make, steps, lr in stages:
        method = make(model_of(network, K)).train()
        optimizer = torch.optim.Adam(method.parameters(), lr=lr)
        for step in range(steps):
            torch.manual_seed(1000 * seed + step)
            optimizer.zero_grad()
            sum(method.losses(shuffled(batch, step), step / steps).values()).backward()
            optimizer.step()
    with torch.no_grad():
        predicted = Supervised(model_of(network, K)).eval().predict(batch).logits.argmax(dim=1)
    return float((predicted == truth)[batch.labels == IGNORE].float().mean())


def test_both_stages_beat_as_many_supervised_steps_on_unlabeled_voxels():
    """Seen over 8 seeds: accuracy from 0.42 to 0.58, gains between 0.11 and 0.19; asserted over 3 at half of that mean.

    A claim about the stages as a regularizer, not about the affinity: on clouds this small a uniform one gains as much.
    """
    gains = []
    for seed in range(3):
        plain = unlabeled_accuracy(seed, [(Supervised, 120, 1e-2), (Supervised, 30, 1e-3)])
        cross, intra = (lambda n: CrossSamplePropagation(n, stride=2)), (lambda n: IntraSamplePropagation(n, stride=2))
        gains.append(unlabeled_accuracy(seed, [(cross, 120, 1e-2), (intra, 30, 1e-3)]) - plain)
    assert min(gains) > 0, gains
    assert sum(gains) / len(gains) > 0.08, gains
