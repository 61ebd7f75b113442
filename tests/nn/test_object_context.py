"""Object context: against the formula for one sample at a time, at its limits, and on a task that needs it."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.errors import InputError
from pcseg.nn.object_context import ObjectContext

C, K = 6, 4


def build(norm: str = "batch", dropout: float = 0.0) -> ObjectContext:
    """In float64, with running statistics unlike the initial ones."""
    torch.manual_seed(0)
    module = ObjectContext(C, K, key_channels=5, dropout=dropout, norm=norm).double()
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        if value.dim() == 1:
            nn.init.uniform_(value, 0.5, 2) if "var" in name else nn.init.normal_(value)
    return module


def elements(seed: int = 1, count: int = 40, n_samples: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    feats = torch.randn(count, C, generator=generator, dtype=torch.float64)
    scores = 3 * torch.randn(count, K, generator=generator, dtype=torch.float64)
    return feats, scores, torch.randint(n_samples, (count,), generator=generator)


def oracle(weights: dict[str, Tensor], feats: Tensor, scores: Tensor) -> Tensor:
    """Eq. 8 to 10 for one sample, with batch norms in eval mode, from the state of a module."""

    def layer(x: Tensor, name: str, i: int) -> Tensor:
        mean, var = (weights[f"{name}.{i + 1}.running_{kind}"] for kind in ("mean", "var"))
        x = (x @ weights[f"{name}.{i}.weight"].T - mean) / (var + 1e-5).sqrt()
        return (x * weights[f"{name}.{i + 1}.weight"] + weights[f"{name}.{i + 1}.bias"]).clamp(min=0)

    share = scores.exp() / scores.exp().sum(dim=0)
    regions = torch.stack([(share[:, k, None] * feats).sum(dim=0) for k in range(scores.shape[1])])
    query, key = layer(layer(feats, "query", 0), "query", 3), layer(layer(regions, "key", 0), "key", 3)
    value = regions @ weights["value.weight"].T + weights["value.bias"]
    power = (query @ key.T / math.sqrt(query.shape[1])).exp()
    context = power / power.sum(dim=1, keepdim=True) @ value
    context = context @ weights["context.weight"].T + weights["context.bias"]
    return layer(torch.cat([context, feats], dim=1), "fuse", 0)


def test_it_is_the_formula_sample_by_sample() -> None:
    module, (feats, scores, sample) = build().eval(), elements()
    out = module(feats, scores, sample, 3)
    for b in range(3):
        rows = sample == b
        torch.testing.assert_close(out[rows], oracle(module.state_dict(), feats[rows], scores[rows]))


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_the_order_of_rows_does_not_matter(norm: str) -> None:
    module, (feats, scores, sample) = build(norm), elements()
    order = sample.argsort(stable=True)
    expected = module(feats[order], scores[order], sample[order], 3)
    torch.testing.assert_close(module(feats, scores, sample, 3)[order], expected)


def test_the_order_of_classes_does_not_matter() -> None:
    module, (feats, scores, sample) = build(), elements()
    torch.testing.assert_close(module(feats, scores.flip(1), sample, 3), module(feats, scores, sample, 3))


def regions_seen(module: ObjectContext, feats: Tensor, scores: Tensor, sample: Tensor, n: int) -> Tensor:
    """The regions (B, K, C) that the map to values is given."""
    found: list[Tensor] = []
    handle = module.value.register_forward_pre_hook(lambda _, given: found.append(given[0]))
    with handle:
        module(feats, scores, sample, n)
    return found[0].view(n, K, C)


@pytest.mark.parametrize("absent", [-torch.inf, -1e4])
def test_of_certain_scores_a_region_is_the_mean_of_its_class(absent: float) -> None:
    """One-hot scores; the last class is absent, and its region is the mean of the sample."""
    feats, _, sample = elements()
    labels = torch.randint(K - 1, (len(feats),), generator=torch.Generator().manual_seed(0))
    scores = torch.where(F.one_hot(labels, K) > 0, 0.0, absent).double().requires_grad_()
    module = build()
    found = regions_seen(module, feats, scores, sample, 3)
    for b in range(3):
        for k in range(K - 1):
            torch.testing.assert_close(found[b, k], feats[(sample == b) & (labels == k)].mean(dim=0))
        torch.testing.assert_close(found[b, K - 1], feats[sample == b].mean(dim=0))
    module(feats, scores, sample, 3).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_an_element_sees_its_own_sample_alone() -> None:
    module, (feats, scores, sample) = build().eval(), elements()
    other = torch.where((sample == 1)[:, None], feats + 1, feats)
    before, after = module(feats, scores, sample, 3), module(other, scores, sample, 3)
    assert torch.equal(before[sample != 1], after[sample != 1])
    assert (before[sample == 1] != after[sample == 1]).any(dim=1).all()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("count", "n_samples"), [(0, 0), (0, 2), (1, 1), (1, 3), (5, 1)])
def test_samples_without_elements_and_very_few(count: int, n_samples: int, training: bool) -> None:
    module, (feats, scores, sample) = build(dropout=0.05).train(training), elements(1, count, max(n_samples, 1))
    feats.requires_grad_()
    out = module(feats, scores, sample, n_samples)
    assert out.shape == (count, C)
    assert out.isfinite().all()
    out.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_gradients(norm: str) -> None:
    module, (feats, scores, sample) = build(norm).eval(), elements(count=12)
    inputs = (feats.requires_grad_(), scores.requires_grad_())
    assert torch.autograd.gradcheck(lambda f, s: module(f, s, sample, 3), inputs)
    module(feats, scores, sample, 3).square().sum().backward()
    assert [name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_under_autocast_regions_are_exact() -> None:
    """Of 3000 elements at 100 + noise, bfloat16, which has steps of 0.5 there, would not sum the mean to 0.05."""
    module, sample = build().float().eval(), torch.zeros(3000, dtype=torch.int64)
    feats, scores = 100 + torch.randn(3000, C), torch.zeros(3000, K)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = regions_seen(module, feats, scores, sample, 1)
        assert module(feats, scores, sample, 1).dtype == torch.bfloat16
    torch.testing.assert_close(found[0], feats.mean(dim=0).expand(K, C), rtol=0, atol=1e-3)


def test_wrong_input_is_refused() -> None:
    module, (feats, scores, sample) = build(), elements()
    for action, message in (
        (lambda: module(feats, scores[:, :2], sample, 3), r"scores \(40, 2\).*\(E, 4\)"),
        (lambda: module(feats[:, :2], scores, sample, 3), r"feats \(40, 2\).*\(E, 6\)"),
        (lambda: module(feats, scores, sample[:9], 3), r"sample \(9,\)"),
        (lambda: module(feats, scores, sample, 2), "sample: holds 2, but must be below 2"),
        (lambda: ObjectContext(0, 4), "channels=0"),
        (lambda: ObjectContext(8, 4, key_channels=0), "key_channels=0"),
        (lambda: ObjectContext(8, 4, dropout=1.0), "dropout=1"),
    ):
        with pytest.raises(InputError, match=message):
            action()


def scenes(seed: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features, labels and sample of ``count`` samples of 40 elements, shuffled.

    Classes 0 and 1, of which a sample has one, in 3 elements, are told by their features, as is class 4; classes 2 and
    3 look the same, and are 2 in a sample with class 0 and 3 in one with class 1.
    """
    generator = torch.Generator().manual_seed(seed)
    cue = torch.randint(2, (count, 1), generator=generator)
    labels = torch.cat([cue.expand(-1, 3), 2 + cue.expand(-1, 15), torch.full((count, 22), 4)], dim=1).flatten()
    looks = F.one_hot(torch.tensor([0, 1, 2, 2, 3])[labels], 4).float()
    feats = looks + 0.3 * torch.randn(len(looks), 4, generator=generator)
    order = torch.randperm(len(labels), generator=generator)
    return feats[order], labels[order], torch.arange(count).repeat_interleave(40)[order]


