"""Scribbles run inside their objects and through their middle; boxes are those of the objects, the smallest on top.

Bad input and its message: a point cloud; a size below 1; a class that is not there; a picture without labels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from pcseg.budgets.draw import draw_points
from pcseg.budgets.picture_rules import BOX_WEIGHT, draw_boxes, draw_scribbles, scribble
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.scene import Scene
from tests.scenes.rooms import room

CLASSES = Classes(("road", "car", "sky"))


def picture(segment: np.ndarray, name: str = "train/p") -> Scene:
    attributes = {
        "color": np.zeros((segment.size, 3), np.uint8),
        "segment": segment.reshape(-1).astype(np.int16),
    }
    height, width = segment.shape
    return Scene(pixel_places(height, width), attributes, name, classes=CLASSES.names, size=(height, width))


def street() -> np.ndarray:
    """Sky above a road with two cars, one of them in front of the other's box; a corner is unlabeled."""
    segment = np.zeros((40, 60), dtype=np.int16)
    segment[:15] = 2
    segment[20:30, 5:25] = 1
    segment[24:28, 40:44] = 1
    segment[35:, 50:] = IGNORE
    return segment


def parts(segment: np.ndarray) -> list[np.ndarray]:
    """Return the mask (H, W) of each connected part of each class; by flooding, one part after the other."""
    found, seen = [], segment == IGNORE
    while not seen.all():
        seed = np.zeros_like(seen)
        seed.flat[int(np.flatnonzero(~seen)[0])] = True
        same = segment == segment[seed][0]
        found.append(ndimage.binary_dilation(seed, np.ones((3, 3)), iterations=0, mask=same))
        seen |= found[-1]
    return found


def curve_of(labels: np.ndarray, part: np.ndarray) -> np.ndarray:
    return np.argwhere((labels != IGNORE) & part)


@pytest.mark.parametrize("seed", range(4))
def test_a_curve_in_each_part_of_its_class(seed: int) -> None:
    segment = street()
    drawn = draw_scribbles([picture(segment)], CLASSES, seed, smallest=16)
    labels = drawn.labels(picture(segment)).reshape(segment.shape)
    known = labels != IGNORE
    assert (labels[known] == segment[known]).all()
    for part in parts(segment):
        curve = curve_of(labels, part)
        assert len(curve) >= 1
        joined = ndimage.label(known & part, np.ones((3, 3)))[1]
        assert joined == 1
        extent = np.ptp(np.argwhere(part), axis=0).max() + 1
        assert len(curve) <= 2 * extent
    assert known.mean() < 0.1
    assert (drawn.rule, drawn.parameters, drawn.seed) == ("scribbles", {"smallest": 16}, seed)
    assert not drawn.at_random


def test_small_parts_are_left_out() -> None:
    segment = street()
    labels = draw_scribbles([picture(segment)], CLASSES, smallest=17).labels(picture(segment)).reshape(segment.shape)
    assert (labels[24:28, 40:44] == IGNORE).all()
    assert draw_scribbles([picture(segment)], CLASSES, smallest=10_000).spent == 0
    assert draw_scribbles([picture(np.full((9, 9), IGNORE))], CLASSES).spent == 0


def test_the_curve_follows_the_middle_of_a_bent_bar() -> None:
    """A letter L, 9 pixels wide: the curve goes around the corner and stays off the edge."""
    inside = np.zeros((80, 80), dtype=bool)
    inside[5:75, 5:14] = True
    inside[66:75, 5:75] = True
    rank = np.random.default_rng(0).permutation(inside.size).reshape(inside.shape)
    rows, columns = scribble(inside, rank)
    assert inside[rows, columns].all()
    assert max(np.abs(np.diff(rows)).max(), np.abs(np.diff(columns)).max()) == 1
    assert np.ptp(rows) > 25
    assert np.ptp(columns) > 25
    depth = ndimage.distance_transform_edt(inside)[rows, columns]
    assert np.median(depth) >= 4
    assert depth.min() >= 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (2, 2)])
