"""Cross pseudo supervision: who learns from whom, on which elements, and that it helps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import cross_entropy
from pcseg.methods.cross_pseudo import CrossPseudo
from pcseg.nn import frozen_statistics
from tests.methods.tiny_network import TinyNetwork, make_batch, model_of


def method_of(**options: object) -> CrossPseudo:
    torch.manual_seed(0)
    return CrossPseudo(model_of(TinyNetwork()), **{"warmup": 0.0, "ramp": 0.0, **options})  # type: ignore[arg-type]


def divided(batch: Batch) -> Batch:
    """The last two samples are unlabeled."""
    labels = torch.where(batch.sample < 2, batch.labels, -1)
    return replace(batch, labels=labels, domain=torch.tensor([0, 0, 1, 1]))


def test_each_learns_the_others_decisions_on_unlabeled_samples() -> None:
    method, batch = method_of(boxes=0, weight=2.0).eval(), divided(make_batch())
    found = method.losses(batch, 0.5)
    one, two = (network(batch.inputs).logits for network in (method.network, method.other))
    rows = batch.sample >= 2
    wanted = F.cross_entropy(one[rows], two[rows].argmax(1)) + F.cross_entropy(two[rows], one[rows].argmax(1))
    torch.testing.assert_close(found["cross"], 2 * wanted)
    torch.testing.assert_close(found["cross_entropy"], cross_entropy(one, batch.labels))
    torch.testing.assert_close(found["other_cross_entropy"], cross_entropy(two, batch.labels))


def test_gradients_of_a_network_come_through_its_own_scores_alone() -> None:
    """The other's decisions are labels: a change of its weights that leaves them changes nothing."""
    method, batch = method_of().train(), make_batch()
    torch.manual_seed(3)
    method.losses(batch, 0.5)["cross"].backward()
    first = [p.grad.clone() for p in method.network.parameters()]
    method.zero_grad()
    with torch.no_grad():
        method.other.head.weight.mul_(2.0)
        method.other.head.bias.mul_(2.0)  # twice the scores: the same decisions
    torch.manual_seed(3)
    method.losses(batch, 0.5)["cross"].backward()
    for before, parameter in zip(first, method.network.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, before)


def test_the_two_networks_begin_unlike_and_equal_ones_have_equal_losses() -> None:
    method, batch = method_of(boxes=0).eval(), make_batch()
    assert not torch.equal(method.network.head.weight, method.other.head.weight)
    method.other.load_state_dict(method.network.state_dict())
    found = method.losses(batch, 0.5)
    torch.testing.assert_close(found["cross_entropy"], found["other_cross_entropy"])


@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_decisions_move_no_statistics(statistics: str) -> None:
    """Only the passes that learn do: of the labeled samples and of the mixed ones."""
    method, batch = method_of(statistics=statistics).train(), divided(make_batch())
    twin = method_of(statistics=statistics).train()
    torch.manual_seed(5)
    method.losses(batch, 0.5)
    with frozen_statistics(twin.network), frozen_statistics(twin.other):
        twin.losses(batch, 0.5)
    counts = [int(b) for n, b in method.network.named_buffers() if n.endswith("num_batches_tracked")]
    assert counts == [2] * len(counts)
    still = [int(b) for n, b in twin.network.named_buffers() if n.endswith("num_batches_tracked")]
    assert still == [0] * len(still)


def test_the_weight_waits_and_settings_are_checked() -> None:
    method = method_of(warmup=0.2, ramp=0.2)
    assert "cross" not in method.losses(make_batch(), 0.2)
    torch.manual_seed(1)
    half = method.eval().losses(make_batch(), 0.3)["cross"]
    torch.manual_seed(1)
    torch.testing.assert_close(2 * half, method.losses(make_batch(), 0.4)["cross"])
    for wrong in ({"weight": -1.0}, {"boxes": -1}, {"statistics": "none"}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            method_of(**wrong)
