"""Choose colors for classes: usual ones for common names (green trees, blue water), for others the most different
ones.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

Color = tuple[int, int, int]

RESERVED = ((128, 132, 140), (255, 255, 255), (0, 0, 0))
"""Colors that no class gets: the gray of unknown points, the background, and black."""

NEAR = 0.07
"""Distance in Oklab below which two colors look alike; black and white are 1 apart."""

PLURAL = re.compile(r"(?:(?<=[sxz])|(?<=[cs]h))es$|(?<![siu])s$")
"""Plural endings, as of bushes and trees."""

MOST = 1000
"""Number of classes up to which the colors differ visibly."""

USUAL: dict[Color, str] = {
    (30, 112, 50): (
        "tree, high vegetation, high veg, tall vegetation, forest, canopy, foliage, leaf, conifer, deciduous"
    ),
    (66, 168, 62): (
        "vegetation, medium vegetation, med vegetation, medium veg, mid vegetation, plant, bush, shrub, hedge"
    ),
    (140, 200, 60): "low vegetation, low veg, crop, natural, natural terrain, garden, flower",
    (176, 232, 130): "grass, lawn, meadow, grassland",
    (86, 58, 38): "trunk, stem, branch, log, stump, dead wood",
    (164, 116, 70): "ground, soil, earth, bare earth, terrain, dirt, sand, gravel, mud, unpaved",
    (50, 110, 225): "water, river, lake, sea, pond, stream, canal",
    (186, 220, 245): "snow, ice, sky",
    (82, 82, 98): (
        "road, asphalt, street, road surface, man made terrain, car park, parking lot, impervious surface, "
        "pavement, parking, paved, driveway, highway"
    ),
    (192, 150, 176): "sidewalk, footpath, footway, path, walkway, curb, kerb",
    (250, 238, 176): "road marking, lane marking, marking, crosswalk",
    (58, 48, 140): "rail, railway, track",
    (168, 52, 36): "roof, rooftop",
    (220, 172, 130): "building, house, facade, structure, man made, hard scape, construction",
    (226, 214, 160): "wall, brick",
    (140, 100, 150): "bridge, overpass, tunnel",
    (134, 88, 42): "floor, flooring, parquet, carpet, rug",
    (204, 180, 240): "ceiling",
    (252, 220, 40): "lamp, light, street light, lamp post, light pole, chandelier",
    (240, 150, 30): "pole, post, mast, bollard",
    (116, 30, 170): "power line, utility line, wire, cable, conductor",
    (176, 96, 225): "tower, pylon",
    (150, 136, 20): "fence, barrier, guard rail, railing, gate",
    (225, 40, 150): "sign, signboard, traffic light, traffic signal, billboard",
    (222, 30, 50): "car, vehicle, automobile",
    (252, 120, 100): "truck, lorry, other vehicle, bus, van, trailer, train, tram",
    (10, 180, 190): "bicycle, bike, motorcycle, motorbike, cyclist, bicyclist, motorcyclist, scooter",
    (255, 110, 220): "person, pedestrian, people, human",
    (90, 190, 250): "window, glass, glazing, skylight",
    (200, 100, 0): "door, doorway",
    (202, 110, 130): "stairs, step, staircase, ladder, ramp",
    (245, 70, 110): "chair, stool, bench, armchair, seat",
    (140, 120, 245): "table, desk, counter",
    (40, 60, 200): "sofa, couch",
    (20, 140, 120): "bed, mattress",
    (110, 140, 90): "bookcase, bookshelf, shelf, cabinet, cupboard, wardrobe",
    (80, 236, 170): "board, whiteboard, blackboard, picture, screen, monitor",
}
"""Common names of classes, singular, by their color."""


@lru_cache(maxsize=64)
def class_colors(names: tuple[str, ...]) -> tuple[Color, ...]:
    """Return a color (red, green, blue) for each of ``names``, always the same for the same names.

    A common name gets its color in USUAL, in any spelling (``High_Vegetation``, ``vegetation, high``, ``trees``); if
    another class has that color, the most similar one that differs visibly. Other names get the color that differs most
    from all colors in use. Beyond MOST classes the colors differ, but not visibly.
    """
    if len(names) > MOST:
        codes = [k * 0x9E3779 % 2**24 for k in range(1, len(names) + 1)]  # an odd factor, so that no code is repeated
        return tuple((code >> 16, code >> 8 & 255, code & 255) for code in codes)
    candidates, places = _candidates()
    distance = np.min([_away(places, color) for color in RESERVED], axis=0)
    chosen: dict[int, Color] = {}
    wanted = {k: color for k, name in enumerate(names) if (color := usual_color(name)) is not None}
    for k in [*wanted, *(k for k in range(len(names)) if k not in wanted)]:
        used = oklab(np.array([*chosen.values()]).reshape(-1, 3))
        if k in wanted and (_away(used, wanted[k]) >= NEAR).all():
            chosen[k] = wanted[k]
        else:
            free = distance >= min(NEAR, float(distance.max()))
            worth = -_away(places, wanted[k]) if k in wanted else distance
            r, g, b = candidates[np.where(free, worth, -np.inf).argmax()].tolist()
            chosen[k] = (r, g, b)
        distance = np.minimum(distance, _away(places, chosen[k]))
    return tuple(chosen[k] for k in range(len(names)))


def usual_color(name: str) -> Color | None:
    """Return the color of a common name: of all its words in either order, else of the longest, last run of them; or
    None.
    """
    words, table = _words(name), _table()
    if {"non", "not", "no"} & set(words):
        return None
    if "".join(reversed(words)) in table:
        return table["".join(reversed(words))]
    runs = [words[end - size : end] for size in range(len(words), 0, -1) for end in range(len(words), size - 1, -1)]
    return next((table[key] for run in runs if (key := "".join(run)) in table), None)


def _words(name: str) -> list[str]:
    """Return the words of a name, singular and in lower case; of "HighVegetation" and "high_vegetations" the same."""
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name[:200]).lower())
    return [word for w in words if (word := PLURAL.sub("", w))]


@lru_cache(maxsize=1)
def _table() -> dict[str, Color]:
    return {"".join(_words(name)): color for color, listed in USUAL.items() for name in listed.split(",")}


def _away(places: np.ndarray, color: Color) -> np.ndarray:
    """Return the distances (N,) in Oklab of ``places`` (N, 3) from a color."""
    return np.asarray(np.linalg.norm(places - oklab(np.array(color)), axis=1))


@lru_cache(maxsize=1)
def _candidates() -> tuple[np.ndarray, np.ndarray]:
    """Return colors (N, 3) to choose from, neither pale nor dark, and their places in Oklab (N, 3)."""
    steps = np.linspace(30, 240, 16).round().astype(np.int64)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    places = oklab(grid)
    fit = (places[:, 0] > 0.35) & (places[:, 0] < 0.9)
    return grid[fit], places[fit]


def oklab(colors: np.ndarray) -> np.ndarray:
    """Return lightness and two hue axes (..., 3) of sRGB colors (..., 3); distances are about those perceived.

    Source: Ottosson 2020, "A perceptual color space for image processing".
    """
    value = np.asarray(colors, np.float64) / 255
    linear = np.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)
    to_cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.cbrt(linear @ np.array(to_cones).T) @ np.array(to_lab).T
