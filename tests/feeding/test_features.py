"""Input features: their order and values, and what happens where a scan lacks what they need."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.feeding.features import WIDTHS, Features
from pcseg.feeding.points import make_points
from pcseg.scenes.places import floor_level

COORD = np.array([[0, 0, 1.0], [1, 0, 2.5], [0, 3, 1.0]])
COLOR = np.array([[0, 128, 255], [255, 255, 255], [10, 20, 30]], dtype=np.uint8)
NORMAL = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])


def test_values_come_in_the_declared_order() -> None:
    features = Features(["height", "color", "ones", "normal"])
    values = features(make_points(COORD, COLOR, NORMAL))
    assert values.shape == (3, features.width) == (3, 8)
    assert values.dtype == np.float32
    assert np.allclose(values[:, 0], [0, 1.5, 0])
    assert np.allclose(values[:, 1:4], COLOR / 255 - 0.5, atol=1e-6)
    assert (values[:, 4] == 1).all()
    assert np.allclose(values[:, 5:], NORMAL)


def test_names_survive_json() -> None:
    features = Features(["optional_color", "height"])
    assert Features(json.loads(json.dumps(features.names))) == features


def test_widths_are_those_of_the_values() -> None:
    points = make_points(COORD, COLOR, NORMAL)
    for name in WIDTHS:
        assert Features([name])(points).shape[1] == Features([name]).width == WIDTHS[name]


def test_a_scan_without_color_is_refused_or_gray_as_declared() -> None:
    bare, gray = make_points(COORD), make_points(COORD, np.full((3, 3), 128, dtype=np.uint8))
    with pytest.raises(InputError, match=r"no color.*optional_color"):
        Features(["color"])(bare)
    assert (Features(["optional_color"])(bare) == 0).all()
    assert np.allclose(Features(["optional_color"])(gray), 0, atol=0.002)
    with pytest.raises(InputError, match=r"scan\.ply: has no normals"):
        Features(["normal"]).check("scan.ply", has_color=False, has_normal=False)
    Features(["height", "ones"]).check("scan.ply", has_color=False, has_normal=False)


@pytest.mark.parametrize("names", [["paint"], [], ["ones", "ones"], ["color", "optional_color"]])
def test_lists_that_mean_nothing_are_refused(names: list[str]) -> None:
    with pytest.raises(InputError, match="feature"):
        Features(names)


def test_the_floor_is_found_under_stray_points() -> None:
    rng = np.random.default_rng(0)
    coord = rng.random((1000, 3)) * [5, 5, 3] + [0, 0, 2]
    coord[::2, 2] = 2.0
    coord[:5, 2] = -40.0
    assert floor_level(coord) == 2.0
    assert floor_level(coord[-1:]) == coord[-1, 2]


def test_points_know_nothing_unless_told_and_keep_a_given_floor() -> None:
    points = make_points(COORD, COLOR, floor=0.5)
    assert (points.labels == IGNORE).all()
    assert np.allclose(points.height, [0.5, 2, 0.5])
    assert points.color is not None
    assert points.color.max() == 1.0
