"""Holes in the labels are filled by a teacher, with classes that tags allow, and weigh by its probability."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.methods import Supervised
from pcseg.methods.mars import MARS
from pcseg.model.model import Model
from tests.methods.test_contract import batch_of, model_of

KINDS = pytest.mark.parametrize("kind", ["voxels", "pixels"])


def made(kind: str, **settings: Any) -> tuple[MARS, Model, Batch]:
    model = model_of(kind)
    method = MARS(model, **settings).eval()
    method.after_step(0)
    with torch.no_grad():  # the teacher stays behind
        model.network.head.bias.add_(torch.tensor([0.0, 1.0, -1.0]))
    tags = torch.tensor([[1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]]).bool()
    return method, model, replace(batch_of(kind), tags=tags, weights=None)


@KINDS
def test_the_loss_is_that_of_all_elements_with_the_holes_filled(kind: str) -> None:
    method, model, batch = made(kind, weight=0.5)
    with torch.no_grad():
        logits = model.networks["teacher"](batch.inputs).logits
        ours = model.network(batch.inputs).logits
    assert batch.tags is not None
    total = weight = 0.0
    for e, (sample, label) in enumerate(zip(batch.sample.tolist(), batch.labels.tolist(), strict=True)):
        share = logits[e].softmax(0)
        allowed = batch.tags[sample].nonzero().flatten().tolist()
        if label == IGNORE and not allowed:
            continue
        best = max(allowed, key=lambda k: float(share[k])) if label == IGNORE else label
        size = 0.5 * float(share[best]) if label == IGNORE else 1.0
        total += size * float(F.cross_entropy(ours[e], torch.tensor(best)))
        weight += size
    assert float(method.losses(batch, 1.0)["cross_entropy"].detach()) == pytest.approx(total / weight, rel=1e-4)


@KINDS
def test_without_holes_before_the_warmup_and_at_weight_0_it_is_supervised(kind: str) -> None:
    method, model, batch = made(kind)
    whole = replace(batch, labels=batch.labels.clamp(min=0))
    plain = Supervised(model).eval()
    torch.testing.assert_close(method.losses(whole, 1.0), plain.losses(whole, 1.0))
    for other, progress in ((method, 0.1), (MARS(model, weight=0).eval(), 1.0)):
        torch.testing.assert_close(other.losses(batch, progress), plain.losses(batch, progress))


def test_a_background_needs_no_tag() -> None:
    method, model, batch = made("pixels", background="a")
    with torch.no_grad():
        model.networks["teacher"].head.bias[0] = 50.0  # type: ignore[union-attr,index,operator]
    decision, sure = method._decided(batch)
    assert set(decision.tolist()) == {0}
    assert float(sure.min()) > 0.99


def test_the_teacher_is_deployed_and_learns_from_no_loss() -> None:
    method, model, batch = made("pixels")
    assert method.deployed == "teacher"
    assert MARS(model, deploy_teacher=False).deployed == "main"
    method.losses(batch, 1.0)["cross_entropy"].backward()
    assert all(p.grad is None for p in model.networks["teacher"].parameters())


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"teacher": 1.0}, {"background": "sky"}, {"ramp": -0.1}])
def test_refuses_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        MARS(model_of("pixels"), **wrong)
