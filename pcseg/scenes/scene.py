"""A scanned room, or a picture, as arrays, and the folder of .npy files that holds it on disk.

The layout is the one Pointcept's users have: ``<root>/<split>/<scene>/{coord,color,normal,segment,instance}.npy``,
here with ``superpoint.npy``, further columns such as ``intensity.npy``, and a ``scene.json`` (origin, class names,
source) beside them where we wrote it. A picture is a scene of pixels: ``image.npy`` (H, W, 3) uint8 stands for
coordinates and colors, and its other arrays are (H, W).
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
from pcseg.scenes.arrays import (
    color,
    coordinates,
    image,
    load,
    narrowed,
    numbers,
    pixel_places,
    points,
    segment,
    vector,
)
from pcseg.scenes.columns import RESERVED
from pcseg.scenes.listing import KINDS, is_image, is_scene
from pcseg.scenes.places import FARTHEST
from pcseg.scenes.points import Points


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

    ``size`` (H, W) says that the points are the pixels of a picture, row by row; ``coord`` is then (column, -row, 0).
    """

    name: str = ""
    origin: np.ndarray = field(default_factory=lambda: np.zeros(3))
    classes: tuple[str, ...] = ()
    precision: tuple[float, float] = (0.0, 0.0)
    labels_from: str = ""
    unused: tuple[str, ...] = ()
    size: tuple[int, int] | None = None

    @property
    def image(self) -> np.ndarray:
        """The colors (H, W, 3) uint8 of a picture; TypeError for a cloud."""
        if self.size is None or self.color is None:
            raise TypeError(f"{self.name} is a point cloud, no picture")
        return self.color.reshape(*self.size, 3)

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
        """Return the SHA-256 of the coordinates, of a picture of its size and colors: what a label file is tied to."""
        if self.size is not None:
            return hashlib.sha256(str(self.size).encode() + np.ascontiguousarray(self.image).tobytes()).hexdigest()
        return hashlib.sha256(np.ascontiguousarray(self.coord, dtype=np.float32).tobytes()).hexdigest()


def write_scene(
    root: str | os.PathLike[str], scene: Scene, source: str = "", defects: Sequence[str] = (), stamp: str = ""
) -> Path:
    """Write ``scene`` to ``<root>/<scene.name>``, whole or not at all, and return that folder.

    Each attribute becomes ``<name>.npy``. ``source`` says where the scene came from, ``defects`` what was wrong there
    and ``stamp`` in what state the source was; all are kept in ``scene.json``. All files are read again and compared
    before the folder takes its name.
    """
    folder = Path(root) / scene.name
    arrays: dict[str, np.ndarray] = {
        name: narrowed(folder, name, array, KINDS.get(name, array.dtype.name))
        for name, array in scene.attributes.items()
    }
    if scene.size is None:
        arrays["coord"] = np.asarray(scene.coord, dtype=np.float32)
    else:
        arrays = {name: array.reshape(*scene.size, *array.shape[1:]) for name, array in arrays.items()}
        arrays["image"] = arrays.pop("color")
    meta: dict[str, Any] = {"origin": [float(v) for v in scene.origin], "classes": list(scene.classes)}
    meta |= {"source": source, "precision_m": dict(zip(("bulk", "all"), scene.precision, strict=True))}
    meta |= {"labels_from": scene.labels_from, "columns": list(scene.columns), "unused": list(scene.unused)}
    meta |= {"defects": list(defects), "stamp": stamp}

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


def scene_name(folder: Path) -> str:
    """Return the name of the scene in a folder: <split>/<scene>."""
    return f"{folder.parent.name}/{folder.name}"


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
    name = scene_name(folder)
    if not is_scene(folder):
        raise InputError(f"{folder}: no coord.npy or image.npy here; give a folder written by tools/prepare.py")
    names, origin = _meta(folder)
    labels_from, size, arrays = "", None, dict[str, np.ndarray | None]()
    if is_image(folder):
        picture = image(folder)
        size = (picture.shape[0], picture.shape[1])
        coord, shift, exact = pixel_places(*size), np.zeros(3), (0.0, 0.0)
        arrays["color"] = picture.reshape(-1, 3)
    else:
        coord, shift, exact = coordinates(folder)
        arrays |= {"color": color(folder, len(coord)), "normal": points(folder, "normal", len(coord))}
    arrays["superpoint"] = vector(folder, "superpoint", len(coord))
    if with_labels:
        arrays["segment"], labels_from = segment(folder, len(coord), names, classes)
        arrays["instance"] = vector(folder, "instance", len(coord))
    arrays |= {column: numbers(folder, column, len(coord)) for column in columns if column not in RESERVED}
    attributes = {key: array for key, array in arrays.items() if array is not None}
    return Scene(coord, attributes, name, origin + shift, classes.names, exact, labels_from, size=size)


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


def read_ignored(root: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the numbers, as text, that mean no label in the files a folder was prepared from, as classes.yaml says."""
    path = Path(root) / "dataset.json"
    meta = read_json(path) if path.is_file() else None
    settings = meta.get("settings") if isinstance(meta, dict) else None
    tables = settings.values() if isinstance(settings, dict) else ()
    lists = [table.get("ignore") for table in tables if isinstance(table, dict)]
    return tuple(str(number) for numbers in lists if isinstance(numbers, list) for number in numbers)


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
