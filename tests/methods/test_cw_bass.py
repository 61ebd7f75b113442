"""CW-BASS: which decisions of the teacher are labels, how much they count, and at which boundaries again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pcseg.classes import IGNORE
from pcseg.elements import at_boundary
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import select
from pcseg.losses import cross_entropy
from pcseg.methods import Supervised
from pcseg.methods.cw_bass import CWBASS
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.pseudo.boundary import neighbors
from pcseg.pseudo.dynamic_threshold import DynamicThreshold
from pcseg.pseudo.gate import PrecisionGate, held_back
from tests.methods.tiny_network import TinyNetwork, TinyPixels, make_batch, make_pictures, model_of

each_kind = pytest.mark.parametrize("pixels", [False, True], ids=["voxels", "pixels"])


def method_of(pixels: bool = False, **options: object) -> CWBASS:
    """Its teacher is surer of itself than the network."""
    torch.manual_seed(0)
    model = model_of(TinyPixels() if pixels else TinyNetwork())
    model = Model(model.networks, model.classes, ImageInputs()) if pixels else model
    method = CWBASS(model, **{"warmup": 0.0, "ramp": 0.0, **options})  # type: ignore[arg-type]
    with torch.no_grad():
        for weight in method.mean.parameters():
            weight.mul_(1.5)
    return method


def batch_of(pixels: bool = False, divided: bool = True) -> Batch:
    """Four samples, of which the last two are unlabeled where ``divided``."""
    batch = (make_pictures if pixels else make_batch)(n_samples=4, n=400, n_labels=60)
    if not divided:
        return batch
    labels = torch.where(batch.sample < 2, batch.labels, IGNORE)
    return replace(batch, labels=labels, domain=torch.tensor([0, 0, 1, 1]))


def decided(method: CWBASS, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Confidence and decision of the teacher."""
    with torch.no_grad():
        found = method.mean.eval()(batch.inputs).logits.softmax(1).max(1)
    return found.values, found.indices


@each_kind
@pytest.mark.parametrize("threshold", ["published", "floor"])
def test_the_loss_written_out(pixels: bool, threshold: str) -> None:
    method = method_of(pixels, threshold=threshold, gamma=2.0, decay=0.9, weight=3.0, boundary=0.25).train()
    batch = batch_of(pixels)
    found = method.losses(batch, 0.5)
    confidence, decision = decided(method, batch)
    unlabeled = batch.sample >= 2
    mean = confidence[unlabeled].mean()
    least = (0.6 / (1 + torch.exp(-0.5 * (mean - 0.5)))).clamp(min=0.3)
    least = torch.maximum(least, 0.95 * mean) if threshold == "floor" else least
    accepted = unlabeled & (confidence > least)
    boundary = accepted & at_boundary(decision, neighbors(batch))
    assert 0 < boundary.sum() < accepted.sum() <= unlabeled.sum()
    if threshold == "floor":
        assert accepted.sum() < unlabeled.sum()
    logits = method.network.train()(batch.inputs).logits
    each = F.cross_entropy(logits, decision, reduction="none")
    torch.testing.assert_close(found["cross_entropy"], cross_entropy(logits, batch.labels))
    torch.testing.assert_close(found["confident"], 3 * 0.9 * (confidence**2 * each)[accepted].mean())
    torch.testing.assert_close(found["boundary"], 3 * 0.25 * each[boundary].mean())


def test_boundaries_are_those_of_decisions_also_where_these_are_not_accepted() -> None:
    """A boundary to a decision that is not accepted is one: the mask is made before the threshold."""
    method, batch = method_of(True, threshold="floor").train(), batch_of(True)
    method.losses(batch, 0.5)
    labels, _, boundary = method._decide(batch, torch.zeros_like(batch.labels, dtype=torch.bool))
    later = at_boundary(labels, neighbors(batch))
    assert not boundary[batch.sample < 2].any()
    assert (boundary & (labels != IGNORE)).sum() > later.sum()


