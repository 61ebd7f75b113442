"""Voxels and maps as rows of channels."""

from __future__ import annotations

import torch

from pcseg.nn.levels import cell_of, extents, pooled, rows_of, sample_of, with_rows
from pcseg.sparse import SparseTensor


def test_rows_of_maps_are_pixels_image_by_image_and_row_by_row() -> None:
    maps = torch.arange(24.0).view(2, 3, 2, 2)
    rows = rows_of(maps)
    assert rows.tolist()[:3] == [[0, 4, 8], [1, 5, 9], [2, 6, 10]]
    assert sample_of(maps).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert torch.equal(with_rows(maps, rows), maps)
    assert torch.equal(with_rows(maps, 2 * rows[:, :1]), 2 * maps[:, :1])


def test_rows_of_voxels_are_their_features() -> None:
    coords = torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0], [1, 2, 0, 0]], dtype=torch.int32)
    level = SparseTensor(torch.tensor([[1.0], [2.0], [5.0]]), coords)
    assert rows_of(level) is level.feats
    assert sample_of(level).tolist() == [1, 0, 1]
    changed = with_rows(level, torch.ones(3, 4))
    assert isinstance(changed, SparseTensor)
    assert changed.maps is level.maps
    assert pooled(level, 3).tolist() == [[2.0], [3.0], [0.0]]


def test_the_mean_of_maps_is_that_of_each_image() -> None:
    maps = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(pooled(maps, 2), maps.mean((2, 3)))


def test_cells_hold_the_voxels_inside_also_below_zero() -> None:
    coarse = torch.tensor([[0, -4, 0, 0], [1, 0, 0, 4], [0, 0, 0, 0]], dtype=torch.int32)
    fine = torch.tensor([[0, -1, 3, 0], [1, 3, 0, 7], [0, 0, 1, 2], [0, 4, 0, 0], [1, 0, 0, 0]], dtype=torch.int32)
    before = fine.clone()
    assert cell_of(fine, coarse, 4).tolist() == [0, 1, 2, 3, 3]
    assert torch.equal(fine, before)
    assert cell_of(fine[:0], coarse, 4).tolist() == []


def test_extents_are_those_of_each_sample() -> None:
    place, sample = torch.tensor([[1.0, -2.0], [3.0, 5.0], [0.0, 0.0]]), torch.tensor([2, 2, 0])
    low, high = extents(place, sample, 3)
    assert low.tolist() == [[0, 0], [torch.inf, torch.inf], [1, -2]]
    assert high.tolist() == [[0, 0], [-torch.inf, -torch.inf], [3, 5]]
