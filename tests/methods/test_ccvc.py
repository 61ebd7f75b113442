"""Conflict-based cross-view consistency: plain networks, features kept apart, and who learns from whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import cross_entropy
from pcseg.methods.ccvc import CCVC
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.sparse import SparseTensor
from tests.methods.tiny_network import TinyNetwork, TinyPixels, make_batch, make_pictures, model_of

each_kind = pytest.mark.parametrize("pixels", [False, True], ids=["voxels", "pixels"])


def method_of(pixels: bool = False, **options: object) -> CCVC:
    torch.manual_seed(0)
    model = model_of(TinyPixels() if pixels else TinyNetwork())
    model = Model(model.networks, model.classes, ImageInputs()) if pixels else model
    return CCVC(model, **{"warmup": 0.0, "ramp": 0.0, **options})  # type: ignore[arg-type]


def divided(pixels: bool = False) -> Batch:
    """The last two samples are unlabeled."""
    batch = (make_pictures if pixels else make_batch)(n_samples=4, n=100, n_labels=30)
    labels = torch.where(batch.sample < 2, batch.labels, -1)
    return replace(batch, labels=labels, domain=torch.tensor([0, 0, 1, 1]))


def rows_of(level: torch.Tensor | SparseTensor) -> torch.Tensor:
    return level.permute(0, 2, 3, 1).flatten(0, 2) if isinstance(level, torch.Tensor) else level.feats


def written_out(method: CCVC, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores of both networks, the second with its deepest level mapped, and these two levels."""
    first, second = method.network.encode(batch.inputs), method.other.encode(batch.inputs)
    mapped = method.mapping(second[-1])
    two = method.other.decode((*second[:-1], mapped)).logits
    return method.network.decode(first).logits, two, rows_of(first[-1]), rows_of(mapped)


@each_kind
def test_the_loss_written_out(pixels: bool) -> None:
    """Without dropout: labels of both, discrepancy everywhere, decisions on what is unlabeled alone."""
    method, batch = method_of(pixels, weight=2.0, discrepancy=0.5, threshold=0.45, dropout=0.0).train(), divided(pixels)
    found = method.losses(batch, 0.5)
    one, two, deep, mapped = written_out(method, batch)
    torch.testing.assert_close(found["cross_entropy"], cross_entropy(one, batch.labels))
    torch.testing.assert_close(found["other_cross_entropy"], cross_entropy(two, batch.labels))
    torch.testing.assert_close(found["discrepancy"], 0.5 * (1 + F.cosine_similarity(deep, mapped, dim=1).mean()))
    rows, wanted = batch.sample >= 2, torch.zeros(())
    for learning, deciding in ((one[rows], two[rows]), (two[rows], one[rows])):
        confidence, decision = deciding.softmax(1).max(1)
        conflict = (decision != learning.argmax(1)) & (confidence > 0.45)
        assert 0 < conflict.sum() < (decision != learning.argmax(1)).sum()
        wanted = wanted + ((1.0 + conflict) * F.cross_entropy(learning, decision, reduction="none")).mean()
    torch.testing.assert_close(found["cross"], 2 * wanted)
    assert found.keys() == {"cross_entropy", "other_cross_entropy", "discrepancy", "cross"}


@each_kind
def test_the_deployed_network_is_plain_and_knows_nothing_of_the_mapping(pixels: bool) -> None:
    method, batch = method_of(pixels), divided(pixels)
    assert method.deployed == "main"
    fresh = (TinyPixels if pixels else TinyNetwork)().state_dict().keys()
    assert method.network.state_dict().keys() == method.other.state_dict().keys() == fresh
    method.train().losses(batch, 0.5)
    method.eval()
    before = method.predict(batch).logits
    with torch.no_grad():
        for parameter in method.mapping.parameters():
            parameter.zero_()
    assert torch.equal(method.predict(batch).logits, before)


