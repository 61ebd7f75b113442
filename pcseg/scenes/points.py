"""A table of points: their coordinates and one dictionary of attributes, indexed together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self

HEIGHTS = ("height", "ground_height")
"""Attributes in meters above something below: a vertical stretch scales them. Parameters may follow in brackets."""


@dataclass(frozen=True)
class Points:
    """P points: ``coord`` (P, 3) in meters and ``attributes``, arrays (P, ...) by name.

    ``points[chosen]`` (a mask, indices or a slice) selects rows of all of them. Usual attributes: ``color`` (P, 3),
    uint8 in a scene and float32 in [0, 1] in a sample; ``normal`` (P, 3) float32; ``height`` (P,) float32, meters
    above the floor of the scan; ``labels`` (P,) int16, IGNORE where unknown; ``row`` (P,) int32, the number of the
    point in its scene. Arrays are never changed in place: they may be a memory-mapped file.
    """

    coord: np.ndarray
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.coord)

    def __getitem__(self, chosen: np.ndarray | slice) -> Self:
        attributes = {name: array[chosen] for name, array in self.attributes.items()}
        return replace(self, coord=self.coord[chosen], attributes=attributes)

    def having(self, **arrays: np.ndarray) -> Self:
        """Return the same points with further attributes, or other ones of these names."""
        return replace(self, attributes={**self.attributes, **arrays})

    def mapped(self, matrix: np.ndarray) -> Self:
        """Return the points under the linear map ``matrix`` (3, 3), acting on column vectors.

        Normals follow by the inverse transpose, so that they stay perpendicular to their surface; heights are scaled
        by the vertical stretch. Other attributes stay.
        """
        changed = {
            name: (array * matrix[2, 2]).astype(np.float32)
            for name, array in self.attributes.items()
            if name.partition("(")[0] in HEIGHTS
        }
        if self.normal is not None:
            turned = self.normal @ np.linalg.inv(matrix)
            length = np.linalg.norm(turned, axis=1, keepdims=True)
            changed["normal"] = (turned / np.maximum(length, 1e-12)).astype(np.float32)
        return replace(self.having(**changed), coord=(self.coord @ matrix.T).astype(np.float32))

    @property
    def color(self) -> np.ndarray | None:
        return self.attributes.get("color")

    @property
    def normal(self) -> np.ndarray | None:
        return self.attributes.get("normal")

    @property
    def height(self) -> np.ndarray:
        return self.attributes["height"]

    @property
    def labels(self) -> np.ndarray:
        return self.attributes["labels"]
