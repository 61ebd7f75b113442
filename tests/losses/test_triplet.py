"""The batch-hard triplet loss against a loop over anchors."""

from __future__ import annotations

import math

import torch

from pcseg.losses.triplet import batch_hard_triplet


def by_loops(embedding: torch.Tensor, identity: torch.Tensor) -> float:
    values = []
    for a in range(len(embedding)):
        same = [b for b in range(len(embedding)) if b != a and identity[b] == identity[a]]
        other = [b for b in range(len(embedding)) if identity[b] != identity[a]]
        if same and other:
            far = max(math.dist(embedding[a].tolist(), embedding[b].tolist()) for b in same)
            near = min(math.dist(embedding[a].tolist(), embedding[b].tolist()) for b in other)
            values.append(math.log1p(math.exp(far - near)))
    return sum(values) / max(len(values), 1)


def test_against_loops() -> None:
    embedding = torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for identity in ([0, 0, 1, 1, 1, 2, 3, 3, 4], [0] * 9, list(range(9)), [0, 1, 0, 1, 0, 1, 0, 1, 0]):
        found = float(batch_hard_triplet(embedding, torch.tensor(identity)))
        assert math.isclose(found, by_loops(embedding, torch.tensor(identity)), abs_tol=1e-12)


def test_gradients_are_finite_where_views_coincide() -> None:
    embedding = torch.ones(4, 3, requires_grad=True)
    batch_hard_triplet(embedding, torch.tensor([0, 0, 1, 1])).backward()
    assert embedding.grad is not None
    assert embedding.grad.isfinite().all()


def test_a_step_brings_views_nearer() -> None:
    embedding = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    identity = torch.tensor([0, 0, 1, 1, 2, 2])
    before = batch_hard_triplet(embedding, identity)
    before.backward()
    assert embedding.grad is not None
    assert batch_hard_triplet(embedding.detach() - 0.1 * embedding.grad, identity) < before
