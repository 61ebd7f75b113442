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

from pcseg.classes import IGNORE, Classes, translation
from pcseg.errors import InputError, cut
from pcseg.files import atomic_path, read_json, write_json
from pcseg.scenes.arrays import color, load, narrowed, points, rows, vector
from pcseg.scenes.origin import precision, recenter, strays
from pcseg.scenes.places import FARTHEST, usable

KINDS = {"color": "uint8", "normal": "float32", "segment": "int16", "instance": "int32", "superpoint": "int32"}
"""The arrays a scene may have besides ``coord``, and their types on disk."""


@dataclass(frozen=True)
class Scene:
    """P points of one scene.

    ``name`` is ``split/scene``, e.g. ``Area_5/office_1``. ``coord`` (P, 3) float32 in meters, to which ``origin``
    (3,) float64 is added to come back to the file's own frame (so that UTM coordinates keep their precision).
    ``color`` (P, 3) uint8; ``normal`` (P, 3) float32; ``segment`` (P,) int64, an index into ``classes`` or IGNORE;
    ``instance`` (P,) int64, -1 for none; ``superpoint`` (P,) int64. All but ``coord`` may be None. ``precision``: how far
    ``coord + origin`` is off from the file, in meters, at most; of all points but strays, and of all. ``labels_from``: the
    column or file that ``segment`` was read from; ``unused``: columns of the file that are not here.
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
    precision: tuple[float, float] = (0.0, 0.0)
    labels_from: str = ""
    unused: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.coord)

    def digest(self) -> str:
        """SHA-256 of the coordinates: what a label file is tied to."""
        return hashlib.sha256(np.ascontiguousarray(self.coord, dtype=np.float32).tobytes()).hexdigest()


def write_scene(root: str | os.PathLike[str], scene: Scene, source: str = "", defects: Sequence[str] = ()) -> Path:
    """Write ``scene`` to ``<root>/<scene.name>``, whole or not at all, and return that folder.

    ``source`` says where it came from and ``defects`` what was wrong there; both are kept in ``scene.json``. All is read
    again and compared before it takes its name.
    """
    folder = Path(root) / scene.name
    arrays = {"coord": np.asarray(scene.coord, dtype=np.float32)}
    for name, kind in KINDS.items():
        if getattr(scene, name) is not None:
            arrays[name] = narrowed(folder, name, getattr(scene, name), kind)
    meta: dict[str, Any] = {"origin": [float(v) for v in scene.origin], "classes": list(scene.classes)}
    meta |= {"source": source, "precision_m": dict(zip(("bulk", "all"), scene.precision, strict=True))}
    meta |= {"labels_from": scene.labels_from, "unused": list(scene.unused), "defects": list(defects)}

    def check(written: Path) -> None:
        for name, array in arrays.items():
            if not np.array_equal(load(written / f"{name}.npy"), array, equal_nan=array.dtype.kind == "f"):
                raise InputError(f"{written}/{name}.npy: holds other values than were written")
        if read_json(written / "scene.json") != meta:
            raise InputError(f"{written}/scene.json: holds other text than was written")

    with atomic_path(folder, check=check) as temporary:
        temporary.mkdir()
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array)
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
    coord, shift, exact = _coord(folder)
    names, origin = _meta(folder)
    labels_from = ""
    arrays: dict[str, Any] = {"color": color(folder, len(coord)), "normal": points(folder, "normal", len(coord))}
    arrays["superpoint"] = vector(folder, "superpoint", len(coord))
    if with_labels:
        arrays["segment"], labels_from = _segment(folder, len(coord), names, classes)
        arrays["instance"] = vector(folder, "instance", len(coord))
    return Scene(
        name, coord, origin=origin + shift, classes=classes.names, precision=exact, labels_from=labels_from, **arrays
    )


def read_classes(root: str | os.PathLike[str]) -> Classes:
    """The classes, with colors and codes, of a folder that tools/prepare.py wrote; InputError where it did not."""
    path = Path(root) / "dataset.json"
    meta = read_json(path)
    try:
        return Classes(meta["classes"], meta["colors"], meta.get("codes", ()))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no class list in it ({error}); run tools/prepare.py again") from error


def scene_classes(folder: str | os.PathLike[str]) -> Classes:
    """The classes of a scene folder, as its data set's dataset.json or its own scene.json says; else an InputError."""
    folder = Path(folder)
    for root in (Path(os.path.abspath(folder)).parent.parent, folder.resolve().parent.parent):  # a link has two
        if (root / "dataset.json").is_file():
            return read_classes(root)
    names, _ = _meta(folder)
    if not names:
        raise InputError(f"{folder}: does not name its classes; say classes=s3dis, scannet20, a classes.yaml or names")
    return Classes(names)


