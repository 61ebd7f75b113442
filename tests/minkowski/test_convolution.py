"""Convolutions against loops over dictionaries: every dimension, region, stride and dilation, and their gradients."""

from __future__ import annotations

import pytest
import torch

from pcseg import minkowski as ME
from tests.minkowski import oracle
from tests.minkowski.shapes import DIMENSIONS, few, gradients_agree, kernel_of, keys, make, rows


def ones(dimension: int) -> list[int]:
    return [1] * dimension


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (2, 2, 1), (2, 1, 2), (3, 1, 2), (1, 2, 1)]
)
def test_a_convolution_is_the_sum_over_its_offsets(dimension: int, size: int, stride: int, dilation: int) -> None:
    """Also the order of offsets, the bias, and coordinates below zero."""
    x = make(dimension)
    layer = ME.MinkowskiConvolution(3, 2, size, stride, dilation, bias=True, dimension=dimension).double()
    y = layer(x)
    coarse = [stride] * dimension
    out = keys(x) if stride == 1 else oracle.strided(keys(x), coarse)
    wanted = oracle.convolution(
        rows(x), kernel_of(layer, oracle.cube([size] * dimension)), out, ones(dimension), [dilation] * dimension
    )
    wanted = {coord: feats + layer.bias.detach()[0] for coord, feats in wanted.items()}
    assert oracle.equal(rows(y), wanted)
    assert y.tensor_stride == coarse
    assert stride > 1 or y.coordinate_map_key == x.coordinate_map_key


@pytest.mark.parametrize(
    ("size", "stride", "dilation"),
    [([3, 2], [1, 2], [1, 1]), ([1, 3, 2], [2, 1, 3], [1, 2, 1]), ([2, 3, 1, 3], [1, 2, 2, 1], [2, 1, 1, 2])],
)
def test_each_axis_has_its_own_size_stride_and_dilation(
    size: list[int], stride: list[int], dilation: list[int]
) -> None:
    dimension = len(size)
    x = make(dimension)
    layer = ME.MinkowskiConvolution(3, 2, size, stride, dilation, dimension=dimension).double()
    y = layer(x)
    out = oracle.strided(keys(x), stride)
    wanted = oracle.convolution(rows(x), kernel_of(layer, oracle.cube(size)), out, ones(dimension), dilation)
    assert oracle.equal(rows(y), wanted)
    assert y.tensor_stride == stride


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_chain_of_strides_goes_down_and_up_again(dimension: int) -> None:
    """Offsets are multiples of the finer stride on the way down and up; upwards the earlier voxels come back."""
    x = make(dimension)
    down = [ME.MinkowskiConvolution(3, 3, 3, s, dimension=dimension).double() for s in (2, 3)]
    up = [ME.MinkowskiConvolutionTranspose(3, 3, 3, s, dimension=dimension).double() for s in (3, 2)]
    middle = down[0](x)
    low = down[1](middle)
    back = up[1](up[0](low))
    offsets = oracle.cube([3] * dimension)
    two, six = [2] * dimension, [6] * dimension
    first = oracle.convolution(
        rows(x), kernel_of(down[0], offsets), oracle.strided(keys(x), two), ones(dimension), ones(dimension)
    )
    second = oracle.convolution(first, kernel_of(down[1], offsets), oracle.strided(keys(x), six), two, ones(dimension))
    assert oracle.equal(rows(low), second)
    third = oracle.transposed(second, kernel_of(up[0], offsets), list(first), two, ones(dimension))
    fourth = oracle.transposed(third, kernel_of(up[1], offsets), keys(x), ones(dimension), ones(dimension))
    assert oracle.equal(rows(back), fourth)
    assert back.coordinate_map_key == x.coordinate_map_key
    assert low.tensor_stride == six


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 1)])
def test_a_generative_transpose_makes_all_voxels_it_reaches(dimension: int, size: int, stride: int) -> None:
    x = make(dimension, stride=stride)
    layer = ME.MinkowskiGenerativeConvolutionTranspose(3, 2, size, stride, bias=True, dimension=dimension).double()
    y = layer(x)
    wanted = oracle.transposed(
        rows(x), kernel_of(layer, oracle.cube([size] * dimension)), None, ones(dimension), ones(dimension)
    )
    wanted = {coord: feats + layer.bias.detach()[0] for coord, feats in wanted.items()}
    assert len(wanted) > len(x)
    assert oracle.equal(rows(y), wanted)
    assert y.tensor_stride == ones(dimension)
    assert layer(x).coordinate_map_key == y.coordinate_map_key


