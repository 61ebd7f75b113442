"""Axial attention: against the formula on maps and on scattered elements, and on a task that needs it."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.errors import InputError
from pcseg.nn.axial import AxialAttention

C, HEADS, KEYS = 5, 2, 3


def build(axes: int = 2) -> AxialAttention:
    torch.manual_seed(0)
    return AxialAttention(C, HEADS, KEYS, axes, positions=7).double()


def grid(*sizes: int) -> Tensor:
    return torch.tensor(list(itertools.product(*(range(size) for size in sizes))))


def elements(seed: int = 0, count: int = 30, axes: int = 2, n_samples: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Scattered elements, of which each sample has another extent and slices that are empty."""
    generator = torch.Generator().manual_seed(seed)
    sample = torch.randint(n_samples, (count,), generator=generator)
    index = 3 * torch.randint(2, (count, axes), generator=generator) + 2 * sample[:, None]
    return torch.randn(count, C, generator=generator, dtype=torch.float64), index, sample


def attended(weights: dict[str, Tensor], mean: Tensor, axis: int, places: Tensor, extent: int) -> Tensor:
    """Return (L, D): what slices of mean features (L, C), at ``places`` of the ``extent`` of an axis, find by head."""

    def embedded(name: str) -> Tensor:
        table = weights[f"{name}_position"][axis].T[None]
        position = F.interpolate(table, extent, mode="linear", align_corners=False)[0].T[places]
        return mean @ weights[f"{name}.weight"].T + weights[f"{name}.bias"] + position

    query, key = embedded("query"), embedded("key")
    value = mean @ weights["value.weight"].T + weights["value.bias"]
    heads = []
    for q, k, v in zip(query.chunk(HEADS, 1), key.chunk(HEADS, 1), value.chunk(HEADS, 1), strict=True):
        power = (q @ k.T / math.sqrt(KEYS)).exp()
        heads.append(power / power.sum(dim=1, keepdim=True) @ v)
    return torch.cat(heads, dim=1)


