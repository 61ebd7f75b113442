"""Define colors: materials with a texture, the palette of an area, and the albedo of surface points."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

Color = tuple[float, float, float]
PLAIN, GRAIN, SPECKLE, TILES, STRIPES, SPINES = range(6)


@dataclass(frozen=True)
class Material:
    """``color`` in [0, 1]; ``texture`` one of the constants above, of strength ``contrast`` and period ``scale``
    meters.

    ``accent`` is the second color of TILES (joints), STRIPES (every other) and SPINES (books); ``clear`` is the share
    of rays that pass without a return, as on glass and black plastic.
    """

    color: Color
    texture: int = PLAIN
    contrast: float = 0.06
    scale: float = 0.5
    accent: Color = (0.5, 0.5, 0.5)
    clear: float = 0.0


WOODS: tuple[Color, ...] = (
    (0.62, 0.45, 0.29),
    (0.78, 0.64, 0.46),
    (0.45, 0.30, 0.20),
    (0.70, 0.55, 0.40),
    (0.33, 0.23, 0.17),
)
WHITES: tuple[Color, ...] = ((0.93, 0.93, 0.91), (0.88, 0.86, 0.80), (0.85, 0.86, 0.88), (0.95, 0.95, 0.95))
GRAYS: tuple[Color, ...] = ((0.70, 0.70, 0.70), (0.52, 0.53, 0.55), (0.36, 0.37, 0.39), (0.60, 0.58, 0.54))
DARKS: tuple[Color, ...] = ((0.10, 0.10, 0.11), (0.17, 0.17, 0.19), (0.22, 0.18, 0.16), (0.13, 0.17, 0.24))
FABRICS: tuple[Color, ...] = (
    (0.16, 0.24, 0.42), (0.52, 0.16, 0.16), (0.22, 0.38, 0.28), (0.60, 0.46, 0.20),
    (0.38, 0.34, 0.44), (0.66, 0.60, 0.50), (0.30, 0.46, 0.56), (0.44, 0.32, 0.24),
)  # fmt: skip
PAINTS: tuple[Color, ...] = (
    (0.86, 0.82, 0.70),
    (0.74, 0.80, 0.82),
    (0.80, 0.84, 0.74),
    (0.84, 0.74, 0.68),
    (0.78, 0.76, 0.82),
)
GLASS: tuple[Color, ...] = ((0.55, 0.66, 0.74), (0.72, 0.80, 0.86), (0.30, 0.36, 0.42), (0.84, 0.87, 0.88))
POOL = WOODS + WHITES + GRAYS + DARKS + FABRICS + PAINTS
"""All colors of the building, for objects whose color is not usual for their class."""

USUAL: dict[str, tuple[Color, ...]] = {
    "column": WHITES[:2] + GRAYS[:2],
    "beam": WHITES[:3] + GRAYS[:1],
    "door": WOODS + WHITES[:1] + GRAYS[:1],
    "table": WOODS[:4] + WHITES[:2] + GRAYS[:1],
    "chair": DARKS + FABRICS[:4] + WOODS[:2],
    "sofa": FABRICS[3:] + DARKS[2:] + FABRICS[:2],
    "bookcase": WOODS + WHITES[:2] + GRAYS[:1],
    "board": (*WHITES[2:], (0.20, 0.30, 0.25), (0.68, 0.52, 0.34), *DARKS[:1]),
    "frame": WHITES + GRAYS + DARKS[:2],
    "metal": GRAYS + DARKS[:1],
    "clutter": POOL,
}


@dataclass(frozen=True)
class Palette:
    """The preferred colors of an area or room: a weight for each color of POOL, and the share of colors unusual for the
    class.
    """

    weights: np.ndarray
    unusual: float

    def color(self, kind: str, rng: np.random.Generator) -> Color:
        """Return a color for an object of ``kind`` (a key of USUAL)."""
        choice = POOL if rng.random() < self.unusual else USUAL[kind]
        weight = np.array([self.weights[POOL.index(c)] if c in POOL else 1.0 for c in choice])
        picked = np.array(choice[rng.choice(len(choice), p=weight / weight.sum())])
        r, g, b = np.clip(picked * rng.normal(1, 0.10) + rng.normal(0, 0.025, 3), 0.03, 0.98)
        return (float(r), float(g), float(b))

    def material(self, kind: str, rng: np.random.Generator) -> Material:
        """Return a material for an object of ``kind``, with the grain of wood or the weave of cloth if its color
        suggests it.
        """
        color = self.color(kind, rng)
        warm = color[0] - color[2]
        if kind in ("chair", "sofa") and rng.random() < 0.8:
            return Material(color, SPECKLE, 0.14, 0.02)
        if warm > 0.12:
            return Material(color, GRAIN, 0.16, float(rng.uniform(0.05, 0.2)))
        return Material(color, PLAIN, 0.05, 0.6, clear=0.25 if max(color) < 0.15 else 0.0)


def draw_palette(rng: np.random.Generator, style: float, unusual: float) -> Palette:
    """Return the palette of an area; the larger ``style``, the more it differs from others."""
    return Palette(np.exp(rng.normal(0, 1.5 * style, len(POOL))), unusual)


def worn(material: Material, rng: np.random.Generator, spread: float = 0.08) -> Material:
    """Return the same material, a shade lighter or darker."""
    r, g, b = np.clip(np.array(material.color) * rng.normal(1, spread), 0.02, 0.98)
    return replace(material, color=(float(r), float(g), float(b)))


@dataclass(frozen=True)
class Surfaces:
    """The materials of S solids as arrays."""

    color: np.ndarray
    accent: np.ndarray
    texture: np.ndarray
    contrast: np.ndarray
    scale: np.ndarray
    clear: np.ndarray


def pack_materials(materials: list[Material]) -> Surfaces:
    """Return the arrays of a list of materials."""
    return Surfaces(
        np.array([m.color for m in materials], dtype=np.float32),
        np.array([m.accent for m in materials], dtype=np.float32),
        np.array([m.texture for m in materials]),
        np.array([m.contrast for m in materials], dtype=np.float32),
        np.array([m.scale for m in materials], dtype=np.float32),
        np.array([m.clear for m in materials], dtype=np.float32),
    )


def albedo(surfaces: Surfaces, solid: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return colors (P, 3) of points at ``position`` (P, 3), in meters in the frame of their solids ``solid`` (P,)."""
    color, texture = surfaces.color[solid].copy(), surfaces.texture[solid]
    turns = position * (2 * np.pi / surfaces.scale[solid])[:, None]
    seed = solid.astype(np.float32) * 1.7
    x, y, z = turns[:, 0] + seed, turns[:, 1] - seed, turns[:, 2]
    waves = np.sin(x + 0.7 * np.sin(0.6 * y)) * np.sin(0.8 * y + np.sin(0.5 * z)) + 0.5 * np.sin(
        0.3 * x + 0.4 * y + 0.5 * z
    )
    rings = np.sin(0.25 * x + 2.0 * y + 2.0 * z + 1.5 * np.sin(0.2 * x))
    grains = np.where(texture == GRAIN, rings, np.where(texture == SPECKLE, _noise(position, 0.008) * 2 - 1, waves))
    color *= (1 + surfaces.contrast[solid] * grains)[:, None]
    phase = position / surfaces.scale[solid][:, None]
    joint = (np.abs(phase - np.round(phase)) < 0.025).sum(axis=1) > 0
    stripe = (texture == STRIPES) & (phase[:, 2] - np.floor(phase[:, 2]) < 0.5)
    mixed = ((texture == TILES) & joint) | stripe
    color[mixed] = 0.4 * color[mixed] + 0.6 * surfaces.accent[solid[mixed]]
    books = np.flatnonzero(texture == SPINES)
    which = np.floor(phase[books, 0]) + 31 * solid[books]
    dye = np.stack([_noise(np.stack([which, which * 0 + k, which * 0], axis=1), 1.0) for k in range(3)], axis=1)
    color[books] = 0.45 * color[books] + 0.55 * (0.1 + 0.8 * dye.astype(np.float32))
    return np.asarray(np.clip(color, 0.01, 1.0))


def _noise(position: np.ndarray, cell: float) -> np.ndarray:
    """Return a number in [0, 1) for the cell of each position (P, 3): (P,), a fixed function of the cell."""
    key = np.floor(position / cell).astype(np.int64).astype(np.uint64)
    mixed = key[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ key[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= key[:, 2] * np.uint64(0x165667B19E3779F9)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return ((mixed >> np.uint64(40)).astype(np.float32)) / np.float32(1 << 24)
