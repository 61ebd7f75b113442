"""Inputs: the settings that turn scans or images into the input of a network, kept beside its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pcseg.errors import InputError, cut
from pcseg.feeding.features import Features

VOXEL_SIZES = (1e-4, 1e3)
"""The smallest and the largest edge of voxels, in meters, that a network is used with."""

SCALES = (0.01, 10.0)
"""The smallest and the largest scale of pictures that a network is used with."""


@dataclass(frozen=True)
class VoxelInputs:
    """Voxels of ``voxel_size`` meters with declared features. Raises InputError for a size out of VOXEL_SIZES."""

    voxel_size: float
    features: Features

    def __init__(self, voxel_size: float, features: Features | Sequence[str]) -> None:
        object.__setattr__(self, "voxel_size", voxel_size)
        object.__setattr__(self, "features", features if isinstance(features, Features) else Features(features))
        low, high = VOXEL_SIZES
        if not low <= self.voxel_size <= high:
            raise InputError(f"voxel_size={self.voxel_size:g}: must be {low:g} to {high:g}, in meters")

    def __str__(self) -> str:
        return f"voxels of {self.voxel_size:g} m, features {', '.join(self.features.names)}"

    @property
    def width(self) -> int:
        """Number of input channels F."""
        return self.features.width

    def to_json(self) -> dict[str, Any]:
        return {"voxel_size": self.voxel_size, "features": self.features.to_json()}


@dataclass(frozen=True)
class ImageInputs:
    """Images (B, 3, H, W) of colors in [0, 1], from which ``mean`` is subtracted and which are divided by ``std``.

    They are seen at ``scale`` of the resolution of a picture. Raises InputError for numbers out of range.
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    scale: float = 1.0

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise InputError(f"mean={self.mean}, std={self.std}: give red, green and blue, std above 0")
        low, high = SCALES
        if not low <= self.scale <= high:
            raise InputError(f"scale={self.scale:g}: must be {low:g} to {high:g}, of the resolution of a picture")

    def __str__(self) -> str:
        return f"pictures at {self.scale:g} of their resolution"

    @property
    def width(self) -> int:
        """Number of input channels F."""
        return 3

    def to_json(self) -> dict[str, Any]:
        return {"mean": list(self.mean), "std": list(self.std), "scale": self.scale}


Inputs = VoxelInputs | ImageInputs


def read_inputs(value: Mapping[str, Any]) -> Inputs:
    """Rebuild inputs from what ``to_json`` gave; raises TypeError, KeyError or InputError for anything else."""
    if "mean" in value:
        mean, std = (tuple(_number(v, key) for v in value[key]) for key in ("mean", "std"))
        return ImageInputs(mean, std, _number(value.get("scale", 1.0), "scale"))  # type: ignore[arg-type]
    return VoxelInputs(_number(value["voxel_size"], "voxel_size"), Features.from_json(value["features"]))


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is {cut(repr(value), 60)}, no number")
    return float(value)
