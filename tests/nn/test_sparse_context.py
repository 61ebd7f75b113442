"""Context on the voxels of a level: how far it reaches, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.nn import SparseASPP, SparseAxialBlock
from pcseg.nn.sparse_context import slices
from pcseg.sparse import SparseTensor
from tests.sparse.clouds import random_coords

C = 12


def cube(side: int = 9, stride: int = 1) -> Tensor:
    """Coordinates of a full cube around the origin."""
    axis = torch.arange(side) - side // 2
    position = stride * torch.cartesian_prod(axis, axis, axis)
    return torch.cat([torch.zeros(len(position), 1), position], dim=1).int()


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("rates", [(3,), (1, 2, 4)])
def test_a_rate_reaches_exactly_as_many_voxels(rates: tuple[int, ...], stride: int) -> None:
    coords, layer = cube(stride=stride), SparseASPP(C, rates).eval()
    for parameter in layer.parameters():
        torch.nn.init.ones_(parameter)  # no ReLU is off
    feats = torch.rand(len(coords), C, requires_grad=True)
    out = layer(SparseTensor(feats, coords, stride)).feats
    (grad,) = torch.autograd.grad(out[(coords == 0).all(dim=1)].sum(), feats)
    seen = coords[grad.abs().sum(dim=1) > 0, 1:] // stride
    steps = torch.tensor([-1, 0, 1])
    expected = torch.cat([rate * torch.cartesian_prod(steps, steps, steps) for rate in rates]).unique(dim=0)
    assert torch.equal(seen.unique(dim=0), expected.int())


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_all_branches_count_and_channels_stay(norm: str) -> None:
    torch.manual_seed(0)
    coords = random_coords(0)
    for layer in (SparseASPP(C, (1, 2, 3), norm), SparseASPP(C + 1, (1, 2), norm), SparseAxialBlock(C, norm=norm)):
        channels = len(layer.norm.weight)
        out = layer(SparseTensor(torch.randn(len(coords), channels), coords))
        assert out.feats.shape == (len(coords), channels)
        out.feats.square().sum().backward()
        silent = [name for name, p in layer.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert silent == []


def test_slices_count_from_the_first_voxel_of_a_sample() -> None:
    coords = torch.tensor([[0, -8, 0, 4], [2, 4, 4, 4], [0, 0, 0, 0], [2, 12, -4, 4]], dtype=torch.int32)
    found = slices(SparseTensor(torch.zeros(4, C), coords, stride=4))
    assert found.tolist() == [[0, 0, 1], [0, 2, 0], [2, 0, 0], [2, 0, 0]]


def test_axial_attention_sees_the_whole_sample_and_no_other() -> None:
    torch.manual_seed(0)
    ends = torch.tensor([[0, 0, 0, 0], [0, 500, 30, -20], [1, 0, 0, 0]], dtype=torch.int32)
    feats = torch.randn(3, C, requires_grad=True)
    out = SparseAxialBlock(C, norm="layer")(SparseTensor(feats, ends)).feats
    (grad,) = torch.autograd.grad(out[0].square().sum(), feats)
    assert (grad.abs().sum(dim=1) > 0).tolist() == [True, True, False]


def test_wrong_sizes_are_refused() -> None:
    for action, message in (
        (lambda: SparseASPP(8, ()), "rates: none given"),
        (lambda: SparseASPP(8, (0,)), "dilation=0"),
        (lambda: SparseASPP(0, (1,)), "cin=0"),
        (lambda: SparseAxialBlock(8, heads=0), "heads=0"),
    ):
        with pytest.raises(InputError, match=message):
            action()
