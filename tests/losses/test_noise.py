"""Losses against wrong labels: their formulas, and that they learn more from labels of which many are wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.losses import cross_entropy, symmetric_cross_entropy, truncated_cross_entropy
from tests.oracles import losses as oracle


def elements(n: int = 20, k: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(n, k, dtype=torch.float64, generator=generator)
    return logits, torch.randint(-1, k, (n,), generator=generator), torch.rand(n, generator=generator).double()


def test_symmetric_cross_entropy_is_the_papers() -> None:
    logits, labels, weights = elements()
    for alpha, beta in ((0.1, 1.0), (1.0, 0.0), (0.0, 0.5)):
        wanted = oracle.symmetric(logits.numpy(), labels.numpy(), weights.numpy(), alpha, beta)
        assert symmetric_cross_entropy(logits, labels, weights, alpha, beta).item() == pytest.approx(wanted, rel=1e-12)
    torch.testing.assert_close(symmetric_cross_entropy(logits, labels, None, 1, 0), cross_entropy(logits, labels))


@pytest.mark.parametrize(("q", "low", "high"), [(0.7, 0, 1), (0.7, 0.3, 1), (0, 0, 0.8), (1, 0.2, 0.7), (0, 0, 1)])
def test_truncated_cross_entropy_is_the_papers(q: float, low: float, high: float) -> None:
    logits, labels, weights = elements()
    wanted = oracle.truncated(logits.numpy(), labels.numpy(), weights.numpy(), q, low, high)
    found = truncated_cross_entropy(logits, labels, weights, q, low, high)
    assert found.item() == pytest.approx(wanted, rel=1e-12)
    assert truncated_cross_entropy(logits, labels, q=1e-7).item() == pytest.approx(
        cross_entropy(logits, labels).item(), rel=1e-6
    )


def test_gradients_are_right_and_vanish_beyond_both_ends() -> None:
    logits, labels, _ = elements()
    for loss in (symmetric_cross_entropy, truncated_cross_entropy):
        assert torch.autograd.gradcheck(lambda z, f=loss: f(z, labels), logits.clone().requires_grad_())
    leaf = logits.clone().requires_grad_()
    truncated_cross_entropy(leaf, labels, low=0.2, high=0.8).backward()
    assert leaf.grad is not None
    probability = logits.softmax(1).gather(1, labels.clamp(min=0)[:, None]).squeeze(1)
    acts = (labels != IGNORE) & (probability > 0.2) & (probability < 0.8)
    assert 0 < acts.sum() < (labels != IGNORE).sum()
    assert torch.equal(leaf.grad.abs().sum(1) > 0, acts)


def test_a_wrong_label_of_a_sure_network_hardly_moves_it() -> None:
    gradient = {}
    for loss in (cross_entropy, symmetric_cross_entropy, truncated_cross_entropy):
        leaf = torch.tensor([[12.0, 0.0, 0.0]], requires_grad=True)
        loss(leaf, torch.tensor([1])).backward()
        assert leaf.grad is not None
        gradient[loss] = float(leaf.grad.norm())
    assert gradient[symmetric_cross_entropy] < 0.11 * gradient[cross_entropy]
    assert gradient[truncated_cross_entropy] < 0.01 * gradient[cross_entropy]


@pytest.mark.parametrize(("q", "low", "high"), [(-0.1, 0, 1), (1.1, 0, 1), (0.7, 0.5, 0.5), (0.7, -1, 1), (0, 0, 2)])
def test_numbers_out_of_range(q: float, low: float, high: float) -> None:
    with pytest.raises(InputError, match="q="):
        truncated_cross_entropy(*elements(), q, low, high)


def accuracy(loss: Callable[..., torch.Tensor], seed: int) -> float:
    """Accuracy on new points, after training on points of which 40 % have the label of another class."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(4, (1200,), generator=generator)
    feats = 2 * torch.eye(4, 8)[truth] + torch.randn(1200, 8, generator=generator)
    wrong = (truth + torch.randint(1, 4, (1200,), generator=generator)) % 4
    labels = torch.where(torch.rand(1200, generator=generator) < 0.4, wrong, truth)
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 4))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        loss(network(feats[:400]), labels[:400]).backward()
        optimizer.step()
    return float((network(feats[400:]).argmax(1) == truth[400:]).float().mean())


@pytest.mark.parametrize("loss", [symmetric_cross_entropy, truncated_cross_entropy])
def test_they_learn_more_than_cross_entropy_where_40_percent_of_the_labels_are_wrong(loss: Callable) -> None:
    gains = [accuracy(loss, seed) - accuracy(cross_entropy, seed) for seed in range(8)]
    assert sum(gains) / len(gains) > 0.025, gains  # half of what the weaker one gains
