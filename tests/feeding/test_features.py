"""Input features: their order and values, their JSON, and the error where a scan lacks what they need."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.feeding.feature import OWN
from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.scenes.places import floor_level
from pcseg.scenes.points import Points

COORD = np.array([[0, 0, 1.0], [1, 0, 2.5], [0, 3, 1.0]])
COLOR = np.array([[0, 128, 255], [255, 255, 255], [10, 20, 30]], dtype=np.uint8)
NORMAL = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
FULL = make_points(Points(COORD, {"color": COLOR, "normal": NORMAL}))


def test_values_come_in_the_declared_order() -> None:
    features = Features(["height", "color", "ones", "normal"])
    values = features(FULL)
    assert values.shape == (3, features.width) == (3, 8)
    assert values.dtype == np.float32
    assert np.allclose(values[:, 0], [0, 1.5, 0])
    assert np.allclose(values[:, 1:4], COLOR / 255 - 0.5, atol=1e-6)
    assert (values[:, 4] == 1).all()
    assert np.allclose(values[:, 5:], NORMAL)


@pytest.mark.parametrize(
    "written",
    [
        ["optional_color", "height"],
        ["height", {"name": "intensity", "range": [10, 2000.5]}, "return_number"],
        [{"name": "planarity", "radius": 1.5}, {"name": "planarity", "radius": 3}, {"name": "normal", "radius": 0.5}],
        ["ground_height", {"name": "ground_height", "cell": 2.0}],
    ],
)
def test_features_survive_json(written: list[Any]) -> None:
    features = Features(written)
    again = Features.from_json(json.loads(json.dumps(features.to_json())))
    assert again == features
    assert again.names == features.names
    assert Features(again.to_json()).to_json() == features.to_json()


def test_names_alone_stay_a_list_of_names() -> None:
    assert Features(["color", "height"]).to_json() == ["color", "height"]


def test_widths_are_those_of_the_values() -> None:
    for name in OWN:
        assert Features([name])(FULL).shape[1] == Features([name]).width == OWN[name]
    assert Features([{"name": "intensity", "range": [0, 1]}, {"name": "curvature", "radius": 1}]).width == 2


def test_a_column_is_scaled_by_its_range_and_clipped() -> None:
    values = np.array([100, 200, 300, 65535, 0], dtype=np.uint16)
    points = Points(np.zeros((5, 3)), {"intensity": values})
    found = Features([{"name": "intensity", "range": [100, 300]}])(points)[:, 0]
    assert found.tolist() == [-0.5, 0.0, 0.5, 2.0, -1.0]
    broken = Points(np.zeros((3, 3)), {"intensity": np.array([np.nan, np.inf, 200], dtype=np.float32)})
    assert Features([{"name": "intensity", "range": [100, 300]}])(broken).tolist() == [[0], [0], [0]]
    with pytest.raises(InputError, match=r"intensity.*range"):
        Features(["intensity"])(points)


def test_a_scan_without_color_is_refused_or_gray_as_declared() -> None:
    bare = make_points(Points(COORD))
    gray = make_points(Points(COORD, {"color": np.full((3, 3), 128, dtype=np.uint8)}))
    with pytest.raises(InputError, match=r"no color.*columns=x,y,z,red,green,blue.*optional_color"):
        Features(["color"])(bare)
    assert (Features(["optional_color"])(bare) == 0).all()
    assert np.allclose(Features(["optional_color"])(gray), 0, atol=0.002)
    with pytest.raises(InputError, match=r"scan\.ply: has no normals.*radius"):
        Features(["normal"]).check("scan.ply", [])
    Features(["height", "ones", {"name": "normal", "radius": 1}, "ground_height"]).check("scan.ply", [])


def test_all_that_is_missing_is_named_in_one_line() -> None:
    with pytest.raises(InputError) as caught:
        Features(["normal", "height", "intensity", "return_number", "echo"]).check(
            "a.las", ["color", "echo", "scalar_echo"]
        )
    text = str(caught.value)
    assert text.startswith("a.las: has no normals, intensity, return_number, which the features")
    assert "the scan has color, echo, and computed are" in text
    assert "keep" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("scale", "told"),
    [(1.0, False), (0.1, False), (3.0, False), (1 / 256, True), (1 / 65535, True), (0.0, True), (257.0, True)],
)
def test_a_column_of_another_scale_than_in_training_is_told(scale: float, told: bool) -> None:
    values = np.random.default_rng(0).gamma(2, 200, 3000)
    low, high = np.percentile(values, (1, 99))
    features = Features(["ones", {"name": "intensity", "range": [low, high]}])
    scan = (values[::3] * scale).astype(np.float32)
    scan[5] = np.nan
    remarks = features.remarks({"scalar_Intensity": scan, "echo": scan})
    assert len(remarks) == told
    least, most = np.nanpercentile(scan.astype(float), (1, 99))
    said = (
        f"intensity runs from {least:g} to {most:g}, far from the range trained on, {low:g} to {high:g}; if its unit is"
    )
    assert all(said in remark for remark in remarks)


def test_counts_of_returns_and_columns_without_a_number_are_not_told() -> None:
    features = Features([{"name": "number_of_returns", "range": [1, 7]}, {"name": "rssi", "range": [-60, -10]}])
    assert features.remarks({"number_of_returns": np.ones(9, np.uint8), "rssi": np.full(9, np.nan)}) == []
    assert "rssi runs from 0.5 to 0.5" in features.remarks({"rssi": np.full(9, 0.5)})[0]
    assert Features(["intensity"]).remarks({"intensity": np.zeros(3)}) == []


def test_a_misspelled_name_lists_columns_and_computed_features() -> None:
    with pytest.raises(InputError, match=r"no verticalty.*has intensity, and computed are color, .*, verticality, "):
        Features(["verticalty"]).check("a.las", ["intensity"])
    with pytest.raises(InputError, match=r"no verticality.*; have it computed: \{name: verticality, radius: 1\.5\}$"):
        Features(["verticality"]).check("a.las", ["intensity"])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([], "name at least one"),
        (["ones", "ones"], "each once"),
        (["color", "optional_color"], "exclude each other"),
        (["segment"], "is no column"),
        (["Intensity"], "is no column"),
        (["../../x"], "is no column"),
        ([7], "write a name"),
        ([{"radius": 1}], "write a name"),
        ([{"name": "planarity", "radius": 0}], "must be a number from 0.001"),
        ([{"name": "planarity", "radius": "1"}], "must be a number from 0.001"),
        ([{"name": "planarity", "radius": float("nan")}], "must be a number from 0.001"),
        ([{"name": "planarity", "cell": 1}], "'cell' is unknown, it takes radius"),
        ([{"name": "ground_height", "radius": 1}], "it takes cell, window, slope"),
        ([{"name": "height", "range": [0, 1]}], "has no range"),
        ([{"name": "intensity", "range": [1, 1]}], "in order"),
        ([{"name": "intensity", "range": [1]}], "two numbers"),
        ([{"name": "intensity", "range": [0, float("nan")]}], "finite"),
        ([{"name": "intensity", "range": [0, 10**400]}], "finite"),
        ([{"name": "intensity", "scale": 9}], "takes no parameter but range"),
    ],
)
def test_lists_that_mean_nothing_are_refused(features: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Features(features)


def test_the_floor_is_found_under_stray_points() -> None:
    rng = np.random.default_rng(0)
    coord = rng.random((1000, 3)) * [5, 5, 3] + [0, 0, 2]
    coord[::2, 2] = 2.0
    coord[:5, 2] = -40.0
    assert floor_level(coord) == 2.0
    assert floor_level(coord[-1:]) == coord[-1, 2]


def test_points_have_no_labels_unless_given_and_keep_a_given_floor() -> None:
    points = make_points(Points(COORD, {"color": COLOR}), floor=0.5)
    assert (points.labels == IGNORE).all()
    assert np.allclose(points.height, [0.5, 2, 0.5])
    assert points.color is not None
    assert points.color.max() == 1.0
