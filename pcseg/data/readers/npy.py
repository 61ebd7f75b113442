"""NumPy files: a table of columns, an array with named columns, or an archive of arrays by name. Never unpickled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pcseg.data.readers.cloud import Cloud
from pcseg.data.readers.columns import parsing, to_cloud
from pcseg.data.readers.table_columns import table_cloud
from pcseg.errors import InputError

_TRIPLES = {
    ("x", "y", "z"): ("coord", "coords", "xyz", "points", "position", "pos"),
    ("red", "green", "blue"): ("color", "colors", "rgb"),
    ("nx", "ny", "nz"): ("normal", "normals"),
}


def read_npy(path: Path, columns: Sequence[str] = ()) -> Cloud:
    """The points of a .npy file: (P, C) with columns as in a text file, or (P,) with named columns."""
    with parsing(path, "NumPy"):
        array = np.load(path, allow_pickle=False)
    return _from_array(array, path, columns)


def read_npz(path: Path, columns: Sequence[str] = ()) -> Cloud:
    """The points of a .npz archive: arrays ``coord`` (P, 3) and, if there, ``color``, ``normal`` and any (P,) ones."""
    with parsing(path, "NumPy"), np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if len(arrays) == 1:
        return _from_array(next(iter(arrays.values())), path, columns)
    table: dict[str, np.ndarray] = {}
    for axes, names in _TRIPLES.items():
        name = next((n for n in arrays if n.lower() in names), None)
        if name is not None and arrays[name].ndim == 2 and arrays[name].shape[1] == 3:
            table |= dict(zip(axes, arrays.pop(name).T, strict=True))
    if "x" not in table:
        raise InputError(f"{path}: no array coord (P, 3) among {', '.join(arrays)}; name it so")
    count = len(table["x"])
    table |= {name: a.reshape(-1) for name, a in arrays.items() if a.shape in ((count,), (count, 1))}
    if any(len(values) != count for values in table.values()):
        raise InputError(f"{path}: its arrays differ in length from coord ({count}); give one row a point")
    return to_cloud(table, path)


def _from_array(array: np.ndarray, path: Path, columns: Sequence[str]) -> Cloud:
    if array.dtype.names and array.ndim == 1:
        return to_cloud({name: array[name] for name in array.dtype.names}, path)
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise InputError(f"{path}: shape {array.shape} of {array.dtype}, but a table (P, columns) is needed")
    if len(array) == 0:
        raise InputError(f"{path}: no point in it; remove the file")
    return table_cloud(array, columns, path)
