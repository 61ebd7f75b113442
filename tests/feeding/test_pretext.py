"""Samples turned and taken apart: where each element comes to be, and what its features say there."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pcseg.feeding.feature import make_feature
from pcseg.feeding.pretext import WAYS_UP, shuffle_cells, turn
from pcseg.sparse import SparseTensor
from tests.methods.tiny_network import make_batch, make_pictures

FEATURES = tuple(
    make_feature(f) for f in ("color", "height", {"name": "normal", "radius": 0.5}, "normal", "verticality")
)


def clouds():
    """Voxels of 0.5 m whose position is their middle."""
    batch = make_batch(n_samples=6, n=50)
    coords = batch.voxels.coords - torch.tensor([0, 3, 0, 5], dtype=torch.int32)
    position = (coords[:, 1:] + 0.5) * 0.5
    feats = torch.cat([batch.color, position[:, 2:] + 2.0], dim=1)
    return replace(batch, inputs=SparseTensor(feats, coords), position=position)


def test_ways_up_are_six_rotations_that_bring_the_top_to_six_sides() -> None:
    assert torch.equal(torch.linalg.det(WAYS_UP.float()), torch.ones(6))
    assert torch.equal(WAYS_UP @ WAYS_UP.transpose(1, 2), torch.eye(3, dtype=torch.int64).expand(6, 3, 3))
    tops = {tuple(way @ torch.tensor([0, 0, 1])) for way in WAYS_UP}
    assert len({tuple(map(int, top)) for top in tops}) == 6


def test_pictures_turn_with_their_labels() -> None:
    batch = make_pictures(n_samples=4, n=36, n_labels=9)
    batch = replace(batch, weights=torch.rand(144))
    turned, rows = turn(batch, torch.arange(4))
    labels, images = batch.labels.view(4, 6, 6), batch.inputs
    for k in range(4):
        assert torch.equal(turned.inputs[k], images[k].rot90(k, (1, 2)))
        assert torch.equal(turned.labels.view(4, 6, 6)[k], labels[k].rot90(k))
    assert torch.equal(turned.color, batch.color[rows])
    assert torch.equal(turned.weights, batch.weights[rows])
    assert torch.equal(turned.position, batch.position)


def test_long_pictures_are_cut_to_their_middle() -> None:
    batch = make_pictures(n_samples=2, n=36)
    wide = replace(batch, inputs=batch.inputs.reshape(2, 3, 4, 9))
    turned, rows = turn(wide, torch.tensor([0, 1]))
    assert turned.inputs.shape == (2, 3, 4, 4)
    assert torch.equal(turned.inputs[0], wide.inputs[0, :, :, 2:6])
    assert torch.equal(turned.inputs[1], wide.inputs[1, :, :, 2:6].rot90(1, (1, 2)))
    assert torch.equal(turned.labels, batch.labels[rows])
    assert len(turned.position) == len(turned.sample) == 32


def test_clouds_turn_as_a_whole_and_stand_where_they_stood() -> None:
    batch = clouds()
    turned, rows = turn(batch, torch.arange(6), FEATURES[:2])
    assert torch.equal(rows, torch.arange(300))
    middle = (turned.voxels.coords[:, 1:] + 0.5) * 0.5
    for b in range(6):
        own = batch.sample == b
        wanted = batch.position[own] @ WAYS_UP[b].T.float()
        wanted += batch.position[own].amin(0) - wanted.amin(0)
        torch.testing.assert_close(turned.position[own], wanted)
        torch.testing.assert_close(middle[own], wanted)
        heights = turned.voxels.feats[own, 3]
        torch.testing.assert_close(heights, wanted[:, 2] + 2.0)  # measured from the same floor
    assert torch.equal(turned.voxels.feats[:, :3], batch.voxels.feats[:, :3])
    assert torch.equal(turned.voxels.feats[:50], batch.voxels.feats[:50])  # +z stays up
    assert len(torch.unique(turned.voxels.coords, dim=0)) == 300


def test_normals_turn_and_those_computed_point_upward() -> None:
    batch = clouds()
    normal = torch.nn.functional.normalize(torch.randn(300, 3), dim=1)
    normal[:, 2] = normal[:, 2].abs()
    feats = torch.cat([batch.voxels.feats, normal, normal, torch.rand(300, 1)], dim=1)
    turned, _ = turn(replace(batch, inputs=batch.voxels.replace(feats)), torch.arange(6), FEATURES)
    found = turned.voxels.feats
    for b in range(6):
        own = batch.sample == b
        wanted = normal[own] @ WAYS_UP[b].T.float()
        torch.testing.assert_close(found[own, 7:10], wanted)
        torch.testing.assert_close(found[own, 4:7], wanted * torch.where(wanted[:, 2:] < 0, -1.0, 1.0))
    assert not found[:, 10].any()
    assert torch.equal(batch.voxels.feats, clouds().voxels.feats)


def test_cells_of_pictures_change_places() -> None:
    batch = make_pictures(n_samples=2, n=36, n_labels=9)
    order = torch.tensor([[3, 0, 1, 2], [0, 1, 2, 3]])
    shuffled = shuffle_cells(batch, order)
    before, after = batch.inputs[0], shuffled.batch.inputs[0]
    assert torch.equal(after[:, :3, :3], before[:, 3:, 3:])  # place 0 shows cell 3
    assert torch.equal(after[:, :3, 3:], before[:, :3, :3])
    assert torch.equal(after[:, 3:, :3], before[:, :3, 3:])
    assert torch.equal(after[:, 3:, 3:], before[:, 3:, :3])
    assert torch.equal(shuffled.batch.inputs[1], batch.inputs[1])
    assert torch.equal(shuffled.batch.labels, batch.labels[shuffled.rows])
    place = shuffled.place.view(2, 6, 6)
    assert place[0, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert place[1, 5].tolist() == [6, 6, 6, 7, 7, 7]


def test_an_odd_row_of_a_picture_is_left_out() -> None:
    batch = make_pictures(n_samples=1, n=49)
    shuffled = shuffle_cells(batch, torch.tensor([[0, 1, 2, 3]]))
    assert torch.equal(shuffled.batch.inputs, batch.inputs[:, :, :6, :6])
    assert len(shuffled.batch.labels) == len(shuffled.rows) == 36


def test_cells_of_clouds_change_places_and_come_back() -> None:
    batch = clouds()
    order = torch.rand(6, 8).argsort(1)
    shuffled = shuffle_cells(batch, order, 0.5, FEATURES[:2])
    now, sample = shuffled.batch, batch.sample
    middle = (now.voxels.coords[:, 1:] + 0.5) * 0.5
    torch.testing.assert_close(now.position, middle)
    torch.testing.assert_close(now.voxels.feats[:, 3], middle[:, 2] + 2.0)
    assert len(torch.unique(now.voxels.coords, dim=0)) == 300
    # Which cell an element was in, by hand; the place it is in now is the one where `order` has that cell.
    for b in range(6):
        own = sample == b
        at = batch.voxels.coords[own, 1:]
        half = (at.amax(0) - at.amin(0) + 2) // 2
        was = ((at - at.amin(0)) // half) @ torch.tensor([1, 2, 4], dtype=torch.int32)
        assert torch.equal(order[b][shuffled.place[own] - 8 * b], was.long())
        low = at.amin(0) + half * torch.stack([shuffled.place[own] >> i & 1 for i in range(3)], dim=1)
        inside = now.voxels.coords[own, 1:] - low
        assert (inside >= 0).all()
        assert (inside < half).all()


@pytest.mark.parametrize("batch", [clouds(), make_pictures(n_samples=6, n=36)], ids=["voxels", "pixels"])
def test_nothing_changes_in_place_and_the_identity_changes_nothing(batch) -> None:
    cells = 8 if isinstance(batch.inputs, SparseTensor) else 4
    shuffled = shuffle_cells(batch, torch.arange(cells).expand(6, -1))
    turned, _ = turn(batch, torch.zeros(6, dtype=torch.int64))
    for found in (shuffled.batch, turned):
        if isinstance(batch.inputs, SparseTensor):
            assert torch.equal(found.voxels.coords, batch.voxels.coords)
            torch.testing.assert_close(found.voxels.feats, batch.voxels.feats)
        else:
            assert torch.equal(found.inputs, batch.inputs)
        torch.testing.assert_close(found.position, batch.position)
        assert torch.equal(found.labels, batch.labels)