def ambiguous_accuracy(seed: int, with_context: bool, steps: int = 100) -> float:
    """Accuracy on classes 2 and 3 of new samples, after training."""
    torch.manual_seed(seed)
    stem, aux, head = nn.Sequential(nn.Linear(4, 16), nn.ReLU()), nn.Linear(16, 5), nn.Linear(16, 5)
    last = ObjectContext(16, 5) if with_context else nn.Sequential(nn.Linear(16, 16), nn.ReLU())
    parts = nn.ModuleList([stem, aux, last, head])

    def scores(feats: Tensor, sample: Tensor, n: int) -> tuple[Tensor, Tensor]:
        inner = stem(feats)
        coarse = aux(inner)
        return coarse, head(last(inner, coarse, sample, n) if with_context else last(inner))

    optimizer = torch.optim.Adam(parts.parameters(), 0.01)
    for step in range(steps):
        feats, labels, sample = scenes(1000 * seed + step, 16)
        coarse, fine = scores(feats, sample, 16)
        optimizer.zero_grad()
        (F.cross_entropy(fine, labels) + 0.4 * F.cross_entropy(coarse, labels)).backward()
        optimizer.step()
    parts.eval()
    feats, labels, sample = scenes(10**6 + seed, 64)
    asked = (labels == 2) | (labels == 3)
    return float((scores(feats, sample, 64)[1].argmax(dim=1) == labels)[asked].float().mean())


def test_it_finds_a_class_that_a_far_cue_decides() -> None:
    """From 0.50 (chance) to 0.99, 0.43 to 0.55 in each of six seeds; the margin is half of the mean."""
    gains = [ambiguous_accuracy(seed, True) - ambiguous_accuracy(seed, False) for seed in range(4)]
    assert sum(gains) / len(gains) > 0.25, gains
