"""Consistency of views where some samples are labeled and only the others come as views, of voxels and of pixels."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import select
from pcseg.losses import cross_entropy, pseudo_label_cross_entropy
from pcseg.methods import ViewConsistency
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.nn import frozen_statistics
from pcseg.pseudo.gate import held_back
from tests.methods.tiny_network import TinyNetwork, TinyPixels, make_batch, make_pictures, model_of


def divided(pixels: bool, n_labels: int = 30) -> Batch:
    """Two labeled samples beside three views, one of them weak, of each of two unlabeled ones."""
    batch = (make_pictures if pixels else make_batch)(n_samples=8, n=100, n_labels=n_labels)
    rows = [(batch.sample == b).nonzero().flatten() for b in range(8)]
    pairs = [torch.stack([rows[a], rows[b]]) for group in ((2, 3, 4), (5, 6, 7)) for a, b in combinations(group, 2)]
    return replace(
        batch,
        labels=torch.where(batch.sample < 2, batch.labels, IGNORE),
        domain=(torch.arange(8) >= 2).long(),
        matches=torch.cat(pairs, dim=1),
        point=None,
    )


def method_on(pixels: bool, **options: object) -> ViewConsistency:
    torch.manual_seed(0)
    model = model_of(TinyPixels() if pixels else TinyNetwork())
    model = Model(model.networks, model.classes, ImageInputs()) if pixels else model
    return ViewConsistency(model, **{"warmup": 0.0, "ramp": 0.0, "threshold": 0.4, "hold_back": 0.0, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("pixels", [False, True], ids=["voxels", "pixels"])
def test_labeled_samples_beside_three_views_of_unlabeled_ones(pixels: bool) -> None:
    """Labels act on labeled samples alone, and decisions on the two strong views of each unlabeled one."""
    method, batch = method_on(pixels, dropout=0.0).train(), divided(pixels)
    with torch.no_grad():
        for weight in method.mean.parameters():
            weight.mul_(1.3)
    usual, strong = (
        select(batch, torch.tensor([b in chosen for b in range(8)])) for chosen in ((0, 1, 2, 5), (3, 4, 6, 7))
    )
    found = method.losses(batch, 0.5)
    with torch.no_grad(), frozen_statistics(method.network):
        logits = torch.zeros(800, 3)
        for part, rows in (usual, strong):
            logits[rows] = method.network(part.inputs).logits
        confidence, decision = method.mean.eval()(batch.inputs).logits.softmax(1).max(1)
    torch.testing.assert_close(found["cross_entropy"].detach(), cross_entropy(logits, batch.labels))
    weak = torch.where(batch.sample < 5, 2, 5)[strong.rows] * 100 + strong.rows % 100
    trust = confidence[weak] * (confidence[weak] >= 0.4)
    assert 0 < (trust > 0).sum() < 400
    wanted = pseudo_label_cross_entropy(logits[strong.rows], decision[weak], trust)
    torch.testing.assert_close(found["consistency"].detach(), wanted)


@pytest.mark.parametrize("pixels", [False, True], ids=["voxels", "pixels"])
def test_the_teacher_sees_weak_unlabeled_views_and_strong_ones_of_a_scene_stay_together(pixels: bool) -> None:
    """Together: as samples 2m and 2m + 1, which lose complementary channels."""
    method, batch = method_on(pixels, dropout=1.0).train(), divided(pixels)
    asked, parts, teacher, perturbed = [], [], method.mean.forward, method._perturbed
    method.mean.forward = lambda inputs, **given: (asked.append(len(given["position"])), teacher(inputs, **given))[1]
    method._perturbed = lambda part: (parts.append(part.names), perturbed(part))[1]  # type: ignore[method-assign]
    method.losses(batch, 0.5)
    assert asked == [200]
    assert parts == [tuple(batch.names[b] for b in (3, 4, 6, 7))]


def test_held_back_labels_of_labeled_samples_open_the_gate() -> None:
    batch = divided(False, 60)
    batch = replace(batch, point=torch.arange(800) % 100)
    held = held_back(batch.point, batch.sample, batch.names, 0.5) & (batch.labels != IGNORE)
    method = method_on(False, hold_back=0.5).train()
    method.losses(batch, 0.5)
    confidence, decision = method.mean.eval()(batch.inputs).logits.softmax(1).max(1)
    sure = held & (confidence >= 0.4)
    assert method.gate is not None
    assert (float(method.gate.sure), float(method.gate.right)) == (
        sure.sum(),
        (sure & (decision == batch.labels)).sum(),
    )
    assert sure.sum() > 0


def test_auxiliary_scores_of_a_network_are_trained() -> None:
    class WithAux(TinyNetwork):
        def decode(self, levels, position=None, color=None):  # type: ignore[no-untyped-def]
            elements = super().decode(levels, position, color)
            return replace(elements, outputs={"aux": 2 * elements.logits})

    torch.manual_seed(0)
    method, batch = ViewConsistency(model_of(WithAux()), hold_back=0.0, dropout=0.0).train(), divided(False)
    found = method.losses(batch, 0.5)["aux"]
    with torch.no_grad():
        logits = method.network(select(batch, torch.tensor([1, 1, 1, 0, 0, 1, 0, 0]).bool()).batch.inputs).logits[:200]
    torch.testing.assert_close(found.detach(), 0.4 * cross_entropy(2 * logits, batch.labels[:200]))
