"""The input features of a network, declared by name and computed alike in training and prediction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pcseg.errors import InputError, cut
from pcseg.feeding.feature import OWN, SHAPES, Feature, make_feature
from pcseg.scenes.columns import by_name, column_name
from pcseg.scenes.points import Points

_REMEDIES = {
    "color": "give a scan with colors (of a text or .npy table without names, say columns=x,y,z,red,green,blue), or a "
    "network trained with 'optional_color'",
    "normal": "leave it out, or have normals computed: {name: normal, radius: 0.5}",
}


@dataclass(frozen=True)
class Features:
    """An ordered list of features; a checkpoint stores ``to_json`` and rebuilds this from it.

    ``color``: rgb / 255 - 0.5, the habit of MinkowskiEngine's networks; a scan without color is an error.
    ``optional_color``: the same, but zeros (middle gray) for a scan without color; train it with the transform
    ColorDrop, which shows the network such scans. ``height``: meters above the floor of the scan. ``normal``: unit
    normals; with a ``radius`` they are computed for a scan without them, else that is an error. ``ones``: a constant.

    Computed from the coordinates, for points (P,): with a ``radius`` in meters ``verticality``, ``planarity``,
    ``linearity`` and ``curvature`` (see pcseg.feeding.shape); ``ground_height``, meters above the ground there (see
    pcseg.feeding.ground).

    Any other name is a column of the scan, such as ``intensity``: its ``range`` [low, high], which ``measured`` finds
    where none is given, becomes -0.5 to 0.5. Values far out are clipped, those that are no finite number become 0.
    """

    each: tuple[Feature, ...]

    def __init__(self, features: Sequence[str | Mapping[str, Any] | Feature]) -> None:
        object.__setattr__(self, "each", tuple(make_feature(value) for value in features))
        if not self.names or len({feature.attribute for feature in self.each}) != len(self.each):
            raise InputError(f"features {list(self.names)}: name at least one, and each once")
        if {"color", "optional_color"} <= set(self.names):
            raise InputError("features: color and optional_color exclude each other; keep one")

    @classmethod
    def from_json(cls, value: Any) -> Features:
        """Rebuild features from what ``to_json`` gave, or from a list of names; raises InputError for anything else."""
        if not isinstance(value, list):
            raise InputError(f"features are {cut(repr(value), 60)}, no list")
        return cls(value)

    def to_json(self) -> list[str | dict[str, Any]]:
        """Return the list that a config would hold."""
        return [feature.to_json() for feature in self.each]

    @property
    def names(self) -> tuple[str, ...]:
        """Names, with the parameters of computed features in brackets."""
        return tuple(map(str, self.each))

    @property
    def width(self) -> int:
        """Number of channels F: the network's ``in_channels``."""
        return sum(feature.width for feature in self.each)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the scan, besides color and normal, that are features."""
        return tuple(feature.name for feature in self.each if feature.is_column)

    def check(self, scan: str, there: Collection[str]) -> None:
        """Raise InputError, which names ``scan`` and all that is missing, if what the features need is not ``there``.

        ``there``: names of the attributes of the scan.
        """
        missing = [feature.needs for feature in self.each if feature.needs and feature.needs not in there]
        if not missing:
            return
        columns = [name for name in missing if name not in _REMEDIES]
        remedies = [remedy for name, remedy in _REMEDIES.items() if name in missing]
        remedies += [f"have it computed: {{name: {name}, radius: 1.5}}" for name in columns if name in SHAPES]
        if set(columns) - set(SHAPES):
            others = ", ".join(sorted(set(map(column_name, there)))) or "coordinates only"
            remedies.append(
                f"the scan has {others}, and computed are {', '.join((*OWN, 'ground_height', *SHAPES))}; give a scan "
                "that has them (keep: in classes.yaml keeps columns), or train without"
            )
        named = ", ".join("normals" if name == "normal" else name for name in missing)
        plural = f"features {', '.join(missing)} need" if len(missing) > 1 else f"feature '{missing[0]}' needs"
        raise InputError(f"{scan}: has no {named}, which the {plural}; {'; '.join(remedies)}")

    def remarks(self, columns: Mapping[str, np.ndarray]) -> list[str]:
        """Return warnings about columns (P,) of a scan, by name, of another scale than those trained on."""
        named = by_name(columns)
        found = (f.remarks(named[f.name]) for f in self.each if f.is_column and f.name in named)
        return [remark for each in found for remark in each]

    def ranged(self, ranges: Mapping[str, tuple[float, float]]) -> Features:
        """Return the same features, the columns that have no range with those of ``ranges``."""
        return Features([replace(f, range=ranges[f.name]) if f.is_column and f.range is None else f for f in self.each])

    def __call__(self, points: Points) -> np.ndarray:
        """Return features (P, F) float32 of P points; raises InputError where they lack what is needed."""
        self.check("points", points.attributes)
        return np.concatenate([feature(points) for feature in self.each], axis=1, dtype=np.float32)