@each_kind
def test_the_teacher_gets_no_gradient_and_follows_the_network(pixels: bool) -> None:
    method, batch = method_of(pixels, teacher=0.75).train(), batch_of(pixels)
    losses = method.losses(batch, 0.5)
    (losses["confident"] + losses["boundary"]).backward()
    assert all(weight.grad is None for weight in method.mean.parameters())
    assert all(bool(weight.grad.any()) for weight in method.network.head.parameters())
    method.after_step(0)
    assert torch.equal(method.mean.head.weight, method.network.head.weight)
    with torch.no_grad():
        method.network.head.weight.add_(1)
    method.after_step(1)
    torch.testing.assert_close(method.mean.head.weight, method.network.head.weight - 0.75)


@pytest.mark.parametrize("divided", [True, False])
def test_without_weight_it_is_supervised_training(divided: bool) -> None:
    batch = batch_of(divided=divided)
    method = method_of(weight=0.0, threshold="floor").train()
    torch.manual_seed(0)
    plain = Supervised(model_of(TinyNetwork())).train()
    part = select(batch, torch.arange(4) < 2).batch if divided else batch
    wanted = plain.losses(part, 0.5)["cross_entropy"]
    found = method.losses(batch, 0.5)
    assert found.keys() == {"cross_entropy"}
    torch.testing.assert_close(found["cross_entropy"], wanted)


def test_every_element_is_decided_on_where_no_sample_is_said_to_be_unlabeled() -> None:
    method, batch = method_of(threshold="published").train(), batch_of(divided=False)
    found = method.losses(batch, 0.5)["confident"]
    confidence, decision = decided(method, batch)
    each = confidence * F.cross_entropy(method.network.train()(batch.inputs).logits, decision, reduction="none")
    torch.testing.assert_close(found, each[confidence > 0.3].mean())


@pytest.mark.parametrize("divided", [True, False])
def test_held_back_labels_open_the_gate_and_never_train(divided: bool) -> None:
    batch = batch_of(divided=divided)
    batch = replace(batch, point=torch.arange(len(batch.labels)) % 400)
    held = held_back(batch.point, batch.sample, batch.names, 0.5) & (batch.labels != IGNORE)
    assert 0 < held.sum() < (batch.labels != IGNORE).sum()
    found, right = [], []
    for labels in (batch.labels, torch.where(held, (batch.labels + 1) % 3, batch.labels)):
        method = method_of(threshold="gate", hold_back=0.5).train()
        assert isinstance(method.rule, PrecisionGate)
        method.rule.threshold = 0.4
        found.append(method.losses(replace(batch, labels=labels), 0.5))
        confidence, decision = decided(method, batch)
        sure = held & (confidence >= 0.4)
        assert float(method.rule.sure) == sure.sum() > 0
        right.append(float(method.rule.right))
        assert right[-1] == (sure & (decision == labels)).sum()
    assert found[0]["cross_entropy"] == found[1]["cross_entropy"]
    assert right[0] != right[1]
    assert method_of(threshold="floor", hold_back=0.5).hold_back == 0


def test_the_floor_rises_in_training_alone_and_is_kept_with_the_state() -> None:
    method, batch = method_of(threshold="floor"), batch_of()
    assert isinstance(method.rule, DynamicThreshold)
    method.eval().losses(batch, 0.5)
    assert method.rule.mean == 0
    method.train().losses(batch, 0.5)
    confidence, _ = decided(method, batch)
    torch.testing.assert_close(method.rule.mean, confidence[batch.sample >= 2].mean())
    other = method_of(threshold="floor")
    other.load_state_dict(method.state_dict())
    assert other.rule.mean == method.rule.mean


def test_the_weight_waits_and_settings_are_checked() -> None:
    method, batch = method_of(warmup=0.2, ramp=0.2, deploy_teacher=True).eval(), batch_of()
    assert method.deployed == "teacher"
    assert method_of().deployed == "main"
    assert method.losses(batch, 0.2).keys() == {"cross_entropy"}
    torch.testing.assert_close(2 * method.losses(batch, 0.3)["confident"], method.losses(batch, 0.4)["confident"])
    assert "boundary" not in method_of(boundary=0.0).losses(batch, 0.5)
    wrong = [
        {"weight": -1.0},
        {"gamma": -1.0},
        {"threshold": "none"},
        {"decay": 1.1},
        {"hold_back": 2.0},
        {"teacher": 1.0},
    ]
    for options in wrong:
        with pytest.raises(InputError, match=next(iter(options))):
            method_of(**options)
