"""Affinities of tasks against explicit matrices, and what their mixture keeps."""

from __future__ import annotations

import pytest
import torch

from pcseg.errors import InputError
from pcseg.propagation.cross_task import CrossTaskAffinity, SampleAffinity, TaskAffinity, rows_and_nodes, spread

SAMPLE = torch.tensor([0, 1, 0, 1, 1, 0, 3])


def feats_of(channels: int = 5) -> torch.Tensor:
    return torch.randn(len(SAMPLE), channels, generator=torch.Generator().manual_seed(0))


def affinities(seed: int) -> list[SampleAffinity]:
    generator = torch.Generator().manual_seed(seed)
    found = []
    for rows, nodes in rows_and_nodes(SAMPLE, None):
        found.append(SampleAffinity(rows, nodes, torch.randn(len(rows), len(nodes), generator=generator).softmax(1)))
    return found


def test_attention_by_an_explicit_matrix_in_each_sample() -> None:
    torch.manual_seed(0)
    layer, feats = TaskAffinity(5, 4), feats_of()
    begun, found = layer(feats, rows_and_nodes(SAMPLE, None))
    assert torch.equal(begun, feats)
    torch.nn.init.normal_(layer.back.weight)
    scores = (feats @ layer.query.weight.T) @ (feats @ layer.key.weight.T).T
    matrix = scores.masked_fill(SAMPLE[:, None] != SAMPLE, -torch.inf).softmax(dim=1)
    wanted = feats + matrix @ feats @ layer.value.weight.T @ layer.back.weight.T
    torch.testing.assert_close(layer(feats, rows_and_nodes(SAMPLE, None))[0], wanted, atol=1e-5, rtol=1e-5)
    for a in found:
        torch.testing.assert_close(a.weights, matrix[a.rows][:, a.nodes])


def test_rows_and_nodes_hold_every_row_once_and_few_nodes() -> None:
    pairs = rows_and_nodes(SAMPLE, 2)
    assert torch.cat([rows for rows, _ in pairs]).sort().values.tolist() == list(range(7))
    assert [len(nodes) for _, nodes in pairs] == [2, 2, 1]
    assert all(bool(torch.isin(nodes, rows).all()) for rows, nodes in pairs)


def test_the_mixture_begins_as_the_mean_and_its_rows_always_sum_to_one() -> None:
    torch.manual_seed(0)
    cross, one, other = CrossTaskAffinity(), affinities(1), affinities(2)
    for a, b, mixed in zip(one, other, cross(one, other), strict=True):
        torch.testing.assert_close(mixed.weights, (a.weights + b.weights) / 2)
    torch.nn.init.normal_(cross.second.weight, std=5.0)
    for a, b, mixed in zip(one, other, cross(one, other), strict=True):
        torch.testing.assert_close(mixed.weights.sum(dim=1), torch.ones(len(a.rows)))
        if len(a.rows) > 1:
            assert not torch.allclose(mixed.weights, (a.weights + b.weights) / 2, atol=1e-3)
    for a, mixed in zip(one, cross(one, one), strict=True):
        torch.testing.assert_close(mixed.weights, a.weights)


def test_spreading_keeps_order_and_means() -> None:
    values = torch.arange(14.0).view(7, 2)
    even = [SampleAffinity(r, n, torch.full((len(r), len(n)), 1 / len(n))) for r, n in rows_and_nodes(SAMPLE, None)]
    found = spread(even, values)
    for sample in (0, 1, 3):
        own = sample == SAMPLE
        torch.testing.assert_close(found[own], values[own].mean(dim=0).expand(int(own.sum()), 2))
    alone = [SampleAffinity(r, n, torch.eye(len(r))) for r, n in rows_and_nodes(SAMPLE, None)]
    assert torch.equal(spread(alone, values), values)


def test_refuses_sizes() -> None:
    with pytest.raises(InputError, match="width=0"):
        TaskAffinity(4, 0)
    with pytest.raises(InputError, match="hidden=0"):
        CrossTaskAffinity(2, 0)
