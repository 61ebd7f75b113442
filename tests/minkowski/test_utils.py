"""Quantization, collation and the other helpers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pcseg import minkowski as ME
from pcseg.errors import InputError

POINTS = np.array([[0.1, 0.2], [5.0, -0.1], [0.15, 0.25], [-0.3, 0.0], [5.1, -0.2]])


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_quantization_keeps_the_first_point_of_each_cell(convert: object) -> None:
    """Negative coordinates round down, and the order is that of the points."""
    points, feats = convert(POINTS), convert(np.arange(10.0).reshape(5, 2))
    cells, kept, index, inverse = ME.utils.sparse_quantize(
        points, feats, return_index=True, return_inverse=True, quantization_size=0.5
    )
    assert cells.tolist() == [[0, 0], [10, -1], [-1, 0]]
    assert cells.dtype == torch.int32
    assert kept.tolist() == [[0, 1], [2, 3], [6, 7]]
    assert index.tolist() == [0, 1, 3]
    assert inverse.tolist() == [0, 1, 0, 2, 1]
    assert ME.utils.sparse_quantize(points).tolist() == [[0, 0], [5, -1], [-1, 0]]
    assert ME.utils.sparse_quantize(points, return_maps_only=True).tolist() == [0, 1, 3]
    sides = ME.utils.sparse_quantize(points, quantization_size=[10.0, 0.1])
    assert sides.tolist() == [[0, 2], [0, -1], [-1, 0], [0, -2]]


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_labels_of_a_cell_that_differ_are_ignored(convert: object) -> None:
    labels = convert(np.array([3, 1, 4, 2, 1]))
    cells, kept = ME.utils.sparse_quantize(convert(POINTS), labels=labels, ignore_label=255, quantization_size=0.5)
    assert kept.tolist() == [255, 1, 2]
    assert isinstance(kept, type(labels))
    assert len(cells) == 3


def test_samples_stand_in_front() -> None:
    first, second = np.array([[0.9, -0.1]]), np.array([[2.0, 3.0], [4.0, 5.0]])
    whole = ME.utils.batched_coordinates([first, second])
    assert whole.tolist() == [[0, 0, -1], [1, 2, 3], [1, 4, 5]]
    assert ME.utils.batched_coordinates([first], dtype=torch.float32)[0, 1] == pytest.approx(0.9)
    data = [(first, np.ones((1, 1)), np.array([7])), (second, np.zeros((2, 1)), np.array([8, 9]))]
    coords, feats, labels = ME.utils.SparseCollation()(data)
    assert torch.equal(coords, whole)
    assert (feats.flatten().tolist(), labels.tolist()) == ([1, 0, 0], [7, 8, 9])
    assert len(ME.utils.SparseCollation(limit_numpoints=2)(data)[0]) == 1
    assert len(ME.utils.sparse_collate([first], [np.ones((1, 1))])) == 2
    assert ME.utils.batch_sparse_collate(data)[2].tolist() == [7, 8, 9]
    with pytest.raises(InputError, match="3 coordinates"):
        ME.utils.sparse_collate([first, second], [np.ones((1, 1))])


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 27 * 20), ("fan_out", 27 * 40)])
def test_kaiming_normal(mode: str, fan: int) -> None:
    torch.manual_seed(0)
    kernel = ME.utils.kaiming_normal_(torch.empty(27, 20, 40), mode=mode, nonlinearity="relu")
    assert float(kernel.std()) == pytest.approx(math.sqrt(2 / fan), rel=0.02)


def test_hashes_tell_rows_apart() -> None:
    rows = np.array([[0, 1, 2], [0, 1, 3], [1, 0, 2], [0, 1, 2]])
    for function in (ME.utils.fnv_hash_vec, ME.utils.ravel_hash_vec):
        found = function(rows)
        assert found[0] == found[3]
        assert len(set(found.tolist())) == 3


def test_maps_of_the_manager() -> None:
    coords = torch.tensor([[0, -3], [0, 0], [0, 1], [1, 2]], dtype=torch.int32)
    manager = ME.CoordinateManager(D=1)
    key, (rows, number) = manager.insert_and_map(coords, [1])
    assert rows.tolist() == number.tolist() == [0, 1, 2, 3]
    coarse = manager.stride(key, [2])
    assert manager.get_coordinates(coarse).tolist() == [[0, -4], [0, 0], [1, 2]]
    fine, cell = manager.stride_map(key, coarse)
    assert (fine.tolist(), cell.tolist()) == ([0, 1, 2, 3], [0, 1, 1, 2])
    found = manager.kernel_map(key, coarse, stride=2, kernel_size=3)
    assert {k: pairs.T.tolist() for k, pairs in found.items()} == {1: [[1, 1], [3, 2]], 2: [[0, 0], [2, 1]]}
    pooled = manager.kernel_map(key, coarse, stride=2, kernel_size=2, is_pool=True)
    assert pooled[0].tolist() == [[0, 1, 2, 3], [0, 1, 1, 2]]
    samples, parts = manager.origin_map(key)
    assert (samples.tolist(), [p.tolist() for p in parts]) == ([0, 1], [[0, 1, 2], [3]])
    assert manager.get_coordinates(manager.origin()).tolist() == [[0, 0], [1, 0]]
    assert manager.number_of_unique_batch_indices() == 2
    union = ME.CoordinateMapKey(2)
    maps = manager.union_map([key, coarse], union)
    assert len(manager.get_coordinates(union)) == 5
    assert torch.equal(manager.get_coordinates(union)[maps[1][1]], manager.get_coordinates(coarse))


def test_the_old_functions_of_the_manager() -> None:
    """Those of before version 0.5 take strides, too; a sample without a voxel has no row."""
    coords = torch.tensor([[2, 5], [0, -3], [2, 4], [0, 1], [2, -1]], dtype=torch.int32)
    x = ME.SparseTensor(torch.zeros(5, 1), coords)
    manager = x.coords_man
    coarse = manager.stride(x.coords_key, [2])
    rows = [number.tolist() for number in manager.get_row_indices_per_batch(x.coords_key)]
    assert rows == [[1, 3], [], [0, 2, 4]]
    assert [number.tolist() for number in manager.get_row_indices_per_batch(1)] == rows
    for wanted in ((x.coords_key, coarse), (1, 2)):
        fine, cell = manager.get_coords_map(*wanted)
        assert fine.tolist() == [0, 1, 2, 3, 4]
        assert manager.get_coordinates(coarse)[cell].tolist() == [[2, 4], [0, -4], [2, 4], [0, 0], [2, -2]]
    before = torch.get_num_threads()
    assert ME.initialize_nthreads(7, D=3) is None
    assert torch.get_num_threads() == before


def test_a_summary_names_each_layer(capsys: pytest.CaptureFixture[str]) -> None:
    net = torch.nn.Sequential(ME.MinkowskiConvolution(3, 4, 3, dimension=2), ME.MinkowskiReLU())
    x = ME.SparseTensor(torch.ones(1, 3), torch.zeros(1, 3, dtype=torch.int32))
    ME.utils.summary(net, x)
    assert "MinkowskiConvolution" in capsys.readouterr().out
