"""Prediction in tiles, far from the origin and with strays: same labels, bounded memory and time."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from pcseg.engine.predict import Predictor
from pcseg.engine.tile_points import tile_samples
from pcseg.feeding.collate import collate
from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.feeding.sample import make_sample
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.refine import CLOUDS
from pcseg.scenes.places import floor_level
from pcseg.scenes.points import Points
from pcseg.spool import spooled
from tests.engine.scans import CLASSES, model, scan


@pytest.fixture(scope="module")
def predictor():
    return Predictor(model())


def test_coordinates_far_from_the_origin_change_nothing(predictor):
    xyz, color = scan()
    here, _ = predictor.predict(xyz, color)
    there, _ = predictor.predict(xyz + np.array([4.5e5, 5.4e6, 300.0]), color)
    assert (here == there).mean() > 0.999


@pytest.mark.parametrize("max_voxels", [10**6, 1500])
def test_the_network_gets_the_same_voxels_as_in_training(max_voxels):
    # A training sample stands with its floor on z = 0. Seen at another height of the coarse levels' cells, this deep
    # network would give other answers.
    spec = NetworkSpec("MinkUNet", {"in_channels": 4, "n_classes": 3, "channels": (8,) * 6, "blocks": (1,) * 6})
    torch.manual_seed(2)
    network = spec.build().eval()
    torch.nn.init.normal_(network.head.weight, std=3.0)
    trained = Model(Networks(network, spec), CLASSES, VoxelInputs(0.1, ("color", "height")))
    xyz, color = scan(6.0)
    xyz = np.concatenate([xyz, [[1.0, 1.0, -0.25], [1.0, 1.5, -0.23]]])  # strays below the floor
    color = np.concatenate([color, color[:2]])
    xyz[:, :2] -= xyz[:, :2].min(axis=0)
    points = make_points(Points(xyz - [0, 0, floor_level(xyz)], {"color": color}), floor=0.0)
    sample = make_sample(points, Features(("color", "height")), 0.1)
    with torch.inference_mode():
        wanted = network(collate([sample]).inputs).logits.argmax(dim=1)[sample.inverse]
    labels, _ = Predictor(trained, max_voxels=max_voxels, halo=30).predict(xyz + np.array([7.0, -3.0, 91.0]), color)
    assert (labels == wanted.numpy()).mean() > 0.995


def test_a_tiled_scan_agrees_with_the_whole_one():
    xyz, color = scan(12.0, density=60)
    whole, _ = Predictor(model()).predict(xyz, color)
    # The network sees 2.6 m far: a wider halo hides the borders of tiles, no halo shows them.
    wide, _ = Predictor(model(), max_voxels=4500, halo=40).predict(xyz, color)
    bare, _ = Predictor(model(), max_voxels=500, halo=0).predict(xyz, color)
    assert (wide == whole).mean() > 0.999
    assert (bare == whole).mean() < (wide == whole).mean()


@settings(max_examples=10, deadline=None)
@given(length=st.floats(4, 16), seed=st.integers(0, 99), max_voxels=st.integers(1500, 6000), far=st.booleans())
def test_arrays_in_files_and_small_tiles_give_the_labels_of_one_piece(length, seed, max_voxels, far):
    xyz, color = scan(length, seed, density=60)
    xyz = np.concatenate([xyz, xyz[:9] + np.array([0, 0, -1e7 if far else np.nan])])
    color = np.concatenate([color, color[:9]])
    whole, _ = Predictor(model()).predict(xyz, color)
    tiled, sure = Predictor(model(), max_voxels=max_voxels).predict(xyz, color)
    assert (tiled == whole).mean() > 0.999
    decided: list[int] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("pcseg.spool.SMALL", 0),
        mock.patch("pcseg.spool.ROWS", 99),
    ):
        new = spooled(Path(folder))
        mapped, painted = new(xyz.shape, np.float64), new(color.shape, np.uint8)
        mapped[:], painted[:] = xyz, color
        found = Predictor(model(), max_voxels=max_voxels).predict(mapped, painted, done=decided.append)
        np.testing.assert_array_equal(mapped, xyz)
    np.testing.assert_array_equal(found[0], tiled)
    np.testing.assert_array_equal(found[1], sure)
    assert sum(decided) == (tiled >= 0).sum()


def test_a_crf_looks_across_the_borders_of_tiles():
    xyz, color = scan(8.0, density=60)
    # Colors of a whole patch, so that the appearance kernel reaches as far as it can.
    color = color[cKDTree(xyz).query(np.floor(xyz) + 0.5)[1]]
    whole, sure = Predictor(model(), crf=CLOUDS).predict(xyz, color)
    plain, _ = Predictor(model()).predict(xyz, color)
    wide, as_sure = Predictor(model(), max_voxels=4500, halo=40, crf=CLOUDS).predict(xyz, color)
    bare, _ = Predictor(model(), max_voxels=500, halo=0, crf=CLOUDS).predict(xyz, color)
    assert (plain == whole).mean() < 0.95
    assert (wide == whole).mean() > 0.998
    assert np.abs(as_sure - sure).mean() < 0.002
    assert (bare == whole).mean() < (wide == whole).mean()


def test_memory_follows_the_tile(predictor, monkeypatch):
    sizes: list[int] = []
    forward = predictor.model.network.forward

    def counting(x, *args, **kwargs):
        sizes.append(len(x))
        return forward(x, *args, **kwargs)

    monkeypatch.setattr(predictor.model.network, "forward", counting)
    seen = {}
    for length in (8.0, 32.0):
        sizes.clear()
        xyz, color = scan(length, density=60)
        Predictor(predictor.model, max_voxels=3000, halo=5).predict(xyz, color)
        seen[length] = (len(sizes), max(sizes))
    assert seen[32.0][0] > 2 * seen[8.0][0]
    assert max(seen[8.0][1], seen[32.0][1]) <= 3000


STRAYS = {
    "no data as zero": np.zeros((10, 3)) - [4.5e5, 5.4e6, 120.0],
    "deep below": [[2.0, 1.0, -1e9]],
    "many deep below": np.full((40, 3), [2.0, 1.0, -1e9]) + np.arange(40)[:, None],
    "on all sides": 10.0 ** np.linspace(3, 11.9, 30)[:, None] * np.resize([1, -1, 1, 1, -1, -1, 0], (30, 3)),
    "as far as a place may be": np.full((3, 3), -9e11),
}
"""Points far from a scan that begins at zero."""


@pytest.mark.parametrize("strays", STRAYS.values(), ids=STRAYS)
@pytest.mark.parametrize("place", [(0.0, 0.0, 0.0), (4.5e5, 5.4e6, 120.0)])
def test_strays_change_no_label_of_the_scan(predictor, strays, place):
    xyz, color = scan(2.0)
    at = np.random.default_rng(1).integers(0, len(xyz), len(strays))
    labels, confidence = predictor.predict(xyz + place, color)
    found, sure = predictor.predict(np.insert(xyz, at, strays, axis=0) + place, np.insert(color, at, 9, axis=0))
    ours = np.insert(np.ones(len(xyz), dtype=bool), at, False)
    np.testing.assert_array_equal(found[ours], labels)
    np.testing.assert_array_equal(sure[ours], confidence)
    assert (found >= 0).all()
    assert np.isfinite(sure).all()


def test_rooms_far_from_each_other_are_labeled_as_if_each_were_alone(predictor):
    xyz, color = scan(2.0)
    xyz += np.random.default_rng(0).normal(0, 0.02, xyz.shape)  # no wall on an edge of the grid
    far = np.array([1.6 * 2**20, -1.6 * 2**21, 0.0])  # by whole cells: the grid lies alike in both
    wanted = np.tile(predictor.predict(xyz, color), (1, 3))
    rooms = np.concatenate([xyz, xyz + far, xyz - 3 * far])
    labels, confidence = predictor.predict(rooms, np.tile(color, (3, 1)))
    # The points that corner and floor are taken from lie on edges of the grid: rounding may put them into another
    # voxel.
    assert (labels == wanted[0]).mean() > 0.98
    assert (np.abs(confidence - wanted[1]) < 0.02).mean() > 0.98


def test_points_far_on_both_sides_do_not_spoil_smoothing(predictor):
    xyz, color = scan(3.0)
    smooth = replace(predictor, smooth=0.01)
    wanted, _ = smooth.predict(xyz, color)
    far = np.concatenate([xyz, [[1e6, 0, 0], [-1e6, 0, 0], [0, 3e9, 0]]])
    labels, _ = smooth.predict(far, np.concatenate([color, color[:3]]))
    assert np.array_equal(labels[:-3], wanted)
    assert (labels >= 0).all()


def test_a_chain_too_long_for_one_tile_is_seen_from_several_sides(predictor):
    xyz, color = scan(3.0)
    far = np.zeros((1000, 3))
    far[:, 0] = np.arange(1000) * 90.0
    labels, _ = replace(predictor, votes=2).predict(np.concatenate([xyz, far]), np.resize(color, (len(xyz) + 1000, 3)))
    assert (labels >= 0).all()


@pytest.mark.parametrize(("votes", "crf"), [(1, None), (2, None), (1, CLOUDS)])
def test_all_points_are_seen_where_their_colors_or_other_views_count(predictor, monkeypatch, votes, crf):
    xyz, color = scan(2.0)
    seen = []

    def counted(tile, scene, inputs, coarsest, views):
        for sample in tile_samples(tile, scene, inputs, coarsest, views):
            seen.append((len(tile.context), len(sample.inverse), len(sample.coords)))
            yield sample

    monkeypatch.setattr("pcseg.engine.predict.tile_samples", counted)
    replace(predictor, votes=votes, crf=crf).predict(np.tile(xyz, (2, 1)), np.tile(color, (2, 1)))
    assert len(seen) == votes
    for shown, points, voxels in seen:
        assert shown == points
        assert shown == (2 * len(xyz) if votes > 1 or crf else voxels)
        assert voxels < len(xyz)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_cost_follows_the_points_and_not_their_distance(predictor, dimensions):
    near, far = (np.zeros((3000, 3)) for _ in range(2))
    scattered = np.random.default_rng(0).uniform(0, 1, (3000, dimensions))
    near[:, :dimensions], far[:, :dimensions] = 10 * scattered, 1e6 * scattered
    times = []
    for xyz in (near, far):
        predictor.predict(xyz)
        begun = time.process_time()
        labels, _ = predictor.predict(xyz)
        times.append(time.process_time() - begun)
        assert (labels >= 0).all()
    assert times[1] < 20 * times[0] + 1


@pytest.mark.parametrize(("max_voxels", "smooth"), [(10**6, 0.0), (1500, 0.0), (1500, 0.01)])
def test_one_point_of_each_voxel_tells_as_much_as_all(predictor, max_voxels, smooth):
    """With one view the network is shown the first point of each voxel; shown all, it gives the same labels."""
    xyz, color = scan(6.0)
    xyz = np.concatenate([xyz, xyz + 0.01, xyz[:100] + 2**20])  # several points a voxel, and some far away
    xyz = np.round(xyz * 256) / 256  # what float32 holds, so that both find the same voxels
    color = np.concatenate([color, color[::-1], color[:100]])
    seen = replace(predictor.model, inputs=VoxelInputs(0.125, predictor.model.inputs.features))
    each = replace(predictor, model=seen, max_voxels=max_voxels, smooth=smooth)
    thin, sure = each.predict(xyz, color)
    with mock.patch.object(Predictor, "_sees_all", True):
        all_of_them, as_sure = each.predict(xyz, color)
    assert np.array_equal(thin, all_of_them)
    assert np.allclose(sure, as_sure, atol=1e-5)
    assert len(set(thin.tolist())) > 1
