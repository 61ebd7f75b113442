"""Read E57 files: the scans of all stations in their common frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pcseg.errors import InputError
from pcseg.formats import bounded
from pcseg.formats.cloud import Cloud
from pcseg.formats.colors import read_color
from pcseg.formats.defects import Defect
from pcseg.formats.parsing import parsing

_CHILD = Path(__file__).with_name("e57_child.py")
_XYZ = ("cartesianX", "cartesianY", "cartesianZ")
_SPHERICAL = ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
_COLOR = ("colorRed", "colorGreen", "colorBlue")
_NORMAL = ("nor:normalX", "nor:normalY", "nor:normalZ")


def read_e57(path: Path) -> Cloud:
    """Return the valid points of an E57 file, station after station; ``fields`` has ``scan``, the station of each
    point.

    Colors are scaled by the limits that each station declares; a station without colors is black. Normals are kept if
    every station has them, and rotated with it. Every other field of any station is a column, NaN in stations without
    it. Points marked invalid by the scanner, empty stations and all else that is left out are reported.
    """
    with parsing(path, "E57"):
        defects: list[Defect] = []
        stations: list[dict[str, np.ndarray]] = []
        scans = 0
        for scan, columns in _scans(path):
            scans += 1
            station = _station(scan, columns, str(path), defects)
            if station:
                stations.append(station)
        if not scans:
            raise InputError(f"{path}: no scan in this E57 file; export the points, not only images")
        if not stations:
            why = f" ({'; '.join(defect.found for defect in defects)})" if defects else ""
            raise InputError(f"{path}: no point in its {scans} scans{why}; export it again")
        return _together(stations, str(path), defects)


def _scans(path: Path) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """Return the description and the columns of each scan; see e57_child.py."""
    found: list[tuple[dict[str, Any], list[list[np.ndarray]]]] = []
    # The XML of the file may be in memory as a tree, many times as large.
    memory = bounded.MEMORY + 8 * min(path.stat().st_size, 1 << 28)
    for described, buffers in bounded.pieces(path, "E57", _CHILD, {"path": str(path)}, memory=memory):
        if "scan" in described:
            found.append((described, []))
        else:
            kinds = [kind for _, kind in found[-1][0]["fields"]]
            found[-1][1].append([buffer.view(kind) for buffer, kind in zip(buffers, kinds, strict=True)])
    scans = []
    for described, pieces in found:
        names = [name for name, _ in described["fields"]]
        columns = (
            {name: np.concatenate([piece[k] for piece in pieces]) for k, name in enumerate(names)} if pieces else {}
        )
        scans.append((described, columns))
    return scans


def _station(
    scan: dict[str, Any], columns: dict[str, np.ndarray], where: str, defects: list[Defect]
) -> dict[str, np.ndarray]:
    """Return one scan in the common frame: ``coord`` (P, 3), ``color`` (P, 3) uint8 if any, ``normal``, and the other
    fields.
    """
    name = f"station {scan['scan']}"
    if scan["left_out"]:
        defects.append(Defect(where, None, f"{name}: {', '.join(scan['left_out'])} are no numbers", "left out"))
    if not scan["count"]:
        defects.append(Defect(where, None, f"{name} has no point", "left out"))
        return {}
    if all(axis in columns for axis in _XYZ):
        coord, state = (
            np.stack([columns.pop(axis) for axis in _XYZ], axis=1).astype(np.float64),
            "cartesianInvalidState",
        )
    elif all(axis in columns for axis in _SPHERICAL):
        coord, state = _cartesian(*(columns.pop(axis) for axis in _SPHERICAL)), "sphericalInvalidState"
    else:
        found = f"{name} has no coordinates among {', '.join(columns) or 'its fields'}"
        defects.append(Defect(where, None, found, f"its {scan['count']} points left out"))
        return {}
    station = {"coord": coord}
    if all(channel in columns for channel in _COLOR):
        color = np.stack([columns.pop(channel) for channel in _COLOR], axis=1)
        station["color"], changes = read_color(color, f"{where} ({name})", _limits(scan, color))
        defects += changes
    if all(axis in columns for axis in _NORMAL):
        station["normal"] = np.stack([columns.pop(axis) for axis in _NORMAL], axis=1).astype(np.float32)
    station |= columns
    if state in station:
        valid = station.pop(state) == 0
        if not valid.all():
            found = f"{name}: {int((~valid).sum())} of {len(valid)} points are marked invalid by the scanner"
            defects.append(Defect(where, None, found, "left out"))
            station = {key: values[valid] for key, values in station.items()}
    _pose(scan.get("pose", {}), station, f"{where} ({name})", defects)
    station["scan"] = np.full(len(station["coord"]), scan["scan"], np.int32)
    return station if len(station["coord"]) else {}


def _cartesian(distance: np.ndarray, azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Return spherical coordinates (ASTM E2807, 8.4.4.2), angles in radians, as Cartesian ones (P, 3)."""
    flat = distance * np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation)], axis=1).astype(
        np.float64
    )


