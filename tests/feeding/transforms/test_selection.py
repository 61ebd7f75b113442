"""Dropout, crops, mixing and the transforms that hold others: which points stay, and what comes with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.feeding.transforms import BoxCrop, Compose, Dropout, Flip, RotateZ, Sometimes, SphereCrop, mix3d
from pcseg.scenes.points import Points
from tests.feeding.transforms.clouds import cloud, same


def marked(labels: np.ndarray) -> Points:
    """A cloud whose heights tell which point is which."""
    return cloud(len(labels)).having(labels=labels, height=np.arange(len(labels), dtype=np.float32))


@given(seed=st.integers(0, 2**32), ratio=st.floats(0, 1), known=st.lists(st.booleans(), min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_dropout_never_loses_a_label(seed: int, ratio: float, known: list[bool]) -> None:
    points = marked(np.where(known, 3, IGNORE))
    after = Dropout(ratio)(points, np.random.default_rng(seed))
    assert len(after) > 0
    assert (after.labels != IGNORE).sum() == sum(known)
    assert same(after, points[after.height.astype(int)])


def test_dropout_leaves_out_its_share() -> None:
    after = Dropout(0.3)(marked(np.full(5000, IGNORE)), np.random.default_rng(0))
    assert 0.67 < len(after) / 5000 < 0.73
    assert len(Dropout(1.0)(marked(np.full(50, IGNORE)), np.random.default_rng(0))) == 1
    assert len(Dropout(1.0)(marked(np.array([IGNORE, 2, IGNORE])), np.random.default_rng(0))) == 1


def test_crops_keep_what_is_inside() -> None:
    points = cloud(500)
    center = points.coord[7]
    offset = points.coord.astype(np.float64) - center
    distance = np.linalg.norm(offset, axis=1)
    inside = set(SphereCrop(1.0)(points.coord, center).tolist())
    assert set(np.flatnonzero(distance < 0.9999)) <= inside <= set(np.flatnonzero(distance < 1.0001))
    assert 20 < len(inside) < 480
    box = BoxCrop(1.0)(points.coord, center)
    assert box.tolist() == np.flatnonzero((np.abs(offset[:, :2]) <= 0.5).all(axis=1)).tolist()
    assert np.ptp(points.coord[box, 2]) > 1.5
    assert 7 in inside
    assert 7 in box


@pytest.mark.parametrize(
    ("with_color", "expected"), [((True, True), None), ((True, False), 0.5), ((False, False), None)]
)
def test_mixing_keeps_both_with_their_labels(with_color: tuple[bool, bool], expected: float | None) -> None:
    first, second = (cloud(n, color, normal=False, seed=n) for n, color in zip((30, 20), with_color, strict=True))
    mixed = mix3d(first, second)
    assert len(mixed) == 50
    assert np.array_equal(mixed.labels, np.concatenate([first.labels, second.labels]))
    assert np.array_equal(mixed[np.arange(30)].coord, first.coord)
    assert np.array_equal(mixed.height[30:], second.height)
    assert mixed.normal is None
    assert (mixed.color is None) == (not any(with_color))
    if expected is not None:
        assert mixed.color is not None
        assert (mixed.color[30:] == expected).all()


def test_compose_applies_in_order_and_sometimes_as_often_as_asked() -> None:
    points = cloud()
    rng, again = np.random.default_rng(1), np.random.default_rng(1)
    both = Compose([Flip(), RotateZ()])(points, rng)
    assert same(both, RotateZ()(Flip()(points, again), again))
    assert Compose([])(points, rng) is points
    changed = sum(Sometimes(RotateZ(), 0.3)(points, rng) is not points for _ in range(500))
    assert 110 < changed < 190


@pytest.mark.parametrize("make", [lambda: Dropout(1.1), lambda: Sometimes(Flip(), -0.1)])
def test_probabilities_are_checked(make: object) -> None:
    with pytest.raises(InputError, match="probability"):
        make()  # type: ignore[operator]