@pytest.mark.parametrize("dimension", [1, 3, 4])
def test_a_transpose_without_finer_voxels_makes_them(dimension: int) -> None:
    x = make(dimension, stride=2)
    layer = ME.MinkowskiConvolutionTranspose(3, 2, 2, 2, dimension=dimension).double()
    wanted = oracle.transposed(
        rows(x), kernel_of(layer, oracle.cube([2] * dimension)), None, ones(dimension), ones(dimension)
    )
    assert oracle.equal(rows(layer(x)), wanted)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_an_expanding_convolution_has_all_voxels_its_kernel_reaches(dimension: int, stride: int) -> None:
    x = make(dimension)
    layer = ME.MinkowskiConvolution(3, 2, 3, stride, expand_coordinates=True, dimension=dimension).double()
    offsets = oracle.cube([3] * dimension)
    reached = {oracle.moved(n, o, ones(dimension), ones(dimension)) for n in keys(x) for o in offsets}
    out = [coord for coord in reached if all(c % stride == 0 for c in coord[1:])]
    wanted = oracle.convolution(rows(x), kernel_of(layer, offsets), out, ones(dimension), ones(dimension))
    assert oracle.equal(rows(layer(x)), wanted)


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize(("size", "dilation"), [(3, 1), (5, 1), (3, 2)])
def test_a_cross_has_its_center_and_then_each_axis(dimension: int, size: int, dilation: int) -> None:
    generator = ME.KernelGenerator(size, dilation=dilation, region_type=ME.RegionType.HYPER_CROSS, dimension=dimension)
    x = make(dimension)
    layer = ME.MinkowskiConvolution(3, 2, kernel_generator=generator, dimension=dimension).double()
    offsets = oracle.cross([size] * dimension)
    wanted = oracle.convolution(rows(x), kernel_of(layer, offsets), keys(x), ones(dimension), [dilation] * dimension)
    assert layer.kernel.shape == (1 + dimension * (size - 1), 3, 2)
    assert oracle.equal(rows(layer(x)), wanted)


def test_custom_offsets_scale_with_the_stride() -> None:
    offsets = [(0, 0), (2, -1), (-3, 0)]
    generator = ME.KernelGenerator(region_type=ME.RegionType.CUSTOM, region_offsets=torch.tensor(offsets), dimension=2)
    x = make(2, stride=2)
    layer = ME.MinkowskiConvolution(3, 2, kernel_generator=generator, dimension=2).double()
    wanted = oracle.convolution(rows(x), kernel_of(layer, offsets), keys(x), [2, 2], [1, 1])
    assert oracle.equal(rows(layer(x)), wanted)


