"""Read a scan of any size piece by piece: LAS and LAZ files, and scene folders of .npy files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json
from pcseg.formats.labeled import las_classes
from pcseg.formats.labeled_las import copy_las
from pcseg.formats.las import pieces
from pcseg.formats.las_header import LasFile, read_header
from pcseg.formats.parsing import parsing
from pcseg.formats.write import label_columns
from pcseg.formats.written import check_written
from pcseg.scenes.arrays import load
from pcseg.scenes.places import usable
from pcseg.scenes.scene import list_columns

ROWS = 1 << 20
"""Points of a scene folder that are read at a time."""

LAS = (".las", ".laz")

Piece = dict[str, np.ndarray]
"""``coord`` (n, 3), and of ``color`` (n, 3) and ``intensity`` (n,) what is there, as the files have them."""


def count_points(path: Path) -> int:
    """Return how many points a scan has, if it can be read piece by piece, without reading them; 0 for others."""
    try:
        if path.suffix.lower() in LAS and path.is_file():
            with parsing(path, "LAS"):
                return read_header(path).count
        return len(load(path / "coord.npy")) if (path / "coord.npy").is_file() else 0
    except InputError:
        return 0  # opening it says what is wrong


def read_pieces(path: Path, scale: float = 1) -> Iterator[Piece]:
    """Yield the points of a scan in their order, without those of a file whose coordinates stand for no place.

    Coordinates of files are float64, times ``scale``; those of scene folders are as they are stored. Raises InputError
    for a scan that cannot be read.
    """
    return _of_file(path, scale) if path.is_file() else _of_folder(path)


def origin_of(path: Path) -> np.ndarray:
    """Return the origin (3,) that a scene folder names, zero for files."""
    meta = read_json(path / "scene.json") if (path / "scene.json").is_file() else {}
    return np.array(meta.get("origin", [0, 0, 0]), dtype=np.float64)


def copy_labeled(
    source: Path, path: Path, labels: np.ndarray, confidence: np.ndarray, names: dict[int, str], classification: bool
) -> None:
    """Copy a LAS or LAZ file piece by piece, with ``labels`` and ``confidence`` (P,) of its points that have a place.

    All else stays as it is, as with pcseg.formats.write_labeled. The labels of the copy are read again and compared.
    """
    with parsing(source, "LAS"):
        file = read_header(source)
    if len(labels) != file.count:
        placed = np.concatenate([usable(_places(file, points)) for points in pieces(file, [], ROWS)])
        if placed.sum() != len(labels):
            raise InputError(f"{source}: has changed since it was opened; open it again")
        found, sure = np.full(file.count, -1, dtype=np.int64), np.zeros(file.count, dtype=np.float32)
        found[placed], sure[placed] = labels, confidence
        labels, confidence = found, sure
    columns = label_columns(labels, confidence)
    if classification:
        columns["classification"] = las_classes(labels, path, names)

    suffix = path.suffix.lower()
    with (
        atomic_path(path, check=lambda temporary: check_written(temporary, suffix, columns)) as temporary,
        open(temporary, "wb") as stream,
    ):
        copy_las(stream, source, path, columns)


def _of_file(path: Path, scale: float) -> Iterator[Piece]:
    with parsing(path, "LAS"), np.errstate(invalid="ignore", over="ignore"):
        file = read_header(path)
        names = file.dtype.names or ()
        for points in pieces(file, [], ROWS):
            coord = _places(file, points)
            found = {"coord": coord * scale if scale != 1 else coord, "intensity": points["intensity"]}
            if "red" in names:
                found["color"] = np.stack([points[name] for name in ("red", "green", "blue")], axis=1)
            placed = usable(found["coord"])
            yield found if placed.all() else {name: values[placed] for name, values in found.items()}


def _places(file: LasFile, points: np.ndarray) -> np.ndarray:
    """Return the coordinates (n, 3) of points of a file, as pcseg.formats.read_cloud has them."""
    coord = np.empty((len(points), 3))
    for axis, name in enumerate("XYZ"):
        np.multiply(points[name], file.scale[axis], out=coord[:, axis])
    coord += file.offset
    return coord


def _of_folder(path: Path) -> Iterator[Piece]:
    strength = next((name for name in list_columns(path) if "intensity" in name.lower()), "intensity")
    files = {"coord": "coord", "color": "color", "intensity": strength}
    arrays = {name: load(path / f"{stem}.npy") for name, stem in files.items() if (path / f"{stem}.npy").is_file()}
    count = len(arrays["coord"])
    for name, array in arrays.items():
        width = () if name == "intensity" and array.ndim == 1 else (1,) if name == "intensity" else (3,)
        if array.shape != (count, *width):
            raise InputError(f"{path}/{files[name]}.npy: shape {array.shape} for {count} points; prepare it again")
    for at in range(0, count, ROWS):
        found = {name: np.array(load(path / f"{files[name]}.npy")[at : at + ROWS]) for name in arrays}
        if "intensity" in found:
            found["intensity"] = found["intensity"].reshape(-1)
        if not usable(found["coord"]).all():
            raise InputError(f"{path}/coord.npy: a point has no place; run tools/prepare.py on the raw file")
        yield found
