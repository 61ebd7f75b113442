"""Find coordinates, colors and normals among the named columns of a point file, and make a cloud of them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.colors import read_color, unpack_rgb
from pcseg.formats.defects import Defect
from pcseg.spool import New

COORD_ARRAYS = (
    "coord",
    "coords",
    "xyz",
    "points",
    "position",
    "positions",
    "pos",
    "vertices",
    "point_cloud",
    "pcd",
    "pc",
)
COLOR_ARRAYS = ("color", "colors", "colour", "colours", "rgb", "rgba")
NORMAL_ARRAYS = ("normal", "normals")
"""Names of arrays (P, 3); the columns of one are called ``coord:0``, ``coord:1`` and ``coord:2``, as in ParaView."""

USUAL_LABELS = (
    "label", "labels", "class", "classification", "segment", "semantic",
    "scalar_label", "scalar_labels", "scalar_class", "scalar_classification",
)  # fmt: skip
"""Usual names of label columns, used if the user names none; CloudCompare adds ``scalar_`` before names."""

LABEL_ARRAYS = (*USUAL_LABELS, "instance", "segment20", "segment200", "semantic_gt", "instance_gt")

_COORD = (("x", "y", "z"), ("cartesianx", "cartesiany", "cartesianz"))
_SURVEY = tuple(("easting", "northing", up) for up in ("elevation", "height", "z"))
"""Coordinates as surveyors call them, the first of which count where no column is called as in _COORD."""

_COLOR = (
    ("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("scalar_red", "scalar_green", "scalar_blue"), ("scalar_r", "scalar_g", "scalar_b"), ("rf", "gf", "bf"),
    ("colorred", "colorgreen", "colorblue"), ("color_r", "color_g", "color_b"),
)  # fmt: skip
_NORMAL = (
    ("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"), ("normalx", "normaly", "normalz"),
    ("scalar_nx", "scalar_ny", "scalar_nz"),
)  # fmt: skip


def to_cloud(
    columns: Mapping[str, np.ndarray], where: Path, limits: tuple[float, float] | None = None, new: New = np.zeros
) -> Cloud:
    """Return the cloud of ``columns``, whose names may be in any case: (P,) each, or (P, 3) for COORD_, COLOR_ and
    NORMAL_ARRAYS.

    Other columns become its ``fields``; columns that are not numbers, or not one per point, are reported in its
    ``defects``. ``limits`` is the range of the colors if the file declares one. Coordinates that are one array
    (P, 3) float64 already, and columns in files, are not copied; ``new`` makes those that are. Raises
    InputError if there are no coordinates or two different sets of them, or if a color, normal or label has a wrong
    shape.
    """
    defects: list[Defect] = []
    single = _single(columns, where, defects)
    coord, *same = _coordinates(single, where)
    count = len(single[coord[0]])
    if count == 0:
        raise InputError(f"{where}: no point in it; remove the file or export it again")
    for name in [name for name, values in single.items() if len(values) != count]:
        _leave_out(name, single.pop(name), f", but there are {count} points", where, defects)
    _one_label(single, where)
    color, painted = _color(single, where, limits, defects)
    normal = normal_names(single)
    used = {*coord, *itertools.chain(*same), *painted, *normal}
    return Cloud(
        coord=_together(columns, single, coord, new),
        color=color,
        normal=np.stack([single[name] for name in normal], axis=1).astype(np.float32, copy=False) if normal else None,
        fields={
            name: values if isinstance(values, np.memmap) else np.array(values)
            for name, values in single.items()
            if name not in used
        },
        defects=tuple(defects),
    )


def _together(
    columns: Mapping[str, np.ndarray], single: Mapping[str, np.ndarray], names: Sequence[str], new: New
) -> np.ndarray:
    """Return three columns as an array (P, 3) float64: the one that they are of, where it is such an array."""
    whole = columns.get(names[0].removesuffix(":0"))
    if whole is not None and whole.ndim == 2 and whole.shape[1] == 3 and whole.dtype == np.float64:
        return whole
    found = new((len(single[names[0]]), 3), np.float64)
    for axis, name in enumerate(names):
        found[:, axis] = single[name]
    return found


def has_coordinates(names: Iterable[str]) -> bool:
    """Return whether x, y and z, as some tool calls them, are among ``names``."""
    return bool(_coordinate_names(list(names)))


def _coordinate_names(names: Collection[str]) -> list[list[str]]:
    return _threes(names, _COORD, COORD_ARRAYS) or _threes(names, _SURVEY, ())[:1]


def color_names(names: Iterable[str]) -> list[str]:
    """Return the three of ``names`` that hold the colors; empty if there are none."""
    return next(iter(_threes(list(names), _COLOR, COLOR_ARRAYS)), [])


def normal_names(names: Iterable[str]) -> list[str]:
    """Return the three of ``names`` that hold the normals; empty if there are none."""
    return next(iter(_threes(list(names), _NORMAL, NORMAL_ARRAYS)), [])


def _threes(names: Collection[str], choices: Iterable[tuple[str, ...]], arrays: Iterable[str]) -> list[list[str]]:
    """Return all triples of ``names`` that are one of ``choices`` or of one array, in this order; in lower, upper or
    any case.
    """
    found = []
    for choice in (*choices, *((f"{array}:0", f"{array}:1", f"{array}:2") for array in arrays)):
        exact = [[style(axis) for axis in choice] for style in (str.lower, str.upper, str.title)]
        exact = [three for three in exact if all(name in names for name in three)]
        folded = {name.lower(): name for name in reversed(list(names))}
        mixed = [[folded[axis] for axis in choice]] if all(axis in folded for axis in choice) else []
        found += exact or mixed
    return found


def _single(columns: Mapping[str, np.ndarray], where: Path, defects: list[Defect]) -> dict[str, np.ndarray]:
    """Return the columns as vectors of numbers; arrays of three, or of four for colors, are split."""
    single: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        key, width = name.lower(), values.shape[1] if values.ndim == 2 else 0
        number = values.dtype.kind in "biuf"
        if number and (values.ndim == 1 or width == 1):
            single[name] = values.reshape(-1)
        elif number and width == 3 and key in (*COORD_ARRAYS, *COLOR_ARRAYS, *NORMAL_ARRAYS):
            single |= {f"{name}:{i}": values[:, i] for i in range(3)}
        elif number and width == 4 and key in COLOR_ARRAYS:
            single |= {f"{name}:{i}": values[:, i] for i in range(3)} | {"alpha": values[:, 3]}
        else:
            _leave_out(name, values, ", not one number a point", where, defects)
    return single


def _leave_out(name: str, values: np.ndarray, why: str, where: Path, defects: list[Defect]) -> None:
    """Report a column that cannot be used; raises InputError if a user would miss it."""
    found = f"{name} has shape {values.shape} and type {values.dtype}{why}"
    if values.ndim and name.lower().partition(":")[0] in (*COORD_ARRAYS, *COLOR_ARRAYS, *NORMAL_ARRAYS, *LABEL_ARRAYS):
        raise InputError(f"{where}: {found}; give numbers for each point, or rename it")
    defects.append(Defect(str(where), None, found, "left out"))


def _coordinates(single: Mapping[str, np.ndarray], where: Path) -> list[list[str]]:
    """Return the three columns of the coordinates, and further sets that are equal."""
    sets = _coordinate_names(single)
    if not sets:
        raise InputError(f"{where}: no x, y and z among its columns {', '.join(single) or '(none)'}; name them so")
    first, *others = sets
    for other in others:
        if not all(np.array_equal(single[a], single[b], equal_nan=True) for a, b in zip(first, other, strict=True)):
            found = f"{' '.join(first)} and {' '.join(other)} both look like coordinates, and differ"
            raise InputError(f"{where}: {found}; rename one")
    return sets


def _one_label(single: Mapping[str, np.ndarray], where: Path) -> None:
    """Raise InputError if two label columns have the same name except for case, and differ."""
    seen: dict[str, str] = {}
    for name in (name for name in single if name.lower() in LABEL_ARRAYS):
        other = seen.setdefault(name.lower(), name)
        if not np.array_equal(single[other], single[name], equal_nan=True):
            raise InputError(f"{where}: {other} and {name} both look like labels, and differ; rename one")


def _color(
    single: Mapping[str, np.ndarray], where: Path, limits: tuple[float, float] | None, defects: list[Defect]
) -> tuple[np.ndarray | None, list[str]]:
    """Return the colors (P, 3) uint8 and their columns; of several sets, the first that is not all one color."""
    sets = _threes(single, _COLOR, COLOR_ARRAYS)
    packed = [name for name in single if name.lower() in ("rgb", "rgba")]
    if sets:
        varied = [names for names in sets if any(np.ptp(single[name]) != 0 for name in names)] if sets[1:] else []
        chosen = (varied or sets)[0]
        for other in (names for names in sets if names != chosen):
            found = f"two sets of colors, {' '.join(chosen)} and {' '.join(other)}"
            defects.append(Defect(str(where), None, found, "the first is used, the second kept as fields"))
        color, changes = read_color(np.stack([single[name] for name in chosen], axis=1), str(where), limits)
    elif packed:
        chosen = packed[:1]
        color, changes = unpack_rgb(single[chosen[0]], str(where))
    else:
        alone = [name for name in single if name.lower() in ("red", "green", "blue", *COLOR_ARRAYS)]
        defects += [Defect(str(where), None, f"{name} alone is no color", "kept as a field") for name in alone]
        return None, []
    defects += changes
    return color, chosen
