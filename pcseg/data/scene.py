"""One scanned room as arrays, and the folder of .npy files that holds it on disk.

The layout is the one Pointcept's users have: ``<root>/<split>/<scene>/{coord,color,normal,segment,instance}.npy``,
here with ``superpoint.npy`` and a ``scene.json`` (origin, class names, source) beside them where we wrote it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.data.arrays import color, narrowed, points, rows, vector
from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json, write_json
from pcseg.labels import IGNORE, Classes, translation

KINDS = {"color": "uint8", "normal": "float32", "segment": "int16", "instance": "int32", "superpoint": "int32"}
"""The arrays a scene may have besides ``coord``, and their types on disk."""

FAR = 1000.0
"""Distance from the frame's origin, in metres, from which float32 (steps of 0.06 mm there) is not precise enough."""


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


def write_scene(root: str | os.PathLike[str], scene: Scene, source: str = "", defects: Sequence[str] = ()) -> Path:
    """Write ``scene`` to ``<root>/<scene.name>``, whole or not at all, and return that folder.

    ``source`` says where it came from and ``defects`` what was wrong there; both are kept in ``scene.json``.
    """
    folder = Path(root) / scene.name
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        np.save(temporary / "coord.npy", np.asarray(scene.coord, dtype=np.float32))
        for name, kind in KINDS.items():
            if getattr(scene, name) is not None:
                np.save(temporary / f"{name}.npy", narrowed(folder, name, getattr(scene, name), kind))
        meta = {"origin": [float(v) for v in scene.origin], "classes": list(scene.classes), "source": source}
        write_json(temporary / "scene.json", {**meta, "defects": list(defects)})
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
    coord, shift = _coord(folder)
    names, origin = _meta(folder)
    arrays: dict[str, Any] = {"color": color(folder, len(coord)), "normal": points(folder, "normal", len(coord))}
    arrays["superpoint"] = vector(folder, "superpoint", len(coord))
    if with_labels:
        arrays["segment"] = _segment(folder, len(coord), names, classes)
        arrays["instance"] = vector(folder, "instance", len(coord))
    return Scene(name=name, coord=coord, origin=origin + shift, classes=classes.names, **arrays)


def recentre(coord: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split finite coordinates (P, 3) float64 into float32 ones near zero and an origin (3,) float64.

    Coordinates within FAR of their frame's origin are kept as they are (origin zero).
    """
    origin = np.zeros(3)
    if len(coord) and float(np.abs(coord).max()) > FAR:
        origin = np.floor(coord.min(axis=0))
    return (coord - origin).astype(np.float32), origin


def read_classes(root: str | os.PathLike[str]) -> Classes:
    """The classes, with their colours, of a folder that tools/prepare.py wrote; InputError where it did not."""
    path = Path(root) / "dataset.json"
    meta = read_json(path)
    try:
        colors = tuple((int(r), int(g), int(b)) for r, g, b in meta["colors"])
        return Classes(tuple(str(name) for name in meta["classes"]), colors)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no class list in it ({error}); run tools/prepare.py again") from error


def scene_classes(folder: str | os.PathLike[str]) -> Classes:
    """The classes of a scene folder, as its data set's dataset.json or its own scene.json says; else an InputError."""
    folder = Path(folder)
    root = folder.resolve().parent.parent
    if (root / "dataset.json").is_file():
        return read_classes(root)
    meta = read_json(folder / "scene.json") if (folder / "scene.json").is_file() else {}
    if not meta.get("classes"):
        raise InputError(f"{folder}: does not name its classes; say classes=s3dis, scannet20, a classes.yaml or names")
    return Classes(tuple(meta["classes"]))


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


def _meta(folder: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names and origin (3,) from ``scene.json``; no names and zero where there is none, as in Pointcept's folders."""
    path = folder / "scene.json"
    if not path.is_file():
        return (), np.zeros(3)
    meta = read_json(path)
    try:
        names = tuple(str(name) for name in meta.get("classes", ()))
        return names, np.asarray(meta.get("origin", (0, 0, 0)), dtype=np.float64).reshape(3)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no class names and origin in it ({error}); prepare the scene again") from error


def _coord(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (P, 3) float32, and what was subtracted from them for the sake of their precision (3,)."""
    array = rows(folder, "coord", None)
    assert array is not None
    if len(array) == 0:
        raise InputError(f"{folder}/coord.npy: the scene has no point; remove it")
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        bad = int(np.flatnonzero(~finite)[0])
        raise InputError(
            f"{folder}/coord.npy: point {bad} is {array[bad].tolist()}; run tools/prepare.py on the raw file"
        )
    if array.dtype == np.float32:
        return array, np.zeros(3)
    return recentre(array)


def _segment(folder: Path, count: int, names: tuple[str, ...], classes: Classes) -> np.ndarray | None:
    stems = ("segment", f"segment{len(classes)}")  # Pointcept's ScanNet: segment20.npy and segment200.npy
    stem = next((s for s in stems if (folder / f"{s}.npy").is_file()), "")
    if not stem:
        other = next(iter(sorted(folder.glob("segment*.npy"))), None)
        if other is None:
            return None
        raise InputError(f"{other}: labels of other classes than the {len(classes)} wanted; fix the class list")
    segment = vector(folder, stem, count)
    assert segment is not None
    known = len(names) or len(classes)
    bad = np.flatnonzero((segment >= known) | (segment < IGNORE))
    if len(bad):
        raise InputError(
            f"{folder}/{stem}.npy: label {segment[bad[0]]} at point {bad[0]}, but there are {known} classes; "
            "fix the class list"
        )
    if not names or names == classes.names:
        return segment
    try:
        table = np.append(translation(names, classes), IGNORE)
    except InputError as error:
        raise InputError(f"{folder}/scene.json: {error}") from error
    return np.asarray(table[segment])
