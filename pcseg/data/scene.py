"""One scanned room as arrays, and the folder of .npy files that holds it on disk.

The layout is the one Pointcept's users have: ``<root>/<split>/<scene>/{coord,color,normal,segment,instance}.npy``,
here with ``superpoint.npy`` and a ``scene.json`` (origin, class names, source) beside them where we wrote it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json, write_json
from pcseg.labels import IGNORE, Classes, translation

ARRAYS = ("coord", "color", "normal", "segment", "instance", "superpoint")


@dataclass(frozen=True)
class Scene:
    """P points of one scene.

    ``name`` is ``split/scene``, e.g. ``Area_5/office_1``. ``coord`` (P, 3) float32 in metres, to which ``origin``
    (3,) float64 is added to come back to the file's own frame (so that UTM coordinates keep their precision).
    ``color`` (P, 3) uint8; ``normal`` (P, 3) float32; ``segment`` (P,) int64, an index into ``classes`` or IGNORE;
    ``instance`` (P,) int64, -1 for none; ``superpoint`` (P,) int64. All but ``coord`` may be None.
    """

    name: str
    coord: np.ndarray
    color: np.ndarray | None = None
    normal: np.ndarray | None = None
    segment: np.ndarray | None = None
    instance: np.ndarray | None = None
    superpoint: np.ndarray | None = None
    origin: np.ndarray = field(default_factory=lambda: np.zeros(3))
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.coord)

    def digest(self) -> str:
        """SHA-256 of the coordinates: what a label file is tied to."""
        return hashlib.sha256(np.ascontiguousarray(self.coord, dtype=np.float32).tobytes()).hexdigest()


def write_scene(root: str | os.PathLike[str], scene: Scene, source: str = "") -> Path:
    """Write ``scene`` to ``<root>/<scene.name>``, whole or not at all, and return that folder."""
    folder = Path(root) / scene.name
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        np.save(temporary / "coord.npy", np.asarray(scene.coord, dtype=np.float32))
        kinds = {
            "color": np.uint8,
            "normal": np.float32,
            "segment": np.int16,
            "instance": np.int32,
            "superpoint": np.int32,
        }
        for name, kind in kinds.items():
            if getattr(scene, name) is not None:
                np.save(temporary / f"{name}.npy", getattr(scene, name).astype(kind))
        meta = {"origin": [float(v) for v in scene.origin], "classes": list(scene.classes), "source": source}
        write_json(temporary / "scene.json", meta)
    return folder


def read_scene(folder: str | os.PathLike[str], classes: Classes, *, with_labels: bool) -> Scene:
    """Read a scene folder; the arrays are memory-mapped where no conversion is needed.

    ``classes`` are the classes wanted: where the folder says which names its labels stand for, they are matched by
    name; a folder that says nothing (Pointcept's) is taken to number them as ``classes`` does. With
    ``with_labels=False`` the files ``segment.npy`` and ``instance.npy`` are not opened at all, which is how training
    on a label budget keeps the rest of the ground truth out of reach.

    Raises InputError for a missing, malformed or empty folder and for labels outside the class list.
    """
    folder = Path(folder)
    name = f"{folder.parent.name}/{folder.name}"
    if not (folder / "coord.npy").is_file():
        raise InputError(f"{folder}: no coord.npy here; give a folder written by tools/prepare.py")
    coord = _points(folder, "coord")
    if len(coord) == 0:
        raise InputError(f"{folder}/coord.npy: the scene has no point; remove it")
    if not np.isfinite(coord).all():
        bad = int(np.flatnonzero(~np.isfinite(coord).all(axis=1))[0])
        raise InputError(
            f"{folder}/coord.npy: point {bad} is {coord[bad].tolist()}; run tools/prepare.py on the raw file"
        )
    meta = read_json(folder / "scene.json") if (folder / "scene.json").is_file() else {}
    arrays: dict[str, Any] = {"color": _color(folder, len(coord)), "normal": _points(folder, "normal", len(coord))}
    arrays["superpoint"] = _vector(folder, "superpoint", len(coord))
    names = tuple(meta.get("classes", ()))
    if with_labels:
        arrays["segment"] = _segment(folder, len(coord), names, classes)
        arrays["instance"] = _vector(folder, "instance", len(coord))
    origin = np.asarray(meta.get("origin", (0.0, 0.0, 0.0)), dtype=np.float64)
    return Scene(name=name, coord=coord, origin=origin, classes=classes.names, **arrays)


def list_scenes(root: str | os.PathLike[str], splits: list[str] | tuple[str, ...]) -> list[Path]:
    """Scene folders of ``splits`` below ``root``, sorted; raises InputError where there is none."""
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; make it with tools/prepare.py")
    found = []
    for split in splits:
        scenes = sorted(
            path.parent for path in (root / split).glob("*/coord.npy") if not path.parent.name.startswith(".")
        )
        if not scenes:
            there = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())) or "nothing"
            raise InputError(f"{root / split}: no scene folder here (found in {root}: {there})")
        found += scenes
    return found


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable .npy file ({error}); prepare the scene again") from error


def _points(folder: Path, name: str, count: int | None = None) -> Any:
    path = folder / f"{name}.npy"
    if not path.is_file():
        return None
    array = _load(path)
    if array.ndim != 2 or array.shape[1] != 3 or (count is not None and len(array) != count):
        raise InputError(f"{path}: shape {array.shape}, but ({count or 'P'}, 3) is needed; prepare the scene again")
    return np.asarray(array, dtype=np.float32)


def _color(folder: Path, count: int) -> np.ndarray | None:
    array = _points(folder, "color", count)
    if array is None:
        return None
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 255:
        raise InputError(f"{folder}/color.npy: values from {low:g} to {high:g}; colours must be 0 to 255 or 0 to 1")
    integer = np.issubdtype(_load(folder / "color.npy").dtype, np.integer)
    return np.round(array * (1 if integer or high > 1 else 255)).astype(np.uint8)


def _vector(folder: Path, name: str, count: int) -> np.ndarray | None:
    path = folder / f"{name}.npy"
    if not path.is_file():
        return None
    array = _load(path)
    if array.size != count:
        raise InputError(f"{path}: {array.size} values for {count} points; prepare the scene again")
    return np.asarray(array).reshape(-1).astype(np.int64)


def _segment(folder: Path, count: int, names: tuple[str, ...], classes: Classes) -> np.ndarray | None:
    stem = next((s for s in ("segment", "segment20", "segment200") if (folder / f"{s}.npy").is_file()), "segment")
    segment = _vector(folder, stem, count)
    if segment is None:
        return None
    known = len(names) or len(classes)
    bad = np.flatnonzero((segment >= known) | (segment < IGNORE))
    if len(bad):
        raise InputError(
            f"{folder}/{stem}.npy: label {segment[bad[0]]} at point {bad[0]}, but there are {known} classes; fix the class list"
        )
    if not names or names == classes.names:
        return segment
    table = np.append(translation(names, classes), IGNORE)
    return np.asarray(table[segment])
