"""Make a scene of known types of the arrays that a user gives to a predictor."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.colors import color_to_uint8
from pcseg.scenes.columns import by_name, narrow
from pcseg.scenes.scene import Scene


def checked_scan(
    name: str,
    xyz: np.ndarray,
    color: np.ndarray | None,
    normal: np.ndarray | None,
    columns: Mapping[str, np.ndarray] | None = None,
    wanted: Collection[str] = (),
) -> Scene:
    """Return a scene of a user's arrays, of any type of number and layout, with coordinates (P, 3) float64.

    ``columns``: further arrays (P,) or (P, 1) by name, of which those ``wanted`` are taken. Raises InputError, which
    begins with ``name``, for anything else.
    """
    xyz = _numbers(name, "xyz", xyz).astype(np.float64, copy=False)
    if xyz.ndim != 2 or xyz.shape[1] != 3:
        raise InputError(f"{name}: xyz has shape {xyz.shape}; give (P, 3)")
    if not len(xyz):
        raise InputError(f"{name}: has no point; read or export it again")
    rows = {key: _numbers(name, key, a) for key, a in (("color", color), ("normal", normal)) if a is not None}
    for key, array in rows.items():
        if array.shape != xyz.shape:
            raise InputError(f"{name}: {key} has shape {array.shape}, the points {xyz.shape}; give one row a point")
    with np.errstate(over="ignore"):
        if "color" in rows:
            rows["color"] = color_to_uint8(rows["color"], name)
        if "normal" in rows:
            rows["normal"] = rows["normal"].astype(np.float32, copy=False)
    for key, values in by_name(columns or {}).items():
        if key in wanted:
            column = _numbers(name, key, values, "(P,)")
            if column.shape not in ((len(xyz),), (len(xyz), 1)):
                raise InputError(
                    f"{name}: {key} has shape {column.shape}, for {len(xyz)} points; give one value a point"
                )
            rows[key] = narrow(column.reshape(-1))
    return Scene(xyz, rows, name)


def _numbers(name: str, key: str, values: np.ndarray, shape: str = "(P, 3)") -> np.ndarray:
    """Return ``values`` as integers or floats in native byte order; raises InputError where they are no numbers."""
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{name}: {key} is no array of numbers ({error}); give {shape}") from error
    if array.dtype.kind not in "biuf":
        kind = f"of records of {', '.join(array.dtype.names)}" if array.dtype.names else f"of type {array.dtype}"
        raise InputError(f"{name}: {key} is an array {kind}; give numbers {shape}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def color_remarks(colored: object, has_color: bool) -> list[str]:
    """Return warnings about a scan with colors, or without, where a share ``colored`` of those trained on had some.

    ``colored`` of another type than a number: older checkpoints do not say.
    """
    if not isinstance(colored, (int, float)):
        unsure = "has no color; where the network was trained on scans with color, expect poorer labels"
        return [] if has_color else [unsure]
    if not has_color and colored > 0:
        return [f"has no color, but {100 * colored:.0f} % of the scans trained on had; expect poorer labels"]
    if has_color and colored == 0:
        return ["has colors, but no scan trained on had; leave them out if labels look wrong"]
    return []