def _limits(scan: dict[str, Any], color: np.ndarray) -> tuple[float, float] | None:
    """Return the color limits that a scan declares, else those of the type of the fields; None if neither is valid."""
    declared = scan["limits"].get("colorLimits", {})
    ends = [[declared.get(f"{channel}{end}") for channel in _COLOR] for end in ("Minimum", "Maximum")]  # three each
    if None not in (*ends[0], *ends[1]):
        low, high = min(ends[0]), max(ends[1])
        if low < high and color.min() >= low and color.max() <= high:
            return low, high
    types = [scan["limits"].get(channel) for channel in _COLOR]
    if all(types):
        low, high = min(t[0] for t in types if t), max(t[1] for t in types if t)
        if low < high <= 65535:
            return low, high
    return None


def _pose(pose: dict[str, Any], station: dict[str, np.ndarray], where: str, defects: list[Defect]) -> None:
    """Transform the coordinates and normals of a station to the common frame."""
    rotation = np.array([float(pose.get("rotation", {}).get(k, k == "w")) for k in "wxyz"])
    translation = np.array([float(pose.get("translation", {}).get(k, 0)) for k in "xyz"])
    length = np.linalg.norm(rotation)
    if not np.isfinite([length, *translation]).all() or not length:
        defects.append(
            Defect(where, None, f"rotation {rotation.tolist()}, translation {translation.tolist()}", "not used")
        )
        return
    w, x, y, z = rotation / length
    matrix = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    if (matrix != np.eye(3)).any():
        station["coord"] = station["coord"] @ matrix.T
        if "normal" in station:
            station["normal"] = station["normal"] @ matrix.T.astype(np.float32)
    station["coord"] += translation


def _together(stations: list[dict[str, np.ndarray]], where: str, defects: list[Defect]) -> Cloud:
    """Return one cloud of all stations."""
    counts = [len(station["coord"]) for station in stations]
    names = list(dict.fromkeys(name for station in stations for name in station if name != "coord"))
    columns: dict[str, np.ndarray] = {}
    for name in names:
        parts = [station.get(name) for station in stations]
        without = [int(station["scan"][0]) for station, part in zip(stations, parts, strict=True) if part is None]
        if without:
            fill = {"color": "black there", "normal": "left out"}.get(name, "NaN there")
            found = f"{name} is missing in station{'s' * (len(without) > 1)} {', '.join(map(str, without))}"
            defects.append(Defect(where, None, found, fill))
            if name == "normal":
                continue
        columns[name] = np.concatenate([_part(p, n, name) for p, n in zip(parts, counts, strict=True)])
    coord = np.concatenate([station["coord"] for station in stations])
    color, normal = columns.pop("color", None), columns.pop("normal", None)
    return Cloud(coord, color, normal, columns, defects=tuple(defects))


def _part(values: np.ndarray | None, count: int, name: str) -> np.ndarray:
    if values is not None:
        return values
    return np.zeros((count, 3), np.uint8) if name == "color" else np.full(count, np.nan, np.float32)
