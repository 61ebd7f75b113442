"""Prediction: each point once and in order, whatever the size, the place or the oddities of the scan."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

import pcseg
from pcseg.classes import IGNORE, Classes
from pcseg.device import choose_device
from pcseg.engine.predict import Predictor
from pcseg.errors import InputError
from pcseg.feeding.collate import collate
from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.feeding.sample import make_sample
from pcseg.model.checkpoint import save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.scenes.places import floor_level, usable
from pcseg.scenes.points import Points

CLASSES = Classes(("floor", "wall", "chair"))


def model(features: Sequence[Any] = ("optional_color", "height"), width: int = 4) -> Model:
    torch.manual_seed(1)
    spec = NetworkSpec("MinkUNet", {"in_channels": width, "n_classes": 3, "channels": (8, 8), "blocks": (1, 1)})
    network = spec.build()
    # Fresh running statistics leave an untrained network with nearly one answer for everything.
    torch.nn.init.normal_(network.head.weight, std=3.0)
    return Model(Networks(network, spec), CLASSES, VoxelInputs(0.1, features))


def scan(length: float = 4.0, seed: int = 0, density: float = 120.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = int(length * 3 * density)
    floor = np.stack([rng.uniform(0, length, n), rng.uniform(0, 3, n), rng.normal(0, 0.02, n)], axis=1)
    wall = np.stack([rng.uniform(0, length, n), np.zeros(n), rng.uniform(0, 2.5, n)], axis=1)
    return np.concatenate([floor, wall]), rng.integers(0, 256, (2 * n, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(model())


def test_each_point_gets_a_label_and_its_probability(predictor):
    xyz, color = scan()
    labels, confidence = predictor.predict(xyz, color)
    assert labels.shape == confidence.shape == (len(xyz),)
    assert (labels.dtype, confidence.dtype) == (np.int64, np.float32)
    assert set(labels) == {0, 1, 2}
    assert (confidence > 1 / 3 - 1e-6).all()
    assert (confidence <= 1 + 1e-6).all()


def test_labels_follow_the_points(predictor):
    xyz, color = scan()
    # Color and height are read from one point of a voxel, so all points of one voxel are given the same.
    cell = np.floor((xyz - xyz.min(axis=0)) / 0.1)
    _, first, voxel = np.unique(cell, axis=0, return_index=True, return_inverse=True)
    xyz, color = 0.1 * cell + 0.05 * (cell > 0), color[first][voxel.reshape(-1)]
    assert (xyz[:, 2] == 0).mean() > 0.01  # the floor, which heights are measured from
    turn = np.random.default_rng(1).permutation(len(xyz))
    labels, confidence = predictor.predict(xyz, color)
    turned, sure = predictor.predict(xyz[turn], color[turn])
    np.testing.assert_array_equal(turned, labels[turn])
    np.testing.assert_allclose(sure, confidence[turn], atol=1e-6)


def test_points_of_one_voxel_agree(predictor):
    xyz, color = scan(1.0)
    labels, _ = predictor.predict(np.repeat(xyz, 3, axis=0), np.repeat(color, 3, axis=0))
    assert (labels.reshape(-1, 3) == labels[::3, None]).all()


def test_the_same_scan_gives_the_same_answer(predictor):
    xyz, color = scan()
    one, two = predictor.predict(xyz, color), predictor.predict(xyz, color)
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


def test_a_place_far_away_changes_nothing(predictor):
    xyz, color = scan()
    here, _ = predictor.predict(xyz, color)
    there, _ = predictor.predict(xyz + np.array([4.5e5, 5.4e6, 300.0]), color)
    assert (here == there).mean() > 0.999


@pytest.mark.parametrize("max_voxels", [10**6, 1500])
def test_the_network_meets_the_voxels_it_was_trained_on(max_voxels):
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
    # The network sees 2.6 m far: a wider halo leaves nothing to tell a tile by, none leaves much.
    wide, _ = Predictor(model(), max_voxels=4500, halo=40).predict(xyz, color)
    bare, _ = Predictor(model(), max_voxels=500, halo=0).predict(xyz, color)
    assert (wide == whole).mean() > 0.999
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
    # The grid of a tile is rounded to float32 once more: a point on an edge may open another voxel.
    assert max(seen[8.0][1], seen[32.0][1]) <= 1.01 * 3000


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e19, -1e30, 3.4028234e38, 1e300, 1.8e308])
def test_points_that_are_nowhere_are_ignored_and_harm_no_other(predictor, value):
    xyz, color = scan(1.0)
    labels, confidence = predictor.predict(xyz, color)
    broken = np.insert(xyz, [0, 7], np.array([[value, 0, 0], [0, 0, value]]), axis=0)
    found, sure = predictor.predict(broken, np.insert(color, [0, 7], 9, axis=0))
    lost = ~usable(broken)
    assert lost.sum() == 2
    assert (found[lost] == IGNORE).all()
    assert (sure[lost] == 0).all()
    np.testing.assert_array_equal(found[~lost], labels)
    np.testing.assert_array_equal(sure[~lost], confidence)


@pytest.mark.parametrize("count", [1, 2])
def test_the_smallest_scans_work(predictor, count):
    labels, confidence = predictor.predict(np.zeros((count, 3)), np.zeros((count, 3), dtype=np.uint8))
    assert len(labels) == len(confidence) == count
    assert labels[0] in (0, 1, 2)


def test_a_scan_without_color_is_taken_as_the_network_declares(predictor):
    xyz, _ = scan(1.0)
    assert len(predictor.predict(xyz)[0]) == len(xyz)
    needs = Predictor(model(("color", "height")))
    with pytest.raises(InputError, match=r"^the scan: has no color"):
        needs.predict(xyz)
    with pytest.raises(InputError, match=r"^a\.las: has no color"):
        needs.predict(xyz, name="a.las")


def test_colors_of_both_ranges_mean_the_same(predictor):
    xyz, color = scan(1.0)
    np.testing.assert_array_equal(predictor.predict(xyz, color / 255.0)[0], predictor.predict(xyz, color)[0])


def test_votes_average_turned_views():
    xyz, color = scan(2.0)
    one, sure = Predictor(model(), votes=1).predict(xyz, color)
    four, less_sure = Predictor(model(), votes=4).predict(xyz, color)
    assert 0.3 < (one == four).mean() < 1
    assert less_sure.mean() < sure.mean()


@pytest.mark.parametrize(
    ("xyz", "color", "message"),
    [
        (np.zeros((0, 3)), None, "no point"),
        (np.full((4, 3), np.nan), None, "none of the 4 points has finite coordinates"),
        (np.zeros((4, 2)), None, r"xyz has shape \(4, 2\)"),
        (np.zeros((4, 3)), np.zeros((3, 3)), r"color has shape \(3, 3\)"),
        (np.zeros((4, 3)), np.full((4, 3), -7.0), "colors run from"),
    ],
)
def test_scans_that_make_no_sense_are_refused(predictor, xyz, color, message):
    with pytest.raises(InputError, match=f"^the scan: .*{message}"):
        predictor.predict(xyz, color)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="votes=0"):
        Predictor(model(), votes=0)
    with pytest.raises(InputError, match="device=tpu"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="finds no GPU"):
            choose_device("cuda")


def test_load_gives_a_predictor_of_the_same_answers(tmp_path):
    save_model(tmp_path / "last.safetensors", model())
    xyz, color = scan(1.0)
    labels, confidence = pcseg.load(tmp_path / "last.safetensors", "cpu").predict(xyz, color)
    wanted, sure = Predictor(model()).predict(xyz, color)
    np.testing.assert_array_equal(labels, wanted)
    np.testing.assert_array_equal(confidence, sure)


def test_predicting_leaves_a_network_in_training_as_it_was():
    trained = model()
    trained.network.train()
    xyz, color = scan(1.0)
    before = {k: v.clone() for k, v in trained.network.state_dict().items()}
    Predictor(trained).predict(xyz, color)
    assert trained.network.training
    assert all(torch.equal(v, before[k]) for k, v in trained.network.state_dict().items())


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
def test_strays_change_nothing_about_the_bulk(predictor, strays, place):
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


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_cost_follows_the_points_and_not_their_distance(predictor, dimensions):
    near, far = (np.zeros((3000, 3)) for _ in range(2))
    scattered = np.random.default_rng(0).uniform(0, 1, (3000, dimensions))
    near[:, :dimensions], far[:, :dimensions] = 10 * scattered, 1e6 * scattered
    times = []
    for xyz in (near, far):
        predictor.predict(xyz)
        begun = time.perf_counter()
        labels, _ = predictor.predict(xyz)
        times.append(time.perf_counter() - begun)
        assert (labels >= 0).all()
    assert times[1] < 20 * times[0] + 1


def test_a_normal_that_is_no_direction_spoils_no_other_point():
    xyz, _ = scan(1.0)
    predictor = Predictor(model(("normal", "height")))
    normal = np.tile(np.float32([0, 0, 1]), (len(xyz), 1))
    broken = normal.copy()
    broken[::50] = [[np.nan, 0, np.inf]]
    broken[7] = 3e38
    assert np.isfinite(predictor.predict(xyz, normal=broken)[1]).all()
    harmless = np.where(np.abs(broken) < 2, broken, 0)
    np.testing.assert_array_equal(predictor.predict(xyz, normal=broken)[0], predictor.predict(xyz, normal=harmless)[0])


ARRAYS = {
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "by columns": np.asfortranarray,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "objects": lambda a: a.astype(object),
    "a list": lambda a: a.tolist(),
    "a tensor": torch.from_numpy,
}


@pytest.mark.parametrize("kind", ARRAYS.values(), ids=ARRAYS)
def test_arrays_of_any_layout_mean_the_same(predictor, kind):
    xyz, color = scan(1.0)
    wanted = predictor.predict(xyz, color)
    found = predictor.predict(kind(xyz), kind(color))
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])


def test_half_precision_and_whole_numbers_are_taken(predictor):
    xyz, color = scan(1.0)
    half = xyz.astype(np.float16)
    np.testing.assert_array_equal(predictor.predict(half, color)[0], predictor.predict(half.astype(float), color)[0])
    whole = (xyz * 10).astype(np.int32)
    np.testing.assert_array_equal(predictor.predict(whole, color)[0], predictor.predict(whole.astype(float), color)[0])
    deep = color.astype(np.uint16) * 257
    np.testing.assert_array_equal(predictor.predict(xyz, deep)[0], predictor.predict(xyz, color)[0])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros(4, [("x", "f4"), ("y", "f4"), ("z", "f4")]), "xyz is an array of records of x, y, z"),
        (np.array([["a", "b", "c"]]), "xyz is an array of type <U1"),
        (np.array([["a", 1, 2]], dtype=object), "xyz is no array of numbers"),
        (np.zeros((4, 3), dtype=complex), "xyz is an array of type complex128"),
        ([[1, 2, 3], [1, 2]], "xyz is no array of numbers"),
        (torch.zeros(4, 3, requires_grad=True), "xyz is no array of numbers"),
        (np.float64(3), "xyz has shape"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_in_one_line(predictor, wrong, message):
    with pytest.raises(InputError, match=f"^the scan: {message}") as caught:
        predictor.predict(wrong)
    assert "\n" not in str(caught.value)


def test_a_predictor_tells_its_classes_and_prints_shortly(predictor):
    assert predictor.classes == ("floor", "wall", "chair")
    for text in (repr(predictor), str(predictor.model)):
        assert len(text) < 400
        for word in ("floor, wall, chair", "0.1 m", "optional_color", "MinkUNet", "weights"):
            assert word in text
