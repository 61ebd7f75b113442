"""PseudoSeg: what each loss trains, where soft labels come from, which tags are taken for known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pcseg.activation import class_activation, interpolated
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import select
from pcseg.methods import Supervised
from pcseg.methods.pseudo_seg import PseudoSeg
from pcseg.model.inputs import ImageInputs
from pcseg.nn.levels import rows_of, sample_of
from pcseg.pseudo.fusion import calibrated_fusion
from tests.methods.tiny_network import TinyNetwork, TinyPixels, make_batch, make_pictures, model_of

both = pytest.mark.parametrize("kind", ["voxels", "pixels"])


def method_of(kind: str = "voxels", **options: object) -> PseudoSeg:
    torch.manual_seed(0)
    model = model_of(TinyNetwork() if kind == "voxels" else TinyPixels())
    if kind == "pixels":
        model = replace(model, inputs=ImageInputs())
    return PseudoSeg(model, **{"warmup": 0.0, "ramp": 0.0, **options})  # type: ignore[arg-type]


def batch_of(kind: str = "voxels", sparse: bool = False) -> Batch:
    """Two labeled samples and two views of an unlabeled one; ``sparse``: two views of two scenes, a few labels each."""
    batch = (make_batch if kind == "voxels" else make_pictures)(n=36, n_labels=5 if sparse else 36)
    matches = torch.stack([torch.arange(72, 108), torch.arange(108, 144)])
    if sparse:
        return replace(batch, matches=torch.cat([matches - 72, matches], dim=1))
    labels = torch.where(batch.sample < 2, batch.labels, -1)
    return replace(batch, labels=labels, domain=torch.tensor([0, 0, 1, 1]), matches=matches)


def moved(method: PseudoSeg, loss: Tensor) -> set[str]:
    """The parts of the method that a loss trains."""
    method.zero_grad()
    loss.backward()
    return {
        name.split(".")[0] for name, p in method.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
    }


@both
def test_each_loss_trains_its_part(kind: str) -> None:
    found = method_of(kind).train().losses(batch_of(kind), 0.5).keys()
    assert set(found) == {"cross_entropy", "refined_cross_entropy", "tags", "consistency"}
    parts = {
        "cross_entropy": {"network"},
        "refined_cross_entropy": {"attention"},
        "tags": {"network", "head"},
        "consistency": {"network"},
    }
    for name, wanted in parts.items():
        method = method_of(kind).train()
        assert moved(method, method.losses(batch_of(kind), 0.5)[name]) == wanted, name


@both
def test_strong_views_learn_the_fused_labels_of_their_matches(kind: str) -> None:
    """The classifier's own tags say which classes an unlabeled sample has."""
    method, batch = method_of(kind, weight=2.0).eval(), batch_of(kind)
    found = method.losses(batch, 0.5)["consistency"]
    with torch.no_grad():
        levels = method.network.encode(batch.inputs)
        logits = method.network.decode(levels).logits
        feats, cell = rows_of(levels[-1]), sample_of(levels[-1])
        tags = method.head(feats, cell, 4) > 0
        for b in (0, 1):
            tags[b] = torch.bincount(batch.labels[batch.sample == b], minlength=3) > 0
        second = interpolated(method._activated(levels, tags), levels[-1], batch.inputs)
        usual = batch.sample < 3
        soft = torch.zeros_like(logits)
        soft[usual] = calibrated_fusion(logits[usual], second[usual])
        first, other = batch.matches  # type: ignore[misc]
        wanted = -(soft[first] * logits[other].log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(found, 2 * wanted)


def test_with_weights_of_zero_the_network_learns_as_from_labels_alone() -> None:
    method, batch = method_of(weight=0.0, tags=0.0).train(), batch_of()
    sum(method.losses(batch, 0.5).values()).backward()  # type: ignore[union-attr]
    twin = Supervised(model_of(method_of().network)).train()
    usual = select(batch, torch.tensor([True, True, True, False])).batch
    sum(twin.losses(usual, 0.5).values()).backward()  # type: ignore[union-attr]
    for one, two in zip(method.network.parameters(), twin.network.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad)


def test_sparse_labels_deny_no_class_and_strong_views_learn_theirs() -> None:
    method, batch = method_of(absent=0.0).eval(), batch_of(sparse=True)
    found = method.losses(batch, 0.5)
    scores = method.network(batch.inputs).logits
    strong = (batch.sample % 2 == 1) & (batch.labels >= 0)
    wanted = -scores.log_softmax(dim=1)[strong, batch.labels[strong]].mean()
    torch.testing.assert_close(found["strong_cross_entropy"], wanted)
    head = method.head
    with torch.no_grad():
        head.bias.fill_(40.0)  # sure of all classes: with absent=0 that is no mistake
    assert method.losses(batch, 0.5)["tags"] < 1e-6
    assert method_of(absent=1.0).eval().losses(batch, 0.5)["tags"] > 0.1


def test_elements_with_a_label_learn_no_guess() -> None:
    method, batch = method_of().eval(), batch_of(sparse=True)
    strong = batch.sample % 2 == 1
    assert method.losses(batch, 0.5)["consistency"] > 0
    labeled = replace(batch, labels=torch.where(strong, 1, batch.labels))
    assert method.losses(labeled, 0.5)["consistency"] == 0


def test_given_tags_go_before_the_classifiers() -> None:
    method, batch = method_of().eval(), batch_of()
    seen: list[Tensor] = []
    activated = method._activated
    method._activated = lambda levels, present: seen.append(present) or activated(levels, present)  # type: ignore
    tags = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]]).bool()
    loss = method.losses(replace(batch, tags=tags), 0.5)["tags"]
    assert torch.equal(seen[0], tags[:3])
    levels = method.network.encode(batch.inputs)
    scores = method.head(rows_of(levels[-1]), sample_of(levels[-1]), 4)[:3]
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(scores, tags[:3].float())
    torch.testing.assert_close(loss, wanted)


def test_a_background_has_no_tag_and_begins_as_the_activation_of_nothing() -> None:
    method, batch = method_of(background="b").eval(), batch_of()
    assert method.head.out_features == 2
    levels = method.network.encode(batch.inputs)
    nothing = torch.zeros(4, 2, dtype=torch.bool)
    activation = class_activation(rows_of(levels[-1]), method.head.weight, sample_of(levels[-1]), nothing)
    assert not activation.any()
    assert (method._activated(levels, nothing).argmax(dim=1) == 1).all()


def test_the_weight_waits_and_settings_are_checked() -> None:
    method = method_of(warmup=0.2, ramp=0.2).eval()
    assert "consistency" not in method.losses(batch_of(), 0.2)
    half, whole = (method.losses(batch_of(), at)["consistency"] for at in (0.3, 0.4))
    torch.testing.assert_close(2 * half, whole)
    assert method_of(stride=2).stride == 2
    for wrong in ({"weight": -1.0}, {"tags": -1.0}, {"temperature": 0.0}, {"norm": "x"}, {"background": "x"}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            method_of(**wrong)