def test_gradients_of_a_network_come_through_its_own_scores_alone() -> None:
    """The other's decisions are labels: twice its scores are the same decisions, and the same conflicts at 0."""
    method, batch = method_of(threshold=0.0, discrepancy=0.0).eval(), divided()
    method.losses(batch, 0.5)["cross"].backward()
    first = [p.grad.clone() for p in method.network.parameters() if p.grad is not None]
    method.zero_grad()
    with torch.no_grad():
        method.other.head.weight.mul_(2.0)
        method.other.head.bias.mul_(2.0)
    method.losses(batch, 0.5)["cross"].backward()
    assert any(bool(gradient.any()) for gradient in first)
    for before, parameter in zip(first, method.network.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, before)


def test_the_weight_of_conflicts_changes_conflicting_elements_alone() -> None:
    gradients = []
    for conflict in (1.0, 3.0):
        method, batch = method_of(conflict=conflict, threshold=0.0, dropout=0.0).train(), divided()
        seen, decode = [], method.network.decode

        def keep(levels, position=None, color=None, decode=decode, seen=seen):  # type: ignore[no-untyped-def]
            elements = decode(levels, position, color)
            elements.logits.retain_grad()
            seen.append(elements.logits)
            return elements

        method.network.decode = keep
        method.losses(batch, 0.5)["cross"].backward()
        gradients.append(seen[0].grad)
    one, two, *_ = written_out(method, batch)
    conflicts = (one.argmax(1) != two.argmax(1)) & (batch.sample >= 2)
    assert 0 < conflicts.sum() < 200
    torch.testing.assert_close(gradients[1][conflicts], 3 * gradients[0][conflicts])
    torch.testing.assert_close(gradients[1][~conflicts], gradients[0][~conflicts])
    assert not gradients[0][batch.sample < 2].any()


@each_kind
def test_features_are_driven_apart_while_labels_are_learned(pixels: bool) -> None:
    """Seen: a mean cosine of 0.49 (voxels) and 0.27 (pixels) without the loss, 0.12 and 0.05 with it."""
    batch, cosine = divided(pixels), {}
    for discrepancy in (0.0, 0.4):
        method = method_of(pixels, discrepancy=discrepancy, weight=0.4, dropout=0.0).train()
        optimizer = torch.optim.Adam(method.parameters(), lr=1e-2)
        first = method.losses(batch, 0.5)["cross_entropy"].item()
        for _ in range(30):
            optimizer.zero_grad()
            losses = method.losses(batch, 0.5)
            torch.stack(list(losses.values())).sum().backward()
            optimizer.step()
        assert losses["cross_entropy"].item() < 0.9 * first
        *_, deep, mapped = written_out(method, batch)
        cosine[discrepancy] = F.cosine_similarity(deep, mapped, dim=1).mean().item()
    assert cosine[0.4] < cosine[0.0] - 0.1, cosine


def test_decisions_wait_for_the_warmup_and_until_then_labeled_samples_are_all_that_is_seen() -> None:
    method, batch = method_of(warmup=0.2, ramp=0.2).eval(), divided()
    early = method.losses(batch, 0.2)
    assert "cross" not in early
    feats = torch.where(batch.sample[:, None] < 2, batch.voxels.feats, 9.0)
    for name, value in method.losses(replace(batch, inputs=batch.voxels.replace(feats)), 0.2).items():
        torch.testing.assert_close(value, early[name])
    torch.testing.assert_close(2 * method.losses(batch, 0.3)["cross"], method.losses(batch, 0.4)["cross"])
    everywhere = replace(batch, domain=None)
    assert method.losses(everywhere, 0.5)["cross"] != method.losses(batch, 0.5)["cross"]


def test_settings_are_checked() -> None:
    for wrong in ({"weight": -1.0}, {"discrepancy": -1.0}, {"conflict": -2.0}, {"threshold": 1.5}, {"dropout": 2.0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            method_of(**wrong)
    with pytest.raises(InputError, match="Linear has no levels"):
        CCVC(model_of(nn.Linear(4, 3)))
