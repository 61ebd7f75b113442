"""Arrays given to prediction: any layout and type, unusable values, and wrong input refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.engine.predict import Predictor
from pcseg.errors import InputError
from pcseg.scenes.places import usable
from tests.engine.scans import model, scan


@pytest.fixture(scope="module")
def predictor():
    return Predictor(model())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e19, -1e30, 3.4028234e38, 1e300, 1.8e308])
def test_points_with_unusable_coordinates_get_no_label_and_change_no_other(predictor, value):
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


def test_a_scan_without_color_needs_a_network_of_optional_color(predictor):
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
def test_arrays_of_wrong_shape_or_range_are_refused(predictor, xyz, color, message):
    with pytest.raises(InputError, match=f"^the scan: .*{message}"):
        predictor.predict(xyz, color)


def test_an_invalid_normal_changes_no_other_point():
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


def test_half_precision_and_whole_numbers_are_accepted(predictor):
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
def test_input_that_is_no_array_of_numbers_is_refused_in_one_line(predictor, wrong, message):
    with pytest.raises(InputError, match=f"^the scan: {message}") as caught:
        predictor.predict(wrong)
    assert "\n" not in str(caught.value)
