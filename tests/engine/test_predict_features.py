"""Prediction from further columns of a scan and from computed features, and the error where they are missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcseg.engine.predict import Predictor
from pcseg.errors import InputError
from pcseg.scenes.scene import Scene
from tests.engine.scans import model, scan

RANGED = {"name": "intensity", "range": [0, 1000]}


def test_columns_reach_the_network_by_name():
    taken = Predictor(model((RANGED,), width=1))
    xyz, _ = scan()
    values = np.random.default_rng(0).integers(0, 1000, len(xyz)).astype(np.uint16)
    wanted = taken.predict(xyz, columns={"intensity": values})
    for columns in (
        {"scalar_Intensity": values},
        {"INTENSITY": values.astype(np.float64)[:, None], "gps_time": "none"},
    ):
        for a, b in zip(wanted, taken.predict(xyz, columns=columns), strict=True):
            np.testing.assert_array_equal(a, b)
    other = taken.predict(xyz, columns={"intensity": 1000 - values})
    assert (other[1] != wanted[1]).mean() > 0.9
    rows = np.random.default_rng(1).permutation(len(xyz))
    scene = Scene(xyz.astype(np.float32)[rows], {"intensity": values[rows], "segment": rows}, "a/b")
    again = Predictor(model((RANGED,), width=1)).predict(scene.coord, columns=scene.attributes)
    np.testing.assert_array_equal(taken.predict_scene(scene)[0], again[0])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (None, "has no intensity, return_number, which the features"),
        (
            {"return_number": np.ones(3), "echo": np.ones(3)},
            "has no intensity, which .* the scan has echo, return_number",
        ),
        ({"intensity": np.ones(2), "return_number": np.ones(3)}, r"intensity has shape \(2,\), for 3 points"),
        ({"intensity": ["a", "b", "c"], "return_number": np.ones(3)}, "intensity is an array of type"),
    ],
)
def test_columns_that_are_missing_or_wrong_are_named_in_one_line(columns, message):
    trained = Predictor(model((RANGED, {"name": "return_number", "range": [1, 5]}), width=2))
    with pytest.raises(InputError, match=f"^b.las: .*{message}|^b.las: {message}") as caught:
        trained.predict(np.eye(3), columns=columns, name="b.las")
    assert "\n" not in str(caught.value)


def test_a_column_of_another_scale_is_told_beside_the_colors():
    told = Predictor(model(("optional_color", RANGED))).remarks(False, {"Intensity": np.linspace(0, 1, 50)})
    assert ["has no color" in told[0], "intensity runs from" in told[1], len(told)] == [True, True, 2]
    assert Predictor(model((RANGED,), width=1)).remarks(True, {"intensity": np.arange(900)}) == []


def test_computed_features_are_those_of_the_whole_scan_in_every_tile():
    features = ({"name": "planarity", "radius": 0.4}, {"name": "ground_height", "cell": 0.5, "window": 2})
    xyz, _ = scan(12.0, density=60)
    trained = Predictor(model(features, width=2), max_voxels=4500, halo=40)
    whole = replace(trained, max_voxels=10**6)
    assert (trained.predict(xyz)[0] == whole.predict(xyz)[0]).mean() > 0.999
