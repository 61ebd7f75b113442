"""Broadcast, union, arithmetic, pruning and interpolation against loops over dictionaries."""

from __future__ import annotations

import operator

import pytest
import torch

from pcseg import minkowski as ME
from pcseg.errors import InputError
from tests.minkowski import oracle
from tests.minkowski.shapes import DIMENSIONS, few, gradients_agree, keys, make, rows


def beside(x: ME.SparseTensor, seed: int = 9, stride: int = 1) -> ME.SparseTensor:
    """Another tensor of the same manager, with some voxels of the first."""
    other = make(x.D, seed=seed)
    coords = torch.cat([other.C, x.C[:5]]).unique(dim=0).flip(0).contiguous()
    coords[:, 1:] *= stride
    feats = torch.randn(len(coords), 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return ME.SparseTensor(feats, coords, stride, coordinate_manager=x.coordinate_manager)


def _leaf(x: ME.SparseTensor) -> torch.Tensor:
    return x.F.clone().requires_grad_()


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_broadcasts_join_each_voxel_with_its_sample(dimension: int) -> None:
    x = make(dimension)
    g = ME.MinkowskiGlobalSumPooling()(x)
    of = {coord[0]: feats for coord, feats in rows(g).items()}
    expected = {
        ME.MinkowskiBroadcastAddition: lambda f, s: f + s,
        ME.MinkowskiBroadcastMultiplication: lambda f, s: f * s,
        ME.MinkowskiBroadcast: lambda f, s: s,
        ME.MinkowskiBroadcastConcatenation: lambda f, s: torch.cat([f, s]),
    }
    for layer, join in expected.items():
        wanted = {coord: join(feats, of[coord[0]]) for coord, feats in rows(x).items()}
        y = layer()(x, g)
        assert oracle.equal(rows(y), wanted)
        assert y.coordinate_map_key == x.coordinate_map_key
        small = few(dimension)
        assert gradients_agree(layer(), small, ME.MinkowskiGlobalSumPooling()(small))


def test_a_broadcast_needs_the_result_of_a_global_pooling() -> None:
    x = make(2)
    with pytest.raises(InputError, match="global pooling"):
        ME.MinkowskiBroadcastAddition()(x, x)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_union_adds_where_voxels_coincide(dimension: int) -> None:
    x = make(dimension)
    y, z = beside(x), beside(x, seed=11, stride=2)
    wanted: oracle.Voxels = {}
    for tensor in (x, y, z):
        for coord, feats in rows(tensor).items():
            wanted[coord] = wanted.get(coord, 0) + feats
    found = ME.MinkowskiUnion()(x, y, z)
    assert oracle.equal(rows(found), wanted)
    assert len(found) < len(x) + len(y) + len(z)
    assert found.tensor_stride == [1] * dimension
    small, more = few(dimension), beside(few(dimension))
    more = ME.SparseTensor(more.F[:, :2], more.C, coordinate_manager=small.coordinate_manager)
    assert torch.autograd.gradcheck(lambda f: ME.MinkowskiUnion()(small.with_features(f), more).F, _leaf(small))


def test_a_union_has_the_smallest_stride_of_each_axis() -> None:
    coords = torch.zeros(1, 3, dtype=torch.int32)
    x = ME.SparseTensor(torch.ones(1, 1), coords, [1, 4])
    y = ME.SparseTensor(torch.ones(1, 1), coords, [2, 2], coordinate_manager=x.coordinate_manager)
    assert ME.MinkowskiUnion()(x, y).tensor_stride == [1, 2]


@pytest.mark.parametrize("apply", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_arithmetic_of_equal_and_of_different_voxels(apply: object) -> None:
    """A voxel of the first alone stays as it is; one of the second alone is f(0, second)."""
    x = make(3)
    same = x.with_features(x.F * 3 + 1)
    assert torch.equal(apply(x, same).F, apply(x.F, same.F))
    assert torch.equal(apply(x, x.F + 2).F, apply(x.F, x.F + 2))
    assert torch.equal(apply(x, 2.0).F, apply(x.F, 2.0))
    y = beside(x)
    wanted = dict(rows(x))
    for coord, feats in rows(y).items():
        wanted[coord] = apply(rows(x).get(coord, torch.zeros(3, dtype=torch.float64)), feats)
    assert oracle.equal(rows(apply(x, y)), wanted)


def test_arithmetic_in_place() -> None:
    x = make(2)
    before, kept = x.F.clone(), x.with_features(x.F.clone())
    x += kept
    x *= 2.0
    x -= kept
    assert torch.equal(x.F, 3 * before)
    with pytest.raises(InputError, match="a = a \\+ b"):
        x += beside(x)
    with pytest.raises(InputError, match="different coordinate managers"):
        x + make(2)


def test_cat_sum_mean_and_var() -> None:
    x = make(3)
    y, z = x.with_features(x.F**2), x.with_features(x.F - 1)
    stacked = torch.stack([x.F, y.F, z.F])
    assert torch.equal(ME.cat(x, y, z).F, torch.cat([x.F, y.F, z.F], 1))
    assert torch.equal(ME.cat([x, y]).F, torch.cat([x.F, y.F], 1))
    assert torch.allclose(ME.sum(x, y, z).F, stacked.sum(0))
    assert torch.allclose(ME.mean(x, y, z).F, stacked.mean(0))
    assert torch.allclose(ME.var(x, y, z).F, stacked.var(0))
    with pytest.raises(InputError, match="different coordinates"):
        ME.cat(x, beside(x))


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_pruning_keeps_the_masked_rows_in_their_order(dimension: int) -> None:
    x = make(dimension)
    mask = torch.arange(len(x)) % 3 == 1
    y = ME.MinkowskiPruning()(x, mask)
    assert torch.equal(y.C, x.C[mask])
    assert torch.equal(y.F, x.F[mask])
    assert y.tensor_stride == x.tensor_stride
    conv = ME.MinkowskiConvolution(3, 2, 3, dimension=dimension).double()
    kernel = list(zip(oracle.cube([3] * dimension), conv.kernel.detach(), strict=True))
    wanted = oracle.convolution(rows(y), kernel, keys(y), [1] * dimension, [1] * dimension)
    assert oracle.equal(rows(conv(y)), wanted)
    assert len(ME.MinkowskiPruning()(x, torch.zeros(len(x), dtype=torch.bool))) == 0
    with pytest.raises(InputError, match="mask"):
        ME.MinkowskiPruning()(x, mask[1:])


def test_layers_take_tensors_that_pruning_emptied() -> None:
    x = make(3)
    empty = ME.MinkowskiPruning()(x, torch.zeros(len(x), dtype=torch.bool))
    feats = empty.F.clone().requires_grad_()
    y = ME.MinkowskiConvolution(3, 2, 3, 2, dimension=3).double()(empty.with_features(feats))
    y = ME.MinkowskiReLU()(ME.MinkowskiMaxPooling(2, 2, dimension=3)(y))
    assert y.F.shape == (0, 2)
    assert ME.MinkowskiGlobalAvgPooling()(y).F.tolist() == [[0, 0], [0, 0]]
    y.F.sum().backward()


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_interpolation_is_multilinear_between_the_voxels_of_a_cell(dimension: int, stride: int) -> None:
    x = make(dimension, stride=stride)
    generator = torch.Generator().manual_seed(3)
    position = (torch.rand(30, 1 + dimension, generator=generator, dtype=torch.float64) * 8 - 4) * stride
    position[:, 0] = (torch.arange(30) % 2).double()
    position[0] = x.C[0]
    wanted = torch.stack([oracle.interpolated(rows(x), p.tolist(), [stride] * dimension) for p in position])
    found, (voxel, point), weight = ME.MinkowskiInterpolation(True, True)(x, position)
    assert torch.allclose(found, wanted, atol=1e-12)
    assert torch.allclose(found[0], x.F[0])
    assert torch.allclose(x.features_at_coordinates(position), wanted, atol=1e-12)
    again = torch.zeros_like(found).index_add(0, point, x.F[voxel] * weight.unsqueeze(1))
    assert torch.allclose(again, wanted, atol=1e-12)
    small, layer = few(dimension, stride=stride), ME.MinkowskiInterpolation()
    near = position[:8] / 4
    assert torch.autograd.gradcheck(lambda f: layer(small.with_features(f), near), _leaf(small))