def list_scenes(root: str | os.PathLike[str], splits: list[str] | tuple[str, ...]) -> list[Path]:
    """Scene folders of ``splits`` below ``root``, sorted; raises InputError where there is none.

    A folder with other arrays but no coord.npy, and a link that leads nowhere, are an InputError too: neither is left out
    in silence.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; make it with tools/prepare.py")
    found = []
    for split in splits:
        folders = sorted(p for p in (root / split).glob("*") if not p.name.startswith("."))
        for folder in folders:
            if fault := broken_scene(folder):
                raise InputError(f"{folder}: {fault}; prepare the scene again, or remove the folder")
        scenes = [folder for folder in folders if (folder / "coord.npy").is_file()]
        if not scenes:
            there = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())) or "nothing"
            raise InputError(f"{root / split}: no scene folder here (found in {root}: {there})")
        found += scenes
    return found


def broken_scene(folder: Path) -> str:
    """What makes ``folder`` look like a scene that is not whole; "" for a scene, and for what is none."""
    if folder.is_symlink() and not folder.exists():
        return f"a link to {os.readlink(folder)}, which is not there"
    parts = [f"{name}.npy" for name in KINDS] + ["scene.json"]
    if not (folder / "coord.npy").is_file() and any((folder / part).is_file() for part in parts):
        return "arrays of a scene, but no coord.npy"
    return ""


def _meta(folder: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names and origin (3,) from ``scene.json``; no names and zero where there is none, as in Pointcept's folders."""
    path = folder / "scene.json"
    if not path.is_file():
        return (), np.zeros(3)
    meta = read_json(path)
    try:
        origin = meta.get("origin", [0, 0, 0])
        if not isinstance(origin, list) or len(origin) != 3 or not all(map(_place, origin)):
            raise ValueError(f"origin is {cut(repr(origin), 60)}")
        names = meta.get("classes")
        return Classes(names).names if names else (), np.array(origin, dtype=np.float64)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no class names and origin in it ({error}); prepare the scene again") from error


def _place(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= float(FARTHEST)


def _coord(folder: Path) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Coordinates (P, 3) float32, what was subtracted from them for the sake of their precision (3,), and that precision."""
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
    apart = strays(array)
    near, origin = recenter(array, apart)
    return near, origin, precision(array, near, origin, apart)


def _segment(folder: Path, count: int, names: tuple[str, ...], classes: Classes) -> tuple[np.ndarray | None, str]:
    """Labels (P,) and the file they are from; None and "" where there is none."""
    stems = ("segment", f"segment{len(classes)}")  # Pointcept's ScanNet: segment20.npy and segment200.npy
    stem = next((s for s in stems if (folder / f"{s}.npy").is_file()), "")
    if not stem:
        other = next(iter(sorted(folder.glob("segment*.npy"))), None)
        if other is None:
            return None, ""
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
    if names and names != classes.names:
        try:
            segment = np.append(translation(names, classes), IGNORE)[segment]
        except InputError as error:
            raise InputError(f"{folder}/scene.json: {error}") from error
    return segment, f"{stem}.npy"
