"""Read and write the .npy files of a scene folder, one array each, with checks that name the file."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np

from pcseg.classes import IGNORE, Classes, translation
from pcseg.errors import InputError
from pcseg.scenes.origin import precision, recenter, strays
from pcseg.scenes.places import usable

_WHOLE = np.float64(2**63)  # of numpy's type, since as float16 it would be infinite


def narrowed(folder: Path, name: str, array: np.ndarray, kind: str) -> np.ndarray:
    """Return ``array`` as ``kind``; raises InputError rather than let a whole number wrap around."""
    if "int" in kind and len(array):
        low, high, limit = int(array.min()), int(array.max()), np.iinfo(np.dtype(kind))
        if low < limit.min or high > limit.max:
            raise InputError(
                f"{folder}: {name} runs from {low} to {high}, but must be {limit.min} to {limit.max}; renumber it"
            )
    return array.astype(kind, copy=False)


def load(path: Path) -> np.ndarray:
    """Return the array of numbers at ``path``, memory-mapped and never unpickled; raises InputError if that fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python's parser, on what a damaged header holds
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy hands a header to Python's parser, which on a damaged one may raise anything
        text = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: not a readable .npy file ({text}); prepare the scene again") from error
    if not isinstance(array, np.ndarray):
        array.close()  # an archive of several
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise InputError(f"{path}: not an array of numbers; prepare the scene again")
    return array


def points(folder: Path, name: str, count: int) -> np.ndarray | None:
    """Return ``<name>.npy`` as (count, 3) float32, None if there is none."""
    array = rows(folder, name, count)
    if array is None:
        return None
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype=np.float32)


def rows(folder: Path, name: str, count: int | None) -> np.ndarray | None:
    """Return ``<name>.npy`` as (count, 3) in its type on disk, None if there is none; any ``count`` if that is None."""
    path = folder / f"{name}.npy"
    if not path.is_file():
        return None
    array = load(path)
    if array.ndim != 2 or array.shape[1] != 3 or (count is not None and len(array) != count):
        raise InputError(f"{path}: shape {array.shape}, but ({count or 'P'}, 3) is needed; prepare the scene again")
    return array


def color(folder: Path, count: int) -> np.ndarray | None:
    """Return ``color.npy`` (count, 3) as uint8, from 0 to 255 or, for fractions, 0 to 1; None if there is none.

    Raises InputError for other values, and where a few above 1 leave it open which range the others have.
    """
    array = rows(folder, "color", count)
    if array is None or array.dtype == np.uint8 or not len(array):
        return array
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):
        raise InputError(f"{folder}/color.npy: values from {low:g} to {high:g}; colors must be 0 to 255 or 0 to 1")
    if array.dtype.kind == "f" and high <= 1:
        return np.round(np.asarray(array, dtype=np.float32) * 255).astype(np.uint8)
    above = array > 1
    if (array != np.round(array)).any() and above.sum() < 0.1 * np.count_nonzero(array):
        first = int(np.flatnonzero(above.any(axis=1))[0])
        raise InputError(
            f"{folder}/color.npy: {int(above.any(axis=1).sum())} points are above 1 (first: point {first}, "
            f"{array[first].tolist()}), the others fractions; make all colors 0 to 255, or all 0 to 1"
        )
    return np.round(array).astype(np.uint8)


def vector(folder: Path, name: str, count: int) -> np.ndarray | None:
    """Return ``<name>.npy``, (count,) or (count, 1), as whole numbers (count,); None if there is none.

    They are of the type on disk where that is int8, int16 or int32, else int64.
    """
    path, array = folder / f"{name}.npy", numbers(folder, name, count)
    if array is None:
        return None
    if array.dtype.kind == "f" and not np.array_equal(array, np.round(array)):
        raise InputError(f"{path}: holds fractions or NaN, but whole numbers are needed; write -1 where unknown")
    if not ((array > -_WHOLE) & (array < _WHOLE)).all():
        raise InputError(f"{path}: holds {array.min()} to {array.max()}, more than 63 bits; prepare the scene again")
    return array if array.dtype.kind == "i" and array.dtype.itemsize <= 4 else array.astype(np.int64)


def numbers(folder: Path, name: str, count: int) -> np.ndarray | None:
    """Return ``<name>.npy``, (count,) or (count, 1), as (count,) in its type on disk; None if there is none.

    Beside a picture it is (H, W), like that.
    """
    path = folder / f"{name}.npy"
    if not path.is_file():
        return None
    array = load(path)
    if (folder / "image.npy").is_file():
        if array.shape != (size := image(folder).shape[:2]):
            raise InputError(f"{path}: shape {array.shape} beside a picture of {size}; prepare it again")
    elif array.shape not in ((count,), (count, 1)):
        raise InputError(f"{path}: {array.size} values for {count} points; prepare the scene again")
    return np.asarray(array).reshape(-1)


def image(folder: Path) -> np.ndarray:
    """Return ``image.npy``, the colors (H, W, 3) uint8 of a picture."""
    path = folder / "image.npy"
    array = load(path)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or not array.size:
        raise InputError(f"{path}: {array.shape} {array.dtype}, but (H, W, 3) uint8 is needed; prepare it again")
    return array


@lru_cache(maxsize=4)
def pixel_places(height: int, width: int) -> np.ndarray:
    """Return the places (H * W, 3) float32 of pixels, row by row: (column, -row, 0)."""
    row, column = np.indices((height, width), dtype=np.float32)
    found = np.stack([column, -row, np.zeros_like(row)], axis=-1).reshape(-1, 3)
    found.flags.writeable = False  # shared by all pictures of this size
    return found


def coordinates(folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Return coordinates (P, 3) float32, the origin (3,) taken from them for precision, and that precision."""
    array = rows(folder, "coord", None)
    assert array is not None
    if len(array) == 0:
        raise InputError(f"{folder}/coord.npy: the scene has no point; remove it")
    placed = usable(array)
    if not placed.all():
        bad = int(np.flatnonzero(~placed)[0])
        raise InputError(
            f"{folder}/coord.npy: point {bad} is {array[bad].tolist()}; run tools/prepare.py on the raw file"
        )
    if array.dtype == np.float32:
        return array, np.zeros(3), (0.0, 0.0)
    far = strays(array)
    near, origin = recenter(array, far)
    return near, origin, precision(array, near, origin, far)


def segment(folder: Path, count: int, names: tuple[str, ...], classes: Classes) -> tuple[np.ndarray | None, str]:
    """Return labels (P,) int16 and the name of their file; None and "" where there is none."""
    stems = ("segment", f"segment{len(classes)}")  # Pointcept's ScanNet: segment20.npy and segment200.npy
    stem = next((s for s in stems if (folder / f"{s}.npy").is_file()), "")
    if not stem:
        other = next(iter(sorted(folder.glob("segment*.npy"))), None)
        if other is None:
            return None, ""
        raise InputError(f"{other}: labels of other classes than the {len(classes)} wanted; fix the class list")
    labels = vector(folder, stem, count)
    assert labels is not None
    known = len(names) or len(classes)
    bad = np.flatnonzero((labels >= known) | (labels < IGNORE))
    if len(bad):
        raise InputError(
            f"{folder}/{stem}.npy: label {labels[bad[0]]} at point {bad[0]}, but there are {known} classes; "
            "fix the class list"
        )
    if names and names != classes.names:
        try:
            labels = np.append(translation(names, classes), IGNORE)[labels]
        except InputError as error:
            raise InputError(f"{folder}/scene.json: {error}") from error
    return labels.astype(np.int16, copy=False), f"{stem}.npy"
