"""Multiply-adds of networks, against counts by hand and by hooks on all layers."""

from __future__ import annotations

import torch
from torch import nn

from pcseg.metrics.flops import multiply_adds
from pcseg.networks import DeepLab, minkunet_small
from pcseg.nn import SparseConv3d, SparseConvTranspose3d
from pcseg.sparse import SparseTensor


def room(n: int = 6) -> SparseTensor:
    coords = torch.cartesian_prod(torch.arange(1), *3 * [torch.arange(n)]).int()
    return SparseTensor(torch.rand(len(coords), 4), coords)


def test_a_convolution_and_a_linear_layer_of_pixels() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 20, 2))
    assert multiply_adds(network, torch.rand(2, 3, 4, 5)) == 2 * (9 * 3 * 8 * 20 + 8 * 20 * 2)


def test_a_sparse_convolution_counts_its_pairs() -> None:
    """A voxel with a neighbor beside it: each meets itself and the other."""
    coords = torch.tensor([[0, 0, 0, 0], [0, 1, 0, 0], [0, 9, 9, 9]], dtype=torch.int32)
    x = SparseTensor(torch.rand(3, 5), coords)
    assert multiply_adds(SparseConv3d(5, 7, 3), x) == 5 * 5 * 7
    full = room(3)
    pairs = (3 + 2 + 2) ** 3  # along an axis 3, 2 and 2 voxels meet one at offset 0, -1 and 1
    assert multiply_adds(SparseConv3d(4, 2, 3), full) == pairs * 4 * 2


def test_a_network_of_voxels_is_the_sum_of_its_layers() -> None:
    network, x, counts = minkunet_small(4, 3), room(), []

    def count(layer: nn.Module, inputs: tuple, output: object) -> None:
        if isinstance(layer, nn.Linear):
            counts.append(len(inputs[0]) * layer.in_features * layer.out_features)
        else:
            up = isinstance(layer, SparseConvTranspose3d)
            ends = (inputs[0].stride, inputs[0].stride // layer.stride if up else inputs[0].stride * layer.stride)
            fine, coarse = min(ends), max(ends)
            pairs = x.maps.kernel_map(fine, coarse, layer.kernel_size).pairs.shape[1]
            counts.append(pairs * layer.cin * layer.cout)

    kinds = (nn.Linear, SparseConv3d, SparseConvTranspose3d)
    found = multiply_adds(network, x)
    for layer in network.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(x)
    assert found == sum(counts) > 1e5


def test_it_leaves_the_network_as_it_was() -> None:
    network = minkunet_small(4, 3).train()
    network.head.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    multiply_adds(network, room(3))
    assert network.training
    assert not network.head.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_wider_pictures_take_more() -> None:
    network = DeepLab(3, 4, width=16)
    small, large = (multiply_adds(network, torch.rand(1, 3, 64, edge)) for edge in (64, 128))
    assert 1.9 < large / small < 2.1
