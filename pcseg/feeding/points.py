"""The points of one sample on their way from a scene to voxels: what transforms take and give."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pcseg.classes import IGNORE
from pcseg.scenes.places import floor_level


@dataclass(frozen=True)
class Points:
    """P points: ``coord`` (P, 3) float32 in meters; ``height`` (P,) float32, meters above the floor of the scene;
    ``labels`` (P,) int64, IGNORE where unknown; ``color`` (P, 3) float32 in [0, 1] and ``normal`` (P, 3) float32 of
    unit length, None where the scan has none. Arrays are never changed in place: they may belong to the cached scene.
    """

    coord: np.ndarray
    height: np.ndarray
    labels: np.ndarray
    color: np.ndarray | None = None
    normal: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.coord)

    def __getitem__(self, chosen: np.ndarray) -> Points:
        """The points that ``chosen`` (a mask or indices) selects, all their properties with them."""
        color = None if self.color is None else self.color[chosen]
        normal = None if self.normal is None else self.normal[chosen]
        return Points(self.coord[chosen], self.height[chosen], self.labels[chosen], color, normal)

    def mapped(self, matrix: np.ndarray) -> Points:
        """The points under the linear map ``matrix`` (3, 3), acting on column vectors.

        Normals follow by the inverse transpose, so that they stay perpendicular to their surface; heights are
        scaled by the vertical stretch.
        """
        coord = (self.coord @ matrix.T).astype(np.float32)
        height = (self.height * matrix[2, 2]).astype(np.float32)
        normal = self.normal
        if normal is not None:
            turned = normal @ np.linalg.inv(matrix)
            length = np.linalg.norm(turned, axis=1, keepdims=True)
            normal = (turned / np.maximum(length, 1e-12)).astype(np.float32)
        return replace(self, coord=coord, height=height, normal=normal)


def make_points(
    coord: np.ndarray,
    color: np.ndarray | None = None,
    normal: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    floor: float | None = None,
) -> Points:
    """Points from a scan's arrays; ``color`` is uint8 (P, 3), 0 to 255. Without labels all are IGNORE.

    ``floor`` is the scan's floor_level; to be given where the arrays are only a part of the scan.
    """
    coord = np.asarray(coord, dtype=np.float32)
    if labels is None:
        labels = np.full(len(coord), IGNORE, dtype=np.int64)
    height = coord[:, 2] - np.float32(floor_level(coord) if floor is None else floor)
    scaled = None if color is None else np.asarray(color, dtype=np.float32) / np.float32(255)
    return Points(coord, height, labels, scaled, None if normal is None else np.asarray(normal, dtype=np.float32))