def test_parts_of_a_few_pixels(shape: tuple[int, int]) -> None:
    rows, columns = scribble(np.ones(shape, dtype=bool), np.arange(np.prod(shape)).reshape(shape))
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == len(rows) >= 1


def test_curves_depend_on_seed_and_name_alone() -> None:
    one, other = picture(street()), picture(street(), "train/q")
    alone, among = draw_scribbles([one], CLASSES, 3), draw_scribbles([other, one], CLASSES, 3)
    assert np.array_equal(alone.labels(one), among.labels(one))
    assert not np.array_equal(among.labels(one), among.labels(other))
    assert not np.array_equal(alone.labels(one), draw_scribbles([one], CLASSES, 4).labels(one))


def test_boxes_are_painted_the_smallest_last() -> None:
    segment = street()
    scene = picture(segment)
    drawn = draw_boxes([scene], CLASSES, smallest=16)
    expected = np.full(segment.shape, IGNORE)
    boxes = []
    for part in parts(segment):
        (top, left), (bottom, right) = np.argwhere(part).min(axis=0), np.argwhere(part).max(axis=0)
        boxes.append((top, left, bottom, right, segment[part][0]))
    for row, column in np.ndindex(segment.shape):
        over = [b for b in boxes if b[0] <= row <= b[2] and b[1] <= column <= b[3]]
        if over:
            expected[row, column] = min(over, key=lambda b: (b[2] - b[0] + 1) * (b[3] - b[1] + 1))[4]
    np.testing.assert_array_equal(drawn.labels(scene).reshape(segment.shape), expected)
    weights = drawn.weights(scene)
    assert weights is not None
    assert set(weights[expected.reshape(-1) != IGNORE].tolist()) == {BOX_WEIGHT}
    assert (drawn.given(scene) == IGNORE).all()
    assert drawn.parameters == {"smallest": 16, "weight": BOX_WEIGHT}
    assert drawn.seed is None


def test_boxes_of_some_classes() -> None:
    segment = street()
    scene = picture(segment)
    drawn = draw_boxes([scene, picture(np.zeros((9, 9)), "train/none")], CLASSES, smallest=17, only=["car"])
    expected = np.full(segment.shape, IGNORE)
    expected[20:30, 5:25] = 1
    np.testing.assert_array_equal(drawn.labels(scene).reshape(segment.shape), expected)
    assert drawn.labeled(["train/p", "train/none"]).tolist() == [True, False]
    assert drawn.parameters["only"] == ["car"]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: draw_scribbles([room("A/a")], room_classes()), "A/a: is a point cloud, and rule=scribbles is for pic"),
        (lambda: draw_boxes([room("A/a")], room_classes()), "A/a: is a point cloud, and rule=boxes is for pictures"),
        (lambda: draw_scribbles([], CLASSES, smallest=0), "smallest=0: must be 1 or more, in pixels"),
        (lambda: draw_boxes([], CLASSES, smallest=-3), "smallest=-3: must be 1 or more"),
        (lambda: draw_boxes([picture(street())], CLASSES, only=["bus"]), "class 'bus' is not one of: road, car, sky"),
        (lambda: draw_boxes([unlabeled()], CLASSES), "train/p: has no segment.npy to draw labels from"),
        (lambda: draw_scribbles([picture(street())], CLASSES, -1), "seed=-1"),
    ],
)
def test_mistakes_are_named_in_one_line(action: object, message: str) -> None:
    with pytest.raises(InputError) as error:
        action()  # type: ignore[operator]
    assert message in str(error.value)


def room_classes() -> Classes:
    return Classes(room("A/a").classes)


def unlabeled() -> Scene:
    scene = picture(street())
    return replace(scene, attributes={"color": scene.attributes["color"]})


def test_a_picture_may_have_points_drawn_like_a_cloud() -> None:
    scene = picture(street())
    assert draw_points([scene], CLASSES, 30).at_random