def test_a_hybrid_kernel_is_a_cube_in_some_axes_and_a_cross_in_others() -> None:
    """Its order: the center; the first cubic axis; each offset so far along the second; then the cross."""
    types = [ME.RegionType.HYPER_CUBE, ME.RegionType.HYPER_CUBE, ME.RegionType.HYPER_CROSS]
    generator = ME.KernelGenerator(3, region_type=ME.RegionType.HYBRID, axis_types=types, dimension=3)
    offsets = [
        (0, 0, 0), (-1, 0, 0), (1, 0, 0),
        (0, -1, 0), (0, 1, 0), (-1, -1, 0), (-1, 1, 0), (1, -1, 0), (1, 1, 0),
        (0, 0, -1), (0, 0, 1),
    ]  # fmt: skip
    x = make(3)
    layer = ME.MinkowskiConvolution(3, 2, kernel_generator=generator, dimension=3).double()
    wanted = oracle.convolution(rows(x), kernel_of(layer, offsets), keys(x), [1, 1, 1], [1, 1, 1])
    assert oracle.equal(rows(layer(x)), wanted)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_channelwise_convolution_treats_channels_apart(dimension: int) -> None:
    x = make(dimension)
    layer = ME.MinkowskiChannelwiseConvolution(3, 3, 2, bias=True, dimension=dimension).double()
    offsets = oracle.cube([3] * dimension)
    diagonal = [(o, torch.diag(w)) for o, w in zip(offsets, layer.kernel.detach(), strict=True)]
    out = oracle.strided(keys(x), [2] * dimension)
    wanted = oracle.convolution(rows(x), diagonal, out, ones(dimension), ones(dimension))
    wanted = {coord: feats + layer.bias.detach()[0] for coord, feats in wanted.items()}
    assert oracle.equal(rows(layer(x)), wanted)
    assert gradients_agree(layer, few(dimension, 3))


@pytest.mark.parametrize("kind", ["coordinates", "key", "tensor"])
def test_a_convolution_onto_given_voxels(kind: str) -> None:
    x, other = make(3), make(3, seed=5)
    layer = ME.MinkowskiConvolution(3, 2, 3, dimension=3).double()
    there = ME.SparseTensor(other.F, other.C, coordinate_manager=x.coordinate_manager)
    given = {"coordinates": other.C, "key": there.coordinate_map_key, "tensor": there}[kind]
    wanted = oracle.convolution(rows(x), kernel_of(layer, oracle.cube([3, 3, 3])), keys(other), ones(3), ones(3))
    assert oracle.equal(rows(layer(x, given)), wanted)


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize(
    ("kind", "size", "stride"),
    [
        (ME.MinkowskiConvolution, 3, 1),
        (ME.MinkowskiConvolution, 2, 2),
        (ME.MinkowskiConvolution, 1, 1),
        (ME.MinkowskiGenerativeConvolutionTranspose, 2, 2),
    ],
)
def test_gradients(dimension: int, kind: type, size: int, stride: int) -> None:
    x = few(dimension, stride=stride if "Transpose" in kind.__name__ else 1)
    assert gradients_agree(kind(2, 2, size, stride, bias=True, dimension=dimension).double(), x)


def test_gradients_of_a_transpose() -> None:
    x = few(3)
    low = ME.MinkowskiConvolution(2, 2, 3, 2, dimension=3).double()(x)
    assert gradients_agree(ME.MinkowskiConvolutionTranspose(2, 2, 3, 2, dimension=3).double(), low)


REGIONS = {
    "cross": ME.KernelGenerator(3, region_type=ME.RegionType.HYPER_CROSS, dimension=2),
    "custom": ME.KernelGenerator(
        region_type=ME.RegionType.CUSTOM, region_offsets=torch.tensor([[0, 1], [1, 1], [-2, 0]]), dimension=2
    ),
    "dilated": ME.KernelGenerator(3, dilation=[2, 1], dimension=2),
    "even": ME.KernelGenerator(2, dimension=2),
}


@pytest.mark.parametrize("region", REGIONS)
def test_gradients_of_other_regions(region: str) -> None:
    layer = ME.MinkowskiConvolution(2, 2, kernel_generator=REGIONS[region], dimension=2).double()
    assert gradients_agree(layer, few(2))


def test_layers_of_different_regions_share_a_tensor() -> None:
    """Each has a kernel map of its own; a second layer of the same region has the same."""
    x = make(2)
    for generator in [*REGIONS.values(), *REGIONS.values()]:
        layer = ME.MinkowskiConvolution(3, 2, kernel_generator=generator, dimension=2).double()
        kernel = kernel_of(layer, list(generator.region.offsets))
        wanted = oracle.convolution(rows(x), kernel, keys(x), [1, 1], generator.kernel_dilation)
        assert oracle.equal(rows(layer(x)), wanted)
    assert len(x.coordinate_manager._maps) == len(REGIONS)
