"""A scan as a predictor takes it: arrays of known types, made of whatever a user gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.colors import color_to_uint8


@dataclass(frozen=True)
class Scan:
    """A scan: ``xyz`` (P, 3) float64, ``color`` (P, 3) uint8 and ``normal`` (P, 3) float32, which may be None."""

    xyz: np.ndarray
    color: np.ndarray | None
    normal: np.ndarray | None

    def __len__(self) -> int:
        return len(self.xyz)

    def __getitem__(self, chosen: np.ndarray | slice) -> Scan:
        color, normal = (None if a is None else a[chosen] for a in (self.color, self.normal))
        return Scan(self.xyz[chosen], color, normal)


def checked_scan(name: str, xyz: np.ndarray, color: np.ndarray | None, normal: np.ndarray | None) -> Scan:
    """A scan of what a user gave: arrays of any type of number and layout; InputError, which begins with ``name``, else."""
    xyz = _numbers(name, "xyz", xyz).astype(np.float64, copy=False)
    if xyz.ndim != 2 or xyz.shape[1] != 3:
        raise InputError(f"{name}: xyz has shape {xyz.shape}; give (P, 3)")
    if not len(xyz):
        raise InputError(f"{name}: has no point; read or export it again")
    color = None if color is None else _numbers(name, "color", color)
    normal = None if normal is None else _numbers(name, "normal", normal)
    for key, array in (("color", color), ("normal", normal)):
        if array is not None and array.shape != xyz.shape:
            raise InputError(f"{name}: {key} has shape {array.shape}, the points {xyz.shape}; give one row a point")
    with np.errstate(over="ignore"):
        return Scan(
            xyz,
            None if color is None else color_to_uint8(color, name),
            None if normal is None else normal.astype(np.float32, copy=False),
        )


def _numbers(name: str, key: str, values: np.ndarray) -> np.ndarray:
    """``values`` as an array of integers or floats in this machine's byte order; InputError where they are no numbers."""
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{name}: {key} is no array of numbers ({error}); give (P, 3)") from error
    if array.dtype.kind not in "biuf":
        kind = f"of records of {', '.join(array.dtype.names)}" if array.dtype.names else f"of type {array.dtype}"
        raise InputError(f"{name}: {key} is an array {kind}; give numbers (P, 3)")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
