"""One input feature of a network: its name and parameters, as a config writes them and a checkpoint keeps them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pcseg.errors import InputError, cut
from pcseg.scenes.columns import RESERVED
from pcseg.scenes.points import Points

OWN = {"color": 3, "optional_color": 3, "height": 1, "normal": 3, "ones": 1}
"""Features with a meaning of their own, and their channels; all others have one."""

SHAPES = ("verticality", "planarity", "linearity", "curvature")
"""Features of the shape of the surface around a point, within a ``radius``; see pcseg.feeding.shape."""

GROUND = {"cell": 1.0, "window": 18.0, "slope": 0.15}
"""Parameters of ``ground_height`` where none are given; see pcseg.feeding.ground."""

SMALLEST, LARGEST = 1e-3, 1e4
"""Bounds of parameters, in meters (of a slope: meters per meter)."""

LARGEST_NORMAL = 1e4
"""Size from which components of normals are no lengths but "no data"; they become 0, as NaN does."""

FARTHEST = np.float32(2.0)
"""Distance from the middle of a column's range, in ranges, at which values are clipped: some mean "no data"."""

_SAMPLED = 100_000
"""Values, spread evenly over a column, whose scale is compared with the range."""


@dataclass(frozen=True)
class Feature:
    """A feature by name and parameters; ``str`` gives both, and names the attribute of the points that holds it.

    ``parameters`` are numbers in the order of their names. ``range`` is that of a column: values from low to high
    become -0.5 to 0.5. It does not change which feature this is.
    """

    name: str
    parameters: tuple[tuple[str, float], ...] = ()
    range: tuple[float, float] | None = None

    def __str__(self) -> str:
        values = ", ".join(f"{key}={value:g}" for key, value in self.parameters)
        return f"{self.name}({values})" if values else self.name

    @property
    def width(self) -> int:
        """Number of channels."""
        return OWN.get(self.name, 1)

    @property
    def computed(self) -> bool:
        """Is it computed from the coordinates of a whole scan? A normal is where the scan has none."""
        return bool(self.parameters)

    @property
    def is_column(self) -> bool:
        """Is it a further column of the scan, such as intensity?"""
        return not self.computed and self.name not in OWN

    @property
    def needs(self) -> str:
        """The attribute that a scan must bring; "" for none."""
        return self.name if self.is_column or (self.name in ("color", "normal") and not self.computed) else ""

    @property
    def attribute(self) -> str:
        """The attribute of the points that holds its values."""
        return "normal" if self.name == "normal" else str(self)

    def to_json(self) -> str | dict[str, Any]:
        """Return the name, or a table of name, parameters and range."""
        if not self.parameters and self.range is None:
            return self.name
        ranged = {} if self.range is None else {"range": list(self.range)}
        return {"name": self.name, **dict(self.parameters), **ranged}

    def __call__(self, points: Points) -> np.ndarray:
        """Return its channels (P, width) float32 for P points that have what it needs."""
        if self.name == "ones":
            return np.ones((len(points), 1), dtype=np.float32)
        if self.name in ("color", "optional_color"):
            color = points.color
            return np.zeros((len(points), 3), np.float32) if color is None else color - np.float32(0.5)
        values = points.attributes[self.attribute]
        if self.name == "normal":
            return np.where(np.abs(values) < LARGEST_NORMAL, values, np.float32(0))
        return self._scaled(values)[:, None] if self.is_column else values[:, None]

    def remarks(self, values: np.ndarray) -> list[str]:
        """Return a warning where values (P,) of a column are of another scale than the range trained on.

        They are where more than half of them are so far out that they are clipped, or where the 99th percentile of
        their sizes is under a hundredth of the range's larger end. A tenth of the values, as of another scanner or of a
        flat place, passes.
        """
        few = np.asarray(values[:: max(1, len(values) // _SAMPLED)], dtype=np.float64)
        few = few[np.isfinite(few)]
        if self.range is None or not len(few):
            return []
        low, high = self.range
        with np.errstate(over="ignore"):
            clipped = np.abs((few - low) / (high - low) - 0.5) > FARTHEST
        if clipped.mean() <= 0.5 and np.percentile(np.abs(few), 99) >= max(abs(low), abs(high)) / 100:
            return []
        least, most = np.percentile(few, (1, 99))
        found = f"{self.name} runs from {least:g} to {most:g}, far from the range trained on, {low:g} to {high:g}"
        return [f"{found}; if its unit is another, scale it as in the scans trained on"]

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        if self.range is None:
            raise InputError(
                f"feature '{self.name}': its range is not known; give {{name: {self.name}, range: [low, high]}}"
            )
        low, high = self.range
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = ((values.astype(np.float64) - low) / (high - low) - 0.5).astype(np.float32)
        return np.clip(np.where(np.isfinite(scaled), scaled, np.float32(0)), -FARTHEST, FARTHEST)


def make_feature(value: Any) -> Feature:
    """Return the feature that a config or a checkpoint writes as ``value``: a name, or a table of name and parameters.

    ``{name: planarity, radius: 1.5}``, ``{name: ground_height, cell: 1, window: 18, slope: 0.15}``, ``{name:
    intensity, range: [0, 2000]}``. Raises InputError for anything else.
    """
    if isinstance(value, Feature):
        return value
    table = {"name": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
        raise InputError(
            f"feature {cut(repr(value), 60)}: write a name, or a table such as {{name: planarity, radius: 1.5}}"
        )
    name = table["name"]
    given = {str(key): given for key, given in table.items() if key != "name"}
    bounds = given.pop("range", None)
    feature = Feature(name, _parameters(name, given))
    if feature.is_column and (name in RESERVED or not re.fullmatch(r"[a-z0-9_]{1,100}", name)):
        raise InputError(f"feature {cut(repr(name), 60)}: is no column; give {', '.join(OWN)} or the name of a column")
    if bounds is None:
        return feature
    if not feature.is_column:
        raise InputError(f"feature {cut(repr(name), 60)}: has no range; leave it out, it is for columns as intensity")
    low, high = _bounds(name, bounds)
    return replace(feature, range=(low, high))


def _parameters(name: str, given: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    known: Mapping[str, float] = GROUND if name == "ground_height" else {}
    names = list(known) or (["radius"] if name in (*SHAPES, "normal") else [])
    wrong = [key for key in given if key not in names]
    if wrong:
        takes = f"takes {', '.join(names)}" if names else "takes no parameter but range"
        raise InputError(f"feature {cut(repr(name), 60)}: {cut(repr(wrong[0]), 60)} is unknown, it {takes}")
    values = {**known, **given}
    for key, value in values.items():
        if not _is_number(value) or not SMALLEST <= value <= LARGEST:
            found = f"{key}={cut(repr(value), 60)}"
            raise InputError(f"feature '{name}': {found} must be a number from {SMALLEST:g} to {LARGEST:g}")
    return tuple((key, float(values[key])) for key in names if key in values)


def _bounds(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, (list, tuple)) or len(value) != 2 or not all(map(_is_number, value)):
        raise InputError(f"feature '{name}': range {cut(repr(value), 60)} must be two numbers, [low, high]")
    if not all(abs(bound) < 1e300 for bound in value) or not value[0] < value[1]:
        raise InputError(f"feature '{name}': range {cut(repr(value), 60)} must be finite and in order")
    return float(value[0]), float(value[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
