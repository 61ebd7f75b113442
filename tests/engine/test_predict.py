"""Labels and probabilities of a scan: one for each point, in order, the same on every call."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

import pcseg
from pcseg.device import choose_device
from pcseg.engine.predict import Predictor
from pcseg.errors import InputError
from pcseg.model.checkpoint import save_model
from tests.engine.scans import model, scan


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


def test_votes_average_turned_views():
    xyz, color = scan(2.0)
    one, sure = Predictor(model(), votes=1).predict(xyz, color)
    four, less_sure = Predictor(model(), votes=4).predict(xyz, color)
    assert 0.3 < (one == four).mean() < 1
    assert less_sure.mean() < sure.mean()


@pytest.mark.parametrize("max_voxels", [300_000, 2_000])
def test_smoothing_makes_neighbors_agree(max_voxels):
    xyz, color = scan(2.0)
    rough, _ = Predictor(model(), max_voxels=max_voxels).predict(xyz, color)
    smooth, sure = Predictor(model(), max_voxels=max_voxels, smooth=0.003).predict(xyz, color)
    nearest = cKDTree(xyz).query(xyz, k=2)[1][:, 1]
    assert (smooth == smooth[nearest]).mean() > (rough == rough[nearest]).mean()
    assert np.isfinite(sure).all()
    with pytest.raises(InputError, match="smooth=-1"):
        Predictor(model(), smooth=-1)


def test_wrong_votes_and_devices_are_refused():
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


def test_a_predictor_lists_its_classes_and_has_a_short_repr(predictor):
    assert predictor.classes == ("floor", "wall", "chair")
    for text in (repr(predictor), str(predictor.model)):
        assert len(text) < 400
        for word in ("floor, wall, chair", "0.1 m", "optional_color", "MinkUNet", "weights"):
            assert word in text
