"""Sparse tensors and fields: quantization, samples apart, dense tensors, slices, and what is refused."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from pcseg import minkowski as ME
from pcseg.errors import InputError
from tests.minkowski import oracle
from tests.minkowski.shapes import DIMENSIONS, SPAN, make, rows

MODES = ME.SparseTensorQuantizationMode


def with_samples_last() -> torch.Tensor:
    """Coordinates of two samples as before version 0.4."""
    coords = torch.stack([torch.randperm(40) * 3, torch.zeros(40).long(), torch.arange(40) // 20], 1)
    return coords.int()


TWICE = torch.tensor([[1, 5], [0, 3], [1, 5], [0, 2], [1, 5]], dtype=torch.int32)
FEATS = torch.tensor([[1.0, 8], [2, 7], [6, 6], [4, 5], [2, 4]])


@pytest.mark.parametrize(
    ("mode", "row"),
    [("RANDOM_SUBSAMPLE", [1, 8]), ("UNWEIGHTED_AVERAGE", [3, 6]), ("UNWEIGHTED_SUM", [9, 18]), ("MAX_POOL", [6, 8])],
)
def test_features_of_one_voxel_are_reduced(mode: str, row: list[float]) -> None:
    """The order is that of the first points."""
    x = ME.SparseTensor(FEATS, TWICE, quantization_mode=MODES[mode])
    assert x.C.tolist() == [[1, 5], [0, 3], [0, 2]]
    assert x.F.tolist() == [row, [2, 7], [4, 5]]
    assert x.inverse_mapping.tolist() == [0, 1, 0, 2, 0]
    assert x.unique_index.tolist() == [0, 1, 3]
    field = ME.TensorField(FEATS, TWICE.float() + torch.tensor([0, 0.25]), quantization_mode=MODES[mode])
    y = field.sparse()
    assert (y.C.tolist(), y.F.tolist()) == (x.C.tolist(), x.F.tolist())
    assert field.inverse_mapping(y.coordinate_map_key).tolist() == [0, 1, 0, 2, 0]


def test_without_quantization_no_voxel_may_be_there_twice() -> None:
    with pytest.raises(InputError, match="NO_QUANTIZATION"):
        ME.SparseTensor(FEATS, TWICE, quantization_mode=MODES.NO_QUANTIZATION)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_the_order_of_voxels_is_kept(dimension: int) -> None:
    coords = oracle.cloud(dimension, 30)
    feats = torch.arange(len(coords)).float().unsqueeze(1)
    x = ME.SparseTensor(feats, coords)
    assert torch.equal(x.C, coords)
    assert torch.equal(x.F, feats)


def test_samples_apart_also_where_one_is_empty() -> None:
    coords = torch.tensor([[2, 4], [0, 1], [2, 3], [0, 7]], dtype=torch.int32)
    x = ME.SparseTensor(torch.arange(4.0).unsqueeze(1), coords)
    assert [c.flatten().tolist() for c in x.decomposed_coordinates] == [[1, 7], [], [4, 3]]
    assert [f.flatten().tolist() for f in x.decomposed_features] == [[1, 3], [], [0, 2]]
    assert x.features_at(2).flatten().tolist() == [0, 2]
    assert x.coordinates_at(0).flatten().tolist() == [1, 7]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_dense_and_back(dimension: int) -> None:
    x = make(dimension, stride=2)
    far = 2 * SPAN[dimension]
    low = torch.full((dimension,), -far, dtype=torch.int32)
    grid, origin, stride = x.dense(min_coordinate=low)
    for coord, feats in rows(x).items():
        assert torch.equal(grid[(coord[0], slice(None), *((c + far) // 2 for c in coord[1:]))], feats)
    assert int((grid != 0).any(1).sum()) == len(x)
    assert (origin.flatten().tolist(), stride.tolist()) == ([-far] * dimension, [2] * dimension)
    back = ME.to_sparse(grid)
    wanted = {(c[0], *((v + far) // 2 for v in c[1:])): f for c, f in rows(x).items()}
    assert oracle.equal(rows(back), wanted)
    with pytest.raises(InputError, match="min_coordinate"):
        x.dense()
    sparse, lowest, _ = x.sparse()
    lowest_first = (x.C[:, 1:].amin(0) - low) // 2
    whole = sparse.to_dense().movedim(-1, 1)
    cut = grid[
        (slice(None), slice(None), *(slice(a, a + n) for a, n in zip(lowest_first, whole.shape[2:], strict=True)))
    ]
    assert torch.equal(whole, cut)
    assert (lowest.flatten() * 2).tolist() == x.C[:, 1:].amin(0).tolist()


def test_dense_tensors_pass_gradients() -> None:
    grid = torch.rand(2, 3, 4, 5, requires_grad=True)
    coordinates = ME.dense_coordinates(grid.shape)
    y = ME.MinkowskiToDenseTensor(grid.shape)(ME.MinkowskiToSparseTensor(False, coordinates)(grid))
    assert torch.equal(y, grid)
    (y * 3).sum().backward()
    assert torch.equal(grid.grad, torch.full_like(grid, 3))
    assert len(ME.to_sparse(torch.eye(3).reshape(1, 3, 3, 1), format="BXXC")) == 3


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_a_slice_leads_back_to_the_points(dimension: int, stride: int) -> None:
    generator = torch.Generator().manual_seed(0)
    position = torch.rand(60, 1 + dimension, generator=generator) * 9 - 4
    position[:, 0] = torch.arange(60) % 2
    field = ME.TensorField(torch.rand(60, 2), position)
    x = field.sparse()
    y = x if stride == 1 else ME.MinkowskiSumPooling(stride, stride, dimension=dimension)(x)
    found = y.slice(field)
    for p, feats in zip(position.tolist(), found.F, strict=True):
        cell = oracle.floor_to((round(p[0]), *p[1:]), [stride] * dimension)
        assert torch.equal(feats, rows(y)[tuple(int(c) for c in cell)])
    assert torch.equal(found.C, position)
    assert torch.equal(y.cat_slice(field).F, torch.cat([found.F, field.F], 1))
    again = field.sparse(coordinate_map_key=y.coordinate_map_key)
    assert torch.equal(again.C, y.C)
    assert torch.allclose(y.interpolate(field).F, y.features_at_coordinates(position))


def test_a_slice_of_pruned_voxels_is_refused() -> None:
    field = ME.TensorField(torch.rand(3, 1), torch.tensor([[0, 0.5], [0, 1.5], [0, 1.75]]))
    x = ME.MinkowskiPruning()(field.sparse(), torch.tensor([True, False]))
    with pytest.raises(InputError, match="2 of 3 points"):
        x.slice(field)


def test_a_slice_of_a_tensor_made_from_coordinates() -> None:
    x = ME.SparseTensor(FEATS, TWICE, quantization_mode=MODES.UNWEIGHTED_AVERAGE)
    assert x.slice(x).F.tolist() == [[3, 6], [2, 7], [3, 6], [4, 5], [3, 6]]
    assert x.cat_slice(x).F.shape == (5, 4)


def test_a_splat_spreads_points_over_the_voxels_around_them() -> None:
    field = ME.TensorField(torch.tensor([[1.0], [2.0]]), torch.tensor([[0, 0.25, 0.5], [0, 1.0, 0.0]]))
    found = rows(field.splat())
    assert found[(0, 0, 0)].item() == 0.75 * 0.5
    assert found[(0, 1, 0)].item() == 0.25 * 0.5 + 2
    assert sum(f.item() for f in found.values()) == 3


def test_tensors_share_a_global_manager_on_request() -> None:
    ME.set_sparse_tensor_operation_mode(ME.SparseTensorOperationMode.SHARE_COORDINATE_MANAGER)
    try:
        x, y = make(3), make(3, seed=4)
        assert x.coordinate_manager is y.coordinate_manager is ME.global_coordinate_manager()
        assert len(x + y) == len({*map(tuple, x.C.tolist()), *map(tuple, y.C.tolist())})
    finally:
        ME.clear_global_coordinate_manager()
        ME.set_sparse_tensor_operation_mode(ME.SparseTensorOperationMode.SEPARATE_COORDINATE_MANAGER)
    assert make(3).coordinate_manager is not x.coordinate_manager


def test_a_second_tensor_of_a_manager_comes_back_to_its_own_voxels() -> None:
    x = make(3)
    y = ME.SparseTensor(make(3, seed=7).F, make(3, seed=7).C, coordinate_manager=x.coordinate_manager)
    low = ME.MinkowskiAvgPooling(2, 2, dimension=3)
    up = ME.MinkowskiPoolingTranspose(2, 2, dimension=3)
    assert up(low(x)).coordinate_map_key == x.coordinate_map_key
    assert up(low(y)).coordinate_map_key == y.coordinate_map_key


def test_maps_are_freed_with_the_tensors_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        x = make(3)
        y = ME.MinkowskiConvolution(3, 2, 3, 2, dimension=3).double()(x)
        manager = weakref.ref(x.coordinate_manager)
        del x, y
        assert manager() is None
    finally:
        gc.enable()


def test_changing_coordinates_in_place_changes_no_map() -> None:
    coords = oracle.cloud(2, 20)
    x = ME.SparseTensor(torch.ones(len(coords), 1), coords)
    before, pool = coords.clone(), ME.MinkowskiSumPooling(3, dimension=2)
    wanted = pool(x).F
    coords += 7
    x.C[:, 1:] *= 3
    assert torch.equal(x.coordinate_manager.get_coordinates(x.coordinate_map_key), before)
    assert torch.equal(ME.MinkowskiSumPooling(3, dimension=2)(x).F, wanted)


def test_maps_are_computed_once() -> None:
    x = make(3)
    conv = ME.MinkowskiConvolution(3, 3, 3, dimension=3).double()
    y = conv(conv(x))
    assert len(y.coordinate_manager._maps) == 1


@pytest.mark.parametrize(
    ("make_it", "told"),
    [
        (lambda: ME.SparseTensor(FEATS), "coordinates"),
        (lambda: ME.SparseTensor(FEATS[:2], TWICE), "2 rows for 5"),
        (lambda: ME.SparseTensor(torch.ones(1, 1), torch.tensor([[0, 2**19 + 1, 0, 0]]).int()), "beyond"),
        (lambda: ME.SparseTensor(torch.ones(1, 1), torch.tensor([[0, 2**19 + 1, 0, 0, 1]]).int()), "beyond"),
        (lambda: ME.SparseTensor(torch.ones(2, 1), torch.tensor([[-4, 2, 0], [3, 2, 0]]).int()), "stand first"),
        (lambda: ME.SparseTensor(torch.ones(40, 1), with_samples_last()), "stand first"),
        (lambda: ME.TensorField(torch.ones(1, 1), torch.tensor([[0, float("nan")]])), "NaN"),
        (lambda: make(2).coordinate_manager.get_coordinates(4), "stride"),
    ],
)
def test_mistakes_are_one_line(make_it: object, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        make_it()
    assert "\n" not in str(caught.value)


def test_samples_in_any_order_with_gaps_are_taken() -> None:
    coords = torch.tensor([[5, 1, 0], [2, 0, 0], [5, 0, 1], [0, 7, 1]], dtype=torch.int32)
    assert len(ME.SparseTensor(torch.ones(4, 1), coords)) == 4
    assert len(ME.SparseTensor(torch.ones(2, 1), coords[:2])) == 2


@pytest.mark.filterwarnings("ignore")
def test_coordinates_of_other_types_are_rounded_down_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="rounded down"):
        x = ME.SparseTensor(torch.ones(2, 1), torch.tensor([[0, -0.5], [0, 1.9]]))
    assert x.C.tolist() == [[0, -1], [0, 1]]


def test_the_old_names() -> None:
    x = ME.SparseTensor(feats=FEATS[:2], coords=TWICE[:2])
    y = ME.SparseTensor(FEATS[:2], coords_key=x.coords_key, coords_manager=x.coords_man)
    assert torch.equal(y.coords, x.C)
    assert torch.equal(y.feats, x.F)
