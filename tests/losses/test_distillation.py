"""Losses of multi-granularity distillation against loops over samples, cells and pairs."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from pcseg.losses.distillation import region_means, sample_mean_distance, self_similarity_distance
from pcseg.sparse import SparseTensor


def test_the_distance_of_sample_means_is_a_sum_of_absolute_differences() -> None:
    logits, target = torch.randn(7, 3), torch.randn(7, 3)
    sample = torch.tensor([0, 1, 0, 2, 2, 1, 2])
    wanted = sum((logits[sample == b].mean(0) - target[sample == b].mean(0)).abs().sum() for b in range(3))
    torch.testing.assert_close(sample_mean_distance(logits, target, sample, 3), wanted)
    assert float(sample_mean_distance(logits, logits, sample, 4)) == 0


def test_cells_of_maps_are_those_of_adaptive_pooling_where_they_divide() -> None:
    maps = torch.randn(2, 5, 14, 21)
    means, present = region_means(maps, maps, 7)
    assert bool(present.all())
    pooled = F.adaptive_avg_pool2d(maps, 7)  # number of a cell: row + 7 * column
    torch.testing.assert_close(means, pooled.transpose(2, 3).flatten(2).transpose(1, 2))


def test_maps_of_two_sizes_have_the_same_cells_and_small_ones_lack_some() -> None:
    fine, coarse = torch.rand(1, 2, 8, 8), torch.rand(1, 3, 4, 4)
    assert torch.equal(region_means(fine, fine, 4)[1], region_means(coarse, fine, 4)[1])
    _, present = region_means(coarse, fine, 7)
    assert int(present.sum()) == 16


def cloud(n: int = 60) -> SparseTensor:
    generator = torch.Generator().manual_seed(0)
    coords = torch.randint(-9, 20, (n, 4), generator=generator)
    coords[:, 0] = torch.arange(n) % 2
    coords = torch.unique(coords, dim=0).int()
    return SparseTensor(torch.randn(len(coords), 4, generator=generator), coords)


def test_cells_of_voxels_against_a_loop() -> None:
    voxels = cloud()
    means, present = region_means(voxels, voxels, 3)
    for b in (0, 1):
        own = voxels.sample == b
        at, feats = voxels.coords[own, 1:], voxels.feats[own]
        low, high = at.amin(0), at.amax(0) + 1
        cell = [[int(3 * (float(v) + 0.5 - float(lo)) / float(hi - lo)) for v, lo, hi in zip(p, low, high, strict=True)]
                for p in at]  # fmt: skip
        number = torch.tensor([x + 3 * y + 9 * z for x, y, z in cell])
        assert set(number.tolist()) == set(present[b].nonzero().flatten().tolist())
        for n in number.unique():
            torch.testing.assert_close(means[b, n], feats[number == n].mean(0))


def test_a_coarse_level_lies_in_the_cells_of_its_voxels() -> None:
    """Cells twice as large as the coarse voxels: each is wholly in the cell that its fine voxels are in."""
    xyz = torch.cartesian_prod(*3 * [torch.arange(12)])
    coords = torch.cat([torch.zeros(len(xyz), 1), xyz], dim=1).int()
    fine = SparseTensor(coords[:, 1:].float(), coords)
    places = fine.maps.coords(2)
    coarse = fine.at(2, places[:, 1:] + 0.5)  # the mean of the fine positions
    ours, theirs = region_means(fine, fine, 3), region_means(coarse, fine, 3)
    torch.testing.assert_close(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])


def test_the_distance_of_similarities_against_a_loop_and_whatever_the_widths() -> None:
    means, other = torch.randn(2, 4, 3), torch.randn(2, 4, 8)
    present, other_present = torch.rand(2, 4) > 0.3, torch.rand(2, 4) > 0.3
    present[:, 0] = other_present[:, 0] = True
    errors = []
    for b in (0, 1):
        both = [r for r in range(4) if present[b, r] and other_present[b, r]]
        for i in both:
            for j in both:
                ours = F.cosine_similarity(means[b, i], means[b, j], dim=0)
                errors.append((ours - F.cosine_similarity(other[b, i], other[b, j], dim=0)) ** 2)
    found = self_similarity_distance(means, present, other, other_present)
    torch.testing.assert_close(found, torch.stack(errors).mean())


def test_turned_and_scaled_features_are_as_similar_and_without_cells_it_is_zero() -> None:
    means, present = torch.randn(2, 5, 3), torch.ones(2, 5, dtype=torch.bool)
    turn, _ = torch.linalg.qr(torch.randn(3, 3))
    assert float(self_similarity_distance(means, present, 4 * means @ turn, present)) < 1e-10
    assert float(self_similarity_distance(means, ~present, torch.randn(2, 5, 2), present)) == 0