@pytest.mark.parametrize("sizes", [(4, 6), (9, 2), (3, 5, 8)])
def test_on_a_full_grid_it_is_the_formula_on_maps(sizes: tuple[int, ...]) -> None:
    """Two samples; means over all other axes of the map, and each result broadcast over them."""
    module, axes = build(len(sizes)), len(sizes)
    weights = module.state_dict()
    maps = torch.randn(2, *sizes, C, dtype=torch.float64)
    expected = maps @ weights["value.weight"].T + weights["value.bias"]
    for axis, size in enumerate(sizes):
        others = [other + 1 for other in range(axes) if other != axis]
        for b, mean in enumerate(maps.mean(dim=others)):
            found = attended(weights, mean, axis, torch.arange(size), size)
            shape = [size if other == axis else 1 for other in range(axes)]
            expected[b] += found.view(*shape, -1)
    expected = expected @ weights["project.weight"].T + weights["project.bias"]
    index = grid(*sizes).repeat(2, 1)
    out = module(maps.view(-1, C), index, torch.arange(2).repeat_interleave(len(index) // 2))
    torch.testing.assert_close(out, expected.view(-1, C), rtol=0, atol=1e-10)
    single = module.float()(maps.float().view(-1, C), index, torch.arange(2).repeat_interleave(len(index) // 2))
    torch.testing.assert_close(single.double(), expected.view(-1, C), rtol=0, atol=1e-5)


@pytest.mark.parametrize("axes", [2, 3])
def test_empty_slices_take_no_part(axes: int) -> None:
    module, (feats, index, sample) = build(axes), elements(axes=axes)
    weights = module.state_dict()
    expected = feats @ weights["value.weight"].T + weights["value.bias"]
    for b in range(3):
        rows = (sample == b).nonzero().flatten()
        for axis in range(axes):
            places, of = index[rows, axis].unique(return_inverse=True)
            mean = torch.stack([feats[rows][of == i].mean(dim=0) for i in range(len(places))])
            extent = int(index[rows, axis].max()) + 1
            expected[rows] += attended(weights, mean, axis, places, extent)[of]
    expected = expected @ weights["project.weight"].T + weights["project.bias"]
    torch.testing.assert_close(module(feats, index, sample), expected)


def test_samples_do_not_see_each_other_and_some_are_empty() -> None:
    module, (feats, index, sample) = build(), elements()
    together = module(feats, index, 2 * sample)
    for b in range(3):
        rows = sample == b
        torch.testing.assert_close(module(feats[rows], index[rows], sample[rows] - b), together[rows])


def test_the_order_of_rows_does_not_matter() -> None:
    module, (feats, index, sample) = build(), elements()
    order = torch.randperm(len(feats))
    torch.testing.assert_close(module(feats[order], index[order], sample[order]), module(feats, index, sample)[order])


@pytest.mark.parametrize("axes", [2, 3])
def test_gradients(axes: int) -> None:
    """With a sample that has no elements between two others."""
    module, (feats, index, sample) = build(axes), elements(count=8, axes=axes, n_samples=2)
    assert torch.autograd.gradcheck(lambda f: module(f, index, 2 * sample), feats.requires_grad_())
    module(feats, index, 2 * sample).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize("count", [0, 1])
def test_very_few_elements(count: int) -> None:
    feats, index, sample = elements(count=count)
    out = build()(feats.requires_grad_(), index, sample)
    assert out.shape == (count, C)
    out.sum().backward()
    assert out.isfinite().all()


def test_under_autocast() -> None:
    module, (feats, index, sample) = build().float(), elements()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = module(feats.float(), index, sample)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), module(feats.float(), index, sample), rtol=0.1, atol=0.1)


def test_wrong_input_is_refused() -> None:
    module, (feats, index, sample) = build(3), elements()
    for action, message in (
        (lambda: module(feats, index, sample), r"index \(30, 2\).*\(E, 3\)"),
        (lambda: module(feats, index, sample[:9]), r"sample \(9,\)"),
        (lambda: AxialAttention(8, heads=0), "heads=0"),
        (lambda: AxialAttention(8, key_channels=0), "key_channels=0"),
        (lambda: AxialAttention(8, axes=0), "axes=0"),
    ):
        with pytest.raises(InputError, match=message):
            action()


SIDE = 8


def boards(seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Features (count * 64, 3) and labels of boards: a row has one cue of sign +-1, which is the class of the row."""
    generator = torch.Generator().manual_seed(seed)
    sign = 2 * torch.randint(2, (count, SIDE), generator=generator) - 1
    column = torch.randint(SIDE, (count, SIDE), generator=generator)
    cue = F.one_hot(column, SIDE) * sign[:, :, None]
    noise = 0.3 * torch.randn(count, SIDE, SIDE, 2, generator=generator)
    feats = torch.cat([cue.float()[..., None], noise], dim=3)
    return feats.reshape(-1, 3), (sign > 0).long()[:, :, None].expand(-1, -1, SIDE).reshape(-1)


def far_accuracy(seed: int, with_attention: bool, steps: int = 80) -> float:
    """Accuracy on new boards of the elements at least 2 columns from the cue of their row, after training."""
    torch.manual_seed(seed)
    stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())
    attention = AxialAttention(16, 4, 8, axes=2, positions=SIDE) if with_attention else nn.Linear(16, 16)
    last = nn.Sequential(nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(nn.ModuleList([stem, attention, last]).parameters(), 0.01)

    def scores(feats: Tensor, count: int) -> Tensor:
        maps = feats.view(count, SIDE, SIDE, 3).permute(0, 3, 1, 2)
        rows = stem(maps).permute(0, 2, 3, 1).flatten(0, 2)
        place = (grid(SIDE, SIDE).repeat(count, 1), torch.arange(count).repeat_interleave(SIDE**2))
        return last(attention(rows, *place) if with_attention else attention(rows))

    for step in range(steps):
        feats, labels = boards(1000 * seed + step, 16)
        optimizer.zero_grad()
        F.cross_entropy(scores(feats, 16), labels).backward()
        optimizer.step()
    feats, labels = boards(10**6 + seed, 64)
    cue = feats[:, 0].abs().view(-1, SIDE)
    near = F.max_pool1d(cue[:, None], 3, 1, 1).flatten() > 0
    return float((scores(feats, 64).argmax(dim=1) == labels)[~near].float().mean())


def test_it_finds_a_cue_at_the_other_end_of_the_row() -> None:
    """From 0.50 (chance) to 0.99, in each of five seeds; the margin is half of that."""
    gains = [far_accuracy(seed, True) - far_accuracy(seed, False) for seed in range(4)]
    assert sum(gains) / len(gains) > 0.25, gains
