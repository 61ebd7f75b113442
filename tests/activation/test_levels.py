"""Between levels of a network: means in cells, and scores of cells at elements."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from pcseg.activation import cell_means, interpolated
from pcseg.elements import flatten_pixels
from pcseg.sparse import SparseTensor


def voxels() -> tuple[SparseTensor, SparseTensor]:
    """Two samples, with voxels below zero, and their cells of four voxels, in any order."""
    g = torch.Generator().manual_seed(0)
    cells = torch.randperm(12**3, generator=g)[:200]
    xyz = torch.stack([cells // 144, cells // 12 % 12, cells % 12], dim=1) - 5
    fine = torch.cat([torch.randint(2, (200, 1), generator=g), xyz], dim=1).int()
    around = torch.cat([fine[:, :1], torch.div(fine[:, 1:], 4, rounding_mode="floor") * 4], dim=1)
    coarse = around.unique(dim=0)
    coarse = coarse[torch.randperm(len(coarse), generator=g)]
    return SparseTensor(torch.randn(200, 3, generator=g), fine), SparseTensor(torch.randn(len(coarse), 2), coarse, 4)


def test_means_of_voxels_are_those_of_each_cell() -> None:
    fine, coarse = voxels()
    found = cell_means(fine, coarse)
    for row, cell in enumerate(coarse.coords):
        inside = (fine.coords[:, 0] == cell[0]) & ((fine.coords[:, 1:] - cell[1:]) // 4 == 0).all(dim=1)
        torch.testing.assert_close(found[row], fine.feats[inside].mean(dim=0))


def test_values_between_cells_are_linear_where_all_are_occupied() -> None:
    axis = torch.arange(8)
    xyz = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).view(-1, 3)
    fine = SparseTensor(torch.zeros(512, 1), torch.cat([torch.ones(512, 1), xyz], dim=1).int())
    coarse = SparseTensor(torch.zeros(64, 1), torch.cat([torch.ones(64, 1), 2 * xyz[(xyz < 4).all(1)]], dim=1).int(), 2)
    slope = torch.tensor([[1.0, -2.0], [0.5, 0.0], [3.0, 1.0]])
    values = ((coarse.coords[:, 1:] + 1.0) @ slope).requires_grad_()
    found = interpolated(values, coarse, fine)
    inner = ((xyz > 0) & (xyz < 7)).all(dim=1)
    torch.testing.assert_close(found[inner], (xyz[inner] + 0.5) @ slope)
    found.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad.sum(), torch.tensor(512.0 * 2))


def test_every_voxel_has_a_value_within_those_of_its_sample() -> None:
    fine, coarse = voxels()
    values = coarse.coords[:, :1].float()  # the sample
    torch.testing.assert_close(interpolated(values, coarse, fine), fine.coords[:, :1].float())


def test_maps_are_averaged_and_resized() -> None:
    fine, coarse = torch.randn(2, 3, 6, 8), torch.randn(2, 5, 3, 4)
    means = flatten_pixels(fine.unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5)))
    torch.testing.assert_close(cell_means(fine, coarse), means)
    wanted = F.interpolate(coarse, (6, 8), mode="bilinear", align_corners=False)
    torch.testing.assert_close(interpolated(flatten_pixels(coarse), coarse, fine), flatten_pixels(wanted))
