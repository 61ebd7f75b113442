"""A scanned room as arrays, and the folder of .npy files that holds it on disk.

The layout is the one Pointcept's users have: ``<root>/<split>/<scene>/{coord,color,normal,segment,instance}.npy``,
here with ``superpoint.npy``, further columns such as ``intensity.npy``, and a ``scene.json`` (origin, class names,
source) beside them where we wrote it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.classes import Classes
from pcseg.errors import InputError, cut
from pcseg.files import atomic_path, read_json, write_json
from pcseg.scenes.arrays import color, coordinates, load, narrowed, numbers, points, segment, vector
from pcseg.scenes.columns import RESERVED
from pcseg.scenes.places import FARTHEST
from pcseg.scenes.points import Points

KINDS = {"color": "uint8", "normal": "float32", "segment": "int16", "instance": "int32", "superpoint": "int32"}
"""The arrays with a meaning of their own that a scene may have besides ``coord``, and their types on disk."""


@dataclass(frozen=True)
class Scene(Points):
    """P points of one scene.

    ``coord`` (P, 3) float32 in meters, to which ``origin`` (3,) float64 is added to come back to the file's own frame
    (so that UTM coordinates keep their precision). ``attributes``, all optional: ``color`` (P, 3) uint8; ``normal``
    (P, 3) float32; ``segment`` (P,) int16, an index into ``classes`` or IGNORE; ``instance`` (P,) int32, -1 for none;
    ``superpoint`` (P,) int32; and any further column of the file (P,), such as ``intensity``, in the file's type.

    ``name`` is ``split/scene``, e.g. ``Area_1/office_1``. ``precision``: largest distance of ``coord + origin`` from
    the file along an axis, in meters; of all points but strays, and of all. ``labels_from``: the column or file that
    ``segment`` was read from; ``unused``: columns of the file that are not here.
    """

    name: str = ""
    origin: np.ndarray = field(default_factory=lambda: np.zeros(3))
    classes: tuple[str, ...] = ()
    precision: tuple[float, float] = (0.0, 0.0)
    labels_from: str = ""
    unused: tuple[str, ...] = ()

    @property
    def segment(self) -> np.ndarray | None:
        return self.attributes.get("segment")

    @property
    def instance(self) -> np.ndarray | None:
        return self.attributes.get("instance")

    @property
    def superpoint(self) -> np.ndarray | None:
        return self.attributes.get("superpoint")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the attributes that are further columns of the file."""
        return tuple(name for name in self.attributes if name not in KINDS)

    def digest(self) -> str:
        """Return the SHA-256 of the coordinates: what a label file is tied to."""
        return hashlib.sha256(np.ascontiguousarray(self.coord, dtype=np.float32).tobytes()).hexdigest()


def write_scene(root: str | os.PathLike[str], scene: Scene, source: str = "", defects: Sequence[str] = ()) -> Path:
    """Write ``scene`` to ``<root>/<scene.name>``, whole or not at all, and return that folder.

    Each attribute becomes ``<name>.npy``. ``source`` says where the scene came from and ``defects`` what was wrong
    there; both are kept in ``scene.json``. All files are read again and compared before the folder takes its name.
    """
    folder = Path(root) / scene.name
    arrays = {"coord": np.asarray(scene.coord, dtype=np.float32)}
    arrays |= {
        name: narrowed(folder, name, array, KINDS.get(name, array.dtype.name))
        for name, array in scene.attributes.items()
    }
    meta: dict[str, Any] = {"origin": [float(v) for v in scene.origin], "classes": list(scene.classes)}
    meta |= {"source": source, "precision_m": dict(zip(("bulk", "all"), scene.precision, strict=True))}
    meta |= {"labels_from": scene.labels_from, "columns": list(scene.columns), "unused": list(scene.unused)}
    meta["defects"] = list(defects)

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


def read_scene(
    folder: str | os.PathLike[str], classes: Classes, *, with_labels: bool, columns: Collection[str] = ()
) -> Scene:
    """Read a scene folder; the arrays are memory-mapped where no conversion is needed.

    Of further ``columns``, such as intensity, those that are there are read, each as (P,) in its type on disk.

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
    coord, shift, exact = coordinates(folder)
    names, origin = _meta(folder)
    labels_from = ""
    arrays = {"color": color(folder, len(coord)), "normal": points(folder, "normal", len(coord))}
    arrays["superpoint"] = vector(folder, "superpoint", len(coord))
    if with_labels:
        arrays["segment"], labels_from = segment(folder, len(coord), names, classes)
        arrays["instance"] = vector(folder, "instance", len(coord))
    arrays |= {column: numbers(folder, column, len(coord)) for column in columns if column not in RESERVED}
    attributes = {key: array for key, array in arrays.items() if array is not None}
    return Scene(coord, attributes, name, origin + shift, classes.names, exact, labels_from)


def list_columns(folder: str | os.PathLike[str]) -> list[str]:
    """Return the sorted names of further columns in a scene folder, such as intensity: other ``<name>.npy``."""
    return sorted(path.stem for path in Path(folder).glob("*.npy") if path.stem not in RESERVED)


def read_classes(root: str | os.PathLike[str]) -> Classes:
    """Return the classes, with colors and codes, of a folder made by tools/prepare.py; raises InputError for others."""
    path = Path(root) / "dataset.json"
    meta = read_json(path)
    try:
        return Classes.from_json({**meta, "names": meta["classes"], "colors": meta["colors"]})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no class list in it ({error}); run tools/prepare.py again") from error


def scene_classes(folder: str | os.PathLike[str]) -> Classes:
    """Return the classes of a scene folder from its data set's dataset.json or its own scene.json.

    Raises InputError where neither names them.
    """
    folder = Path(folder)
    for root in (Path(os.path.abspath(folder)).parent.parent, folder.resolve().parent.parent):  # a link has two
        if (root / "dataset.json").is_file():
            return read_classes(root)
    names, _ = _meta(folder)
    if not names:
        raise InputError(f"{folder}: does not name its classes; say classes=s3dis, scannet20, a classes.yaml or names")
    return Classes(names)


def list_scenes(root: str | os.PathLike[str], splits: list[str] | tuple[str, ...]) -> list[Path]:
    """Return the scene folders of ``splits`` below ``root``, sorted; raises InputError where there is none.

    A folder with other arrays but no coord.npy, and a link that leads nowhere, are an InputError too: neither is left
    out in silence.
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
    """Return the fault of a folder with some arrays of a scene but no coord.npy; "" for a scene, or anything else."""
    if folder.is_symlink() and not folder.exists():
        return f"a link to {os.readlink(folder)}, which is not there"
    parts = [f"{name}.npy" for name in KINDS] + ["scene.json"]
    if not (folder / "coord.npy").is_file() and any((folder / part).is_file() for part in parts):
        return "arrays of a scene, but no coord.npy"
    return ""


def _meta(folder: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Return class names and origin (3,) from ``scene.json``; () and zero without one, as in Pointcept's folders."""
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
