"""Read NumPy files without unpickling: a table of columns, an array with named columns, or an archive of arrays."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from pcseg import archives
from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.columns import to_cloud
from pcseg.formats.defects import Defect
from pcseg.formats.parsing import parsing
from pcseg.formats.table_columns import UNNAMED_WIDTHS, table_cloud
from pcseg.spool import New


def read_npy(path: Path, columns: Sequence[str] = (), new: New | None = None) -> Cloud:
    """Return the points of a .npy file: (P, C) with columns as in a text file, or (P,) with named columns.

    With ``new``, which makes the large arrays, the file is not read but mapped into memory. Raises InputError if the
    header declares more or fewer bytes than the file has, and for pickled objects.
    """
    with parsing(path, "NumPy"), _quiet(), open(path, "rb") as stream:
        array = archives.read_array(stream, path.stat().st_size, mapped=path if new else None)
        if array is None:
            raise InputError(f"{path}: holds pickled objects, which are not opened; save numbers")
        return _from_array(array, path, columns, new or np.zeros)


def read_npz(path: Path, columns: Sequence[str] = ()) -> Cloud:
    """Return the points of a .npz archive: arrays ``coord`` (P, 3) and optionally ``color``, ``normal`` and any (P,)
    ones.

    A single array is read like a .npy file. Other members of the archive are reported. Raises InputError if it would
    unpack to more than archives.MOST_UNPACKED bytes and archives.MOST_GROWTH times its size, if two arrays could be the
    coordinates, or if a color, normal or label has a wrong shape.
    """
    with parsing(path, "NumPy"), _quiet():
        arrays, others = archives.read_npz(path)
        defects = tuple(Defect(str(path), None, f"{name} is no array of numbers", "left out") for name in others)
        if len(arrays) == 1:
            cloud = _from_array(next(iter(arrays.values())), path, columns)
        else:
            cloud = to_cloud(_flattened(arrays), path)
    return replace(cloud, defects=(*defects, *cloud.defects))


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the warnings of Python's parser about damaged headers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _flattened(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays by name; those with named columns are split into columns."""
    flat: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        flat |= {column: array[column] for column in array.dtype.names} if array.dtype.names else {name: array}
    return flat


def _from_array(array: np.ndarray, path: Path, columns: Sequence[str], new: New = np.zeros) -> Cloud:
    if array.dtype.names and array.ndim == 1:
        return to_cloud({name: array[name] for name in array.dtype.names}, path, new=new)
    found = f"shape {array.shape} of {array.dtype}"
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise InputError(f"{path}: {found}, but a table (P, columns) is needed")
    if len(array) == 0:
        raise InputError(f"{path}: no point in it; remove the file")
    if not columns and 3 <= array.shape[0] < array.shape[1] and array.shape[1] not in UNNAMED_WIDTHS:
        raise InputError(f"{path}: {found} has more columns than rows; if a row is a column, save its transpose")
    return table_cloud(array, columns, path, new=new)
