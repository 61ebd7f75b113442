"""Common class names have their usual colors, and no two colors look alike."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.class_colors import MOST, NEAR, RESERVED, USUAL, class_colors, oklab, usual_color

HUES = {"red": (345, 20), "brown": (15, 45), "green": (75, 160), "blue": (195, 240)}
"""Ranges of hue, degrees."""


def closest(colors: object) -> float:
    """Return the distance in Oklab of the two most similar colors."""
    places = oklab(np.array(colors))
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    return float((apart + 9 * np.eye(len(places))).min())


@pytest.mark.parametrize(
    ("name", "hue"),
    [
        ("tree", "green"), ("Trees", "green"), ("high vegetation", "green"), ("High_Vegetation", "green"),
        ("vegetation, high", "green"), ("HIGH VEGETATION", "green"), ("HighVegetation", "green"),
        ("03_bushes", "green"),
        ("low-vegetation", "green"), ("Grass", "green"), ("ground", "brown"), ("bare_earth", "brown"),
        ("Soil", "brown"),
        ("ground points", "brown"), ("roof", "red"), ("Roofs", "red"), ("building roof", "red"), ("water", "blue"),
        ("Lakes", "blue"), ("water surface", "blue"), ("cars", "red"), ("parked-car", "red"),
    ],
)  # fmt: skip
def test_common_names_have_their_usual_color(name: str, hue: str) -> None:
    (color,) = class_colors((name,))
    degrees = 360 * colorsys.rgb_to_hsv(*(c / 255 for c in color))[0]
    low, high = HUES[hue]
    assert (degrees - low) % 360 <= (high - low) % 360, (name, color)


@pytest.mark.parametrize("name", ["road", "Asphalt", "road_surface", "Roads"])
def test_roads_are_gray(name: str) -> None:
    color = class_colors((name,))[0]
    assert max(color) - min(color) < 20
    assert max(color) < 110  # darker than unknown points


def test_a_name_in_another_spelling_has_the_same_color() -> None:
    for spelled in ("high vegetation", "High Vegetation", "high_vegetation", "HighVegetation", "vegetation (high)"):
        assert usual_color(spelled) == usual_color("tree"), spelled
    assert usual_color("traffic sign") == usual_color("sign")
    assert usual_color("office chairs") == usual_color("chair")


@pytest.mark.parametrize("name", ["class 3", "7", "xyz", "non-ground", "no tree", "Gräs", "地面", "streetcred"])
def test_other_names_have_none(name: str) -> None:
    assert usual_color(name) is None


def test_the_usual_colors_differ_visibly() -> None:
    assert closest(list(USUAL)) >= NEAR
    assert closest([*USUAL, *RESERVED]) >= NEAR
    names = [name.strip() for listed in USUAL.values() for name in listed.split(",")]
    assert len(set(names)) == len(names)
    assert all(usual_color(name) is not None for name in names)


words = st.text("abcdefgh ", min_size=1, max_size=6)
common = st.sampled_from([name.strip() for listed in USUAL.values() for name in listed.split(",")])


@settings(deadline=None)
@given(st.lists(words | common, min_size=1, max_size=40, unique=True))
def test_no_two_classes_look_alike_nor_like_unknown_points(names: list[str]) -> None:
    colors = class_colors(tuple(names))
    assert closest([*colors, *RESERVED]) >= NEAR
    assert all(type(c) is int and 0 <= c <= 255 for color in colors for c in color)


def test_names_of_one_color_get_neighbors_of_it() -> None:
    colors = class_colors(("tree", "trees", "forest", "canopy"))
    assert colors[0] == usual_color("tree")
    for r, g, b in colors:
        assert g > max(r, b)


@pytest.mark.parametrize(("count", "least"), [(13, 0.17), (50, 0.09), (255, 0.045), (MOST, 0.02), (MOST + 1, 1e-9)])
def test_many_classes_differ(count: int, least: float) -> None:
    colors = class_colors(tuple(f"class {k}" for k in range(count)))
    assert len(set(colors)) == count
    if count < MOST:
        assert closest(colors) >= least


def test_twenty_thousand_classes_still_differ() -> None:
    assert len(set(class_colors(tuple(map(str, range(20_000)))))) == 20_000


def test_the_same_names_have_the_same_colors_whatever_was_asked_before() -> None:
    names = ("tree", "foo", "bar", "trees")
    first = class_colors(names)
    class_colors.cache_clear()
    class_colors(("bar", "x"))
    assert class_colors(names) == first
