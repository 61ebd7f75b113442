"""Pooling against loops over dictionaries."""

from __future__ import annotations

import pytest
import torch

from pcseg import minkowski as ME
from tests.minkowski import oracle
from tests.minkowski.shapes import DIMENSIONS, few, gradients_agree, keys, make, rows

KINDS = {"avg": ME.MinkowskiAvgPooling, "sum": ME.MinkowskiSumPooling, "max": ME.MinkowskiMaxPooling}
GLOBAL = {"avg": ME.MinkowskiGlobalAvgPooling, "sum": ME.MinkowskiGlobalSumPooling, "max": ME.MinkowskiGlobalMaxPooling}


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize(("size", "stride", "dilation"), [(3, 2, 1), (3, 1, 1), (2, 1, 2), (5, 3, 1)])
def test_only_voxels_that_are_there_count(dimension: int, how: str, size: int, stride: int, dilation: int) -> None:
    x = make(dimension)
    y = KINDS[how](size, stride, dilation, dimension=dimension)(x)
    out = keys(x) if stride == 1 else oracle.strided(keys(x), [stride] * dimension)
    offsets = oracle.cube([size] * dimension)
    wanted = oracle.pooled(rows(x), offsets, out, [1] * dimension, [dilation] * dimension, how)
    assert oracle.equal(rows(y), wanted)
    assert y.tensor_stride == [stride] * dimension


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize("size", [2, 3])
def test_a_kernel_as_large_as_its_stride_pools_cells(dimension: int, how: str, size: int) -> None:
    """Also where it is odd and would be centered."""
    x = make(dimension)
    y = KINDS[how](size, size, dimension=dimension)(x)
    assert oracle.equal(rows(y), oracle.pooled_cells(rows(x), [size] * dimension, how))


def test_sizes_and_strides_of_each_axis() -> None:
    x = make(3)
    y = ME.MinkowskiSumPooling([1, 3, 2], [1, 2, 3], dimension=3)(x)
    out = oracle.strided(keys(x), [1, 2, 3])
    assert oracle.equal(rows(y), oracle.pooled(rows(x), oracle.cube([1, 3, 2]), out, [1, 1, 1], [1, 1, 1], "sum"))


def test_the_second_of_two_poolings_works_at_the_coarser_stride() -> None:
    x = make(2)
    first = ME.MinkowskiMaxPooling(3, 2, dimension=2)(x)
    y = ME.MinkowskiAvgPooling(3, 2, dimension=2)(first)
    out = oracle.strided(keys(x), [4, 4])
    assert oracle.equal(rows(y), oracle.pooled(rows(first), oracle.cube([3, 3]), out, [2, 2], [1, 1], "avg"))


def test_a_cross_pools_a_cross() -> None:
    generator = ME.KernelGenerator(3, region_type=ME.RegionType.HYPER_CROSS, dimension=3)
    x = make(3)
    y = ME.MinkowskiMaxPooling(3, kernel_generator=generator, dimension=3)(x)
    assert oracle.equal(rows(y), oracle.pooled(rows(x), oracle.cross([3] * 3), keys(x), [1] * 3, [1] * 3, "max"))


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 3)])
def test_a_transposed_pooling_averages_the_coarser_voxels(dimension: int, size: int, stride: int) -> None:
    x = make(dimension)
    low = KINDS["sum"](stride, stride, dimension=dimension)(x)
    y = ME.MinkowskiPoolingTranspose(size, stride, dimension=dimension)(low)
    if size == stride:
        wanted = {fine: rows(low)[oracle.floor_to(fine, [stride] * dimension)] for fine in keys(x)}
    else:
        mirrored = [tuple(-o for o in offset) for offset in oracle.cube([size] * dimension)]
        wanted = oracle.pooled(rows(low), mirrored, keys(x), [1] * dimension, [1] * dimension, "avg")
    assert oracle.equal(rows(y), wanted)
    assert y.coordinate_map_key == x.coordinate_map_key


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("how", GLOBAL)
def test_global_pooling_gives_one_row_for_each_sample(dimension: int, how: str) -> None:
    x = make(dimension)
    y = GLOBAL[how]()(x)
    wanted = {
        (b, *[0] * dimension): oracle.reduced(there, how, there[0]) for b, there in oracle.samples(rows(x)).items()
    }
    assert oracle.equal(rows(y), wanted)
    assert [coord[0] for coord in keys(y)] == [0, 1]
    assert gradients_agree(GLOBAL[how](), few(dimension))


def test_global_pooling_of_a_field() -> None:
    position = torch.tensor([[1, 0.5], [0, 2.25], [1, -3.0]])
    field = ME.TensorField(torch.tensor([[1.0], [2.0], [5.0]]), position)
    assert ME.MinkowskiGlobalMaxPooling()(field).F.flatten().tolist() == [2, 5]


@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize(("size", "stride"), [(3, 2), (2, 2)])
def test_gradients(how: str, size: int, stride: int) -> None:
    x = few(2)
    layer = KINDS[how](size, stride, dimension=2)
    assert gradients_agree(layer, x)
    assert gradients_agree(ME.MinkowskiPoolingTranspose(size, stride, dimension=2), layer(x))
