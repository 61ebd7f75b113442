"""Virtual adversarial training: size and direction of the change, on networks whose worst change is known."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pcseg.errors import InputError
from pcseg.losses.vat import kl_divergence, virtual_adversarial_loss
from pcseg.nn.levels import rows_of, sample_of
from pcseg.sparse import SparseTensor

WEIGHT = torch.tensor([[3.0, 0.0, 0.0], [-3.0, 0.0, 0.0]])
"""Scores of two classes that follow the first of three channels alone."""


def voxels() -> SparseTensor:
    coords = torch.cartesian_prod(torch.arange(2), torch.arange(4), torch.arange(3), torch.arange(1)).int()
    feats = torch.randn(24, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 1.0, 10.0])
    return SparseTensor(feats, coords)


def pictures() -> torch.Tensor:
    scale = torch.tensor([0.1, 1.0, 10.0])[:, None, None]
    return torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * scale


def run(inputs, size=0.2):
    """Return the loss and the changes (E, 3) of the two passes, in standard deviations of the channels."""
    rows, seen = rows_of(inputs), []

    def predict(level):
        seen.append((rows_of(level) - rows).detach() / rows.std(dim=0, correction=0))
        return rows_of(level) @ WEIGHT.T

    torch.manual_seed(1)
    loss = virtual_adversarial_loss(predict, inputs, rows @ WEIGHT.T, size)
    return loss, seen


@pytest.mark.parametrize("inputs", [voxels(), pictures()], ids=["voxels", "pixels"])
def test_changes_have_the_size_asked_for_in_each_sample(inputs) -> None:
    _, (first, second) = run(inputs)
    for change, size in ((first, 0.1), (second, 0.2)):
        for number in (0, 1):
            own = change[sample_of(inputs) == number]
            torch.testing.assert_close(own.square().mean().sqrt(), torch.tensor(size), rtol=1e-4, atol=0)


@pytest.mark.parametrize("inputs", [voxels(), pictures()], ids=["voxels", "pixels"])
def test_the_change_is_along_the_channel_that_matters(inputs) -> None:
    """Only channel 0 moves the scores, and elements near the decision move more than sure ones."""
    _, (_, second) = run(inputs)
    assert float(second[:, 1:].abs().max()) < 1e-6
    assert float(second[:, 0].abs().min()) > 0


def test_the_loss_is_the_divergence_at_that_change_and_exceeds_a_random_one() -> None:
    inputs = pictures()
    rows, spread = rows_of(inputs), rows_of(inputs).std(dim=0, correction=0)
    loss, (_, second) = run(inputs)
    old, new = rows @ WEIGHT.T, (rows + spread * second) @ WEIGHT.T
    wanted = F.kl_div(new.log_softmax(1), old.log_softmax(1), log_target=True, reduction="batchmean")
    torch.testing.assert_close(loss, wanted, rtol=1e-4, atol=1e-9)
    random = torch.randn(rows.shape, generator=torch.Generator().manual_seed(2))
    random *= 0.2 / random.square().mean().sqrt()
    assert loss > 1.5 * kl_divergence(old, (rows + spread * random) @ WEIGHT.T)


def test_only_the_changed_prediction_has_a_gradient() -> None:
    inputs, weight = pictures(), WEIGHT.clone().requires_grad_()
    logits = (rows_of(inputs) @ weight.T).requires_grad_()
    virtual_adversarial_loss(lambda level: rows_of(level) @ weight.T, inputs, logits).backward()
    assert weight.grad is not None
    assert weight.grad.any()
    steady = WEIGHT.clone().requires_grad_()
    virtual_adversarial_loss(lambda level: rows_of(level) * 0 @ steady.T, inputs, 0 * logits).backward()
    assert not steady.grad.any()


def test_a_network_that_never_moves_has_no_loss() -> None:
    inputs = voxels()
    constant = torch.zeros(24, 2)
    found = virtual_adversarial_loss(lambda level: constant + 0 * rows_of(level)[:, :2], inputs, constant)
    assert float(found) == 0


def test_small_gradients_keep_their_direction() -> None:
    """Of a network so sure that the squares of its gradients are 0 in float32."""
    inputs, sure = pictures(), torch.tensor([25.0, -25.0])
    rows, seen = rows_of(inputs), []

    def predict(level):
        seen.append(rows_of(level))
        return rows_of(level) @ WEIGHT.T + sure

    virtual_adversarial_loss(predict, inputs, predict(inputs))
    change = (seen[-1] - rows) / rows.std(dim=0, correction=0)
    torch.testing.assert_close(change.square().mean(), torch.tensor(0.04), rtol=1e-3, atol=0)
    assert float(change[:, 1:].abs().max()) < 1e-6


def test_divergence_by_hand_and_checks() -> None:
    even, sure = torch.zeros(1, 2), torch.tensor([[0.0, torch.log(torch.tensor(3.0))]])
    wanted = 0.5 * torch.log(torch.tensor(0.5 / 0.25)) + 0.5 * torch.log(torch.tensor(0.5 / 0.75))
    torch.testing.assert_close(kl_divergence(even, sure), wanted)
    assert float(kl_divergence(even[:0], sure[:0])) == 0
    with pytest.raises(InputError, match="size=0"):
        virtual_adversarial_loss(lambda level: level, pictures(), even, 0.0)
