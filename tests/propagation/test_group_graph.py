"""The graph of samples: who is a partner of whom, what one round does, and what leaves a sample as it is."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from pcseg.errors import InputError
from pcseg.nn.levels import Level, rows_of, sample_of
from pcseg.propagation.group_graph import GroupGraph, drop_nodes, partners_of_tags
from pcseg.sparse import SparseTensor

C = 6
both = pytest.mark.parametrize("pixels", [True, False])


def level_of(pixels: bool, samples: int = 3) -> Level:
    """Samples of 12 rows."""
    generator = torch.Generator().manual_seed(0)
    if pixels:
        return torch.randn(samples, C, 3, 4, generator=generator)
    cells = torch.cat([torch.randperm(27, generator=generator)[:12] for _ in range(samples)])
    coords = [torch.arange(samples).repeat_interleave(12), cells // 9, cells // 3 % 3, cells % 3]
    return SparseTensor(torch.randn(12 * samples, C, generator=generator), torch.stack(coords, dim=1).int())


def graph_of(pixels: bool, **options: float) -> GroupGraph:
    torch.manual_seed(0)
    graph = GroupGraph(pixels, C, **options).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        graph.coattention.factors[0].normal_()
    return graph


def test_partners_share_a_tag_and_are_others_while_there_are_any() -> None:
    tags = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]).bool()
    torch.manual_seed(0)
    seen = [partners_of_tags(tags, 3) for _ in range(20)]
    for found in seen:
        assert found.shape == (5, 2)
        assert found[0].tolist() == [1, 0]
        assert sorted(found[1].tolist()) == [0, 2]
        assert found[2].tolist() == [1, 2]
        assert found[3].tolist() == [3, 3]
        assert found[4].tolist() == [4, 4]
    assert len({tuple(partners_of_tags(tags, 2)[1].tolist()) for _ in range(20)}) == 2
    assert partners_of_tags(tags[:1], 3).tolist() == [[0, 0]]
    assert partners_of_tags(tags, 1).shape == (5, 0)
    with pytest.raises(InputError, match="size=0"):
        partners_of_tags(tags, 0)


@both
def test_one_round_by_explicit_matrices(pixels: bool) -> None:
    graph, level = graph_of(pixels, rounds=1), level_of(pixels)
    found = rows_of(graph(level, torch.tensor([[1, 2], [0, 1], [2, 2]])))
    first, second, third = rows_of(level).view(3, 12, C)
    weight = graph.coattention.weight

    def gated(one: torch.Tensor, other: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        norm = (C,)
        scores = F.layer_norm(one, norm) @ w @ F.layer_norm(other, norm).T
        seen = scores.softmax(dim=1) @ other
        return torch.sigmoid(seen @ graph.gate.weight.T + graph.gate.bias) * seen

    told = [
        (gated(first, second, weight) + gated(first, third, weight)) / 2,
        gated(second, first, weight.T),
        torch.zeros(12, C),
    ]
    message = graph.message(level.replace(torch.cat(told)) if isinstance(level, SparseTensor) else maps(told))
    wanted = graph.update(rows_of(message), rows_of(level))
    torch.testing.assert_close(found[:24], wanted[:24], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[24:], third)


def maps(told: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(told).view(3, 3, 4, C).permute(0, 3, 1, 2)


@both
def test_the_order_of_partners_says_nothing_and_no_round_changes_nothing(pixels: bool) -> None:
    graph, level = graph_of(pixels), level_of(pixels)
    one = rows_of(graph(level, torch.tensor([[1, 2], [0, 2], [0, 1]])))
    other = rows_of(graph(level, torch.tensor([[2, 1], [2, 0], [1, 0]])))
    torch.testing.assert_close(one, other)
    assert not torch.allclose(one, rows_of(level))
    none = graph_of(pixels, rounds=0)
    assert torch.equal(rows_of(none(level, torch.tensor([[1], [0], [0]]))), rows_of(level))
    assert torch.equal(rows_of(graph(level, torch.zeros(3, 0, dtype=torch.int64))), rows_of(level))


def test_a_loss_on_one_sample_reaches_its_partner_alone() -> None:
    graph, level = graph_of(True, rounds=1), level_of(True)
    assert isinstance(level, torch.Tensor)
    level.requires_grad_()
    rows_of(graph(level, torch.tensor([[1], [0], [2]])))[:12].sum().backward()
    assert level.grad is not None
    assert [bool(part.any()) for part in level.grad] == [True, True, False]


def test_dropout_hides_the_strongest_or_weighs_by_strength() -> None:
    rows = torch.tensor([[1.0, 3.0], [1.0, 1.0], [-4.0, 2.0], [0.0, 8.0]])
    sample = torch.tensor([0, 0, 1, 2])
    dropped = drop_nodes(rows, sample, 3, rate=1.0)
    kept = torch.tensor([0.5, 1.0, 1.0, 0.5])  # a largest mean of -1 is below 0.7 times itself
    torch.testing.assert_close(dropped, rows * kept[:, None])
    weighed = drop_nodes(rows, sample, 3, rate=0.0)
    share = [(1 + 1 / (1 + math.exp(-m))) / 2 for m in (2.0, 1.0, -1.0, 4.0)]
    torch.testing.assert_close(weighed, rows * torch.tensor(share)[:, None])


def test_dropout_acts_in_training_alone() -> None:
    graph, level = graph_of(True), level_of(True)
    partners = torch.tensor([[1], [0], [0]])
    quiet = rows_of(graph(level, partners))
    assert torch.equal(quiet, rows_of(graph(level, partners)))
    assert not torch.allclose(quiet, rows_of(graph.train()(level, partners)))
    assert sample_of(graph(level, partners)).tolist() == sample_of(level).tolist()


@pytest.mark.parametrize("settings", [{"rate": 1.5}, {"rounds": -1}])
def test_refuses_settings(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        graph_of(True, **settings)
