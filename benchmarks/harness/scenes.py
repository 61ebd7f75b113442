"""Scenes with colors and labels for training and prediction: synthetic rooms, or folders of prepared scenes."""

from __future__ import annotations

import numpy as np

from benchmarks.harness.clouds import VOXEL, room
from pcseg.classes import S3DIS
from pcseg.scenes.scene import Scene

FEATURES = ("color", "height")
"""Features of a voxel, as in configs/data."""


def synthetic_scene(voxels: int) -> Scene:
    """Return a synthetic room of ``voxels`` voxels of 2 cm with random colors, and classes that change with height."""
    cloud = room(voxels)
    coord = cloud.points * np.float32(VOXEL)
    segment = (coord[:, 2] / 0.2).astype(np.int64) % len(S3DIS)
    color = np.random.default_rng(0).integers(0, 256, coord.shape).astype(np.uint8)
    return Scene(coord, {"color": color, "segment": segment}, f"synthetic/{voxels}", classes=S3DIS.names)
