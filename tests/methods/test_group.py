"""Group mining: what each loss trains, what partners change, and what alone stays as class activation."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from pcseg.activation.cam import activation_of_maps
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.methods.group import GroupMining
from pcseg.model.inputs import ImageInputs
from pcseg.nn.levels import rows_of, sample_of
from tests.methods import bodies
from tests.methods.near_pixels import near_model
from tests.methods.tiny_network import TinyNetwork, TinyPixels, make_batch, make_pictures, model_of

both = pytest.mark.parametrize("kind", ["voxels", "pixels"])


def method_of(kind: str = "voxels", **options: object) -> GroupMining:
    torch.manual_seed(0)
    model = model_of(TinyNetwork() if kind == "voxels" else TinyPixels())
    model = model if kind == "voxels" else replace(model, inputs=ImageInputs())
    return GroupMining(model, **{"width": 8, "warmup": 0.0, "ramp": 0.0, **options})  # type: ignore[arg-type]


def batch_of(kind: str = "voxels", tags: str = "100 110 001 000") -> Batch:
    batch = (make_batch if kind == "voxels" else make_pictures)(n=36, n_labels=0)
    return replace(batch, tags=torch.tensor([[int(one) for one in row] for row in tags.split()]).bool())


def activated(method: GroupMining, batch: Batch) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    levels = method.network.encode(batch.inputs, method.stride)
    return method.activate(levels, method.network.decode(levels), batch, 1.0)


@both
def test_each_loss_trains_its_part(kind: str) -> None:
    parts = {
        "early_tags": {"network", "state", "score"},
        "tags": {"network", "state", "score", "graph"},
        "seen_cross_entropy": {"network"},
    }
    for name, wanted in parts.items():
        method = method_of(kind, high=0.1, low=0.1).train()
        method.losses(batch_of(kind), 0.5)[name].backward()
        moved = {n.split(".")[0] for n, p in method.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        assert moved == wanted, name


@both
def test_without_rounds_or_partners_it_is_class_activation(kind: str) -> None:
    """Of the same loss, ``early`` aside, and the same activation."""
    for options, tags in (
        ({"rounds": 0}, "110 011 101 100"),
        ({"group": 1}, "110 011 101 100"),
        ({}, "100 010 001 000"),
    ):
        method, batch = method_of(kind, **options).eval(), batch_of(kind, tags)
        losses, found = activated(method, batch)
        torch.testing.assert_close(losses["early_tags"], 0.4 * losses["tags"])
        first = method.state(method.network.encode(batch.inputs, method.stride)[-1])
        assert batch.tags is not None
        maps = rows_of(first) @ method.score.weight.T
        wanted = activation_of_maps(maps, sample_of(first), batch.tags)
        levels = method.network.encode(batch.inputs, method.stride)
        torch.testing.assert_close(found, method.at_elements(wanted, levels, batch))


@both
def test_a_partner_changes_those_it_shares_a_tag_with_and_no_others(kind: str) -> None:
    method = method_of(kind).eval()
    alone, found = (activated(method, batch_of(kind, tags))[1] for tags in ("100 010 001 000", "100 100 001 000"))
    sample = batch_of(kind).sample
    assert not torch.allclose(alone[sample == 0], found[sample == 0], atol=1e-4)
    assert torch.equal(alone[sample == 2], found[sample == 2])


@pytest.mark.parametrize("settings", [{"early": -1.0}, {"group": 0}, {"rounds": -1}, {"drop": 2.0}])
def test_refuses_settings(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(settings)).replace("drop", "rate")):
        method_of(**settings)


CONTEXTS = torch.tensor(
    [[[0.9, 0.9, 0.2], [0.2, 0.9, 0.9]], [[0.9, 0.2, 0.9], [0.9, 0.5, 0.1]], [[0.4, 0.1, 0.7], [0.9, 0.9, 0.9]]]
)
"""Colors of the two contexts of each class, one of which is in every picture of it and in no other."""


@cache
def drawn(seed: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return pictures, their classes and where their contexts are: a disc in the one half, a square in the other."""
    generator, edge = torch.Generator().manual_seed(seed), bodies.EDGE

    def uniform(low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(size, generator=generator)

    row, column = torch.meshgrid(torch.arange(edge), torch.arange(edge), indexing="ij")
    images, labels = torch.empty(count, 3, edge, edge), torch.zeros(count, edge, edge, dtype=torch.int64)
    around = torch.zeros(count, edge, edge, dtype=torch.bool)
    for i in range(count):
        kind = i % 3
        images[i] = uniform(0.1, 0.35, 3, 1, 1)
        left, right = (6, 17) if bool(torch.rand(1, generator=generator) < 0.5) else (17, 6)
        (y, other), x = uniform(6, 17, 2).tolist(), left + float(uniform(-1, 1, 1))
        inside = (row - y) ** 2 + (column - x) ** 2 <= 4**2
        square = ((row - other).abs() <= 4) & ((column - right).abs() <= 4)
        which = int(torch.randint(2, (1,), generator=generator))
        images[i][:, square] = CONTEXTS[kind, which, :, None] + uniform(-0.1, 0.1, 3, 1)
        images[i][:, inside] = bodies.HEADS[kind, :, None] * 0.6 + 0.2 + uniform(-0.1, 0.1, 3, 1)
        labels[i][inside], around[i] = kind + 1, square & ~inside
    images += 0.05 * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1), labels, around


def mined(rounds: int, seed: int) -> float:
    """Return the mean activation on contexts."""
    method = GroupMining(near_model(seed), rounds=rounds, width=16, background="background", weight=0.0)
    bodies.train(method, seed, count=48)
    images, labels, around = drawn(seed, 48)
    with torch.no_grad():
        seen = activated(method.eval(), bodies.batch_of(images[:32], labels[:32]))[1]
    return float(seen.amax(dim=1)[around[:32].flatten()].mean())


def test_partners_tell_an_object_from_what_is_always_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class has one of two contexts, of which its partners may have the other. Seen (4 seeds): the activation on
    contexts, 0.49 to 0.58 without rounds, is 0.04 to 0.11 less with three, 0.08 on average. (Best mIoU rises too, by
    0.05 to 0.10 on average, but spreads so far over seeds and machines that no test asks it.)"""
    monkeypatch.setattr(bodies, "drawn", lambda seed, count: drawn(seed, count)[:2])
    pairs = [[mined(rounds, seed) for rounds in (0, 3)] for seed in range(4)]
    assert sum(without - partners for without, partners in pairs) / 4 > 0.04, pairs
