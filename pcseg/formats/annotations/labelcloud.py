"""labelCloud: a byte per point with a list of classes, or JSON with the boxes of objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json, write_json
from pcseg.formats.annotations.annotation import Annotation, Box, LabeledScan, dense
from pcseg.formats.parsing import parsing
from pcseg.formats.write import write_cloud

CLASSES = "_classes.json"
"""Name of the file with the classes, in the folder of the labels."""

DEFINITION = "label_definition.json"
"""Name of the file in ``schema`` with the classes, of releases before 1.0."""

UNASSIGNED = "unassigned"
"""Name of a class with the number 0, for points of no class."""


def definition(path: Path) -> Path | None:
    """Return the list of classes that belongs to a label file, in one of three folders above; None for none."""
    for folder in list(path.parents)[:3]:
        for place in (folder / CLASSES, folder / "schema" / DEFINITION, folder / DEFINITION):
            if place.is_file():
                return place
    return None


def is_boxes(content: Any) -> bool:
    """Return whether the content of a JSON file are boxes of labelCloud."""
    objects = content.get("objects") if isinstance(content, dict) else None
    return isinstance(objects, list) and all(
        isinstance(each, dict) and "name" in each and ("centroid" in each or "vertices" in each) for each in objects
    )


def read_bytes(path: Path) -> Annotation:
    """Return the annotation of a ``.bin`` file with a byte per point; the default class means no label.

    Raises InputError where the list of classes is missing or of another shape, or a byte is not in it.
    """
    place = definition(path)
    if place is None:
        raise InputError(f"{path}: no {CLASSES} beside it or above; copy labelCloud's folder of labels as a whole")
    content = read_json(place)
    with parsing(place, "labelCloud"):
        if "classes" in content:
            names = {int(each["id"]): str(each["name"]) for each in content["classes"]}
            default = names.get(int(content.get("default", 0)), "")
        else:
            names = {int(number): str(name) for name, number in content.items()}
            default = names.get(0, "")
    with parsing(path, "labelCloud"):
        values = np.fromfile(path, np.int8)
    return dense(values, names, path, unlabeled=frozenset({default, UNASSIGNED}))


def read_boxes(path: Path, content: Any) -> Annotation:
    """Return the boxes of a JSON file, whose content is ``content``, of labelCloud's formats centroid and vertices.

    Angles are in degrees, as in centroid_abs; where one is negative they are radians, as in centroid_rel.
    """
    nothing = np.zeros(0, np.int64)
    with parsing(path, "labelCloud"):
        return Annotation((), nothing, nothing, boxes=tuple(_boxes(content["objects"], path)))


def write_labelcloud(folder: Path, scan: LabeledScan) -> list[Path]:
    """Write ``<folder>/<split>/{pointclouds/<scene>.ply, labels/{_classes.json, segmentation/<scene>.bin}}``.

    Class k is the number k + 1; 0 is unassigned. Returns the files. Raises InputError for more classes than a byte has
    room for.
    """
    if len(scan.classes) > 126:
        raise InputError(f"{folder}: labelCloud holds 126 classes, there are {len(scan.classes)}; merge some")
    split, _, name = scan.name.rpartition("/")
    root = folder / (split or "train")
    places = [root / "pointclouds" / f"{name}.ply", root / "labels" / CLASSES]
    places.append(root / "labels" / "segmentation" / f"{name}.bin")
    names, colors = (UNASSIGNED, *scan.classes.names), ((128, 128, 128), *scan.classes.colors)
    classes = [
        {"name": text, "id": k, "color": "#{:02X}{:02X}{:02X}".format(*color)}
        for k, (text, color) in enumerate(zip(names, colors, strict=True))
    ]
    write_cloud(places[0], scan.places, color=scan.color)
    write_json(places[1], {"classes": classes, "default": 0, "type": "semantic_segmentation", "format": "binary"})
    with atomic_path(places[2]) as temporary:
        np.where(scan.labels == IGNORE, 0, scan.labels + 1).astype(np.int8).tofile(temporary)
    return places


def _boxes(objects: list[Any], path: Path) -> Iterator[Box]:
    angles = [_numbers(each["rotations"], "xyz") for each in objects if "vertices" not in each]
    radians = any((each < 0).any() for each in angles)
    for each in objects:
        name = str(each["name"])
        if "vertices" in each:
            yield _of_corners(name, np.array(each["vertices"], dtype=np.float64), path)
            continue
        size = _numbers(each["dimensions"], ("length", "width", "height"))
        turn = _numbers(each["rotations"], "xyz")
        yield Box(name, _numbers(each["centroid"], "xyz"), size, _turned(turn if radians else np.radians(turn)))


def _numbers(table: Any, keys: Any) -> np.ndarray:
    found = np.array([float(table[key]) for key in keys])
    if not np.isfinite(found).all():
        raise ValueError(f"{', '.join(keys)} are not all finite")
    return found


def _of_corners(name: str, corners: np.ndarray, path: Path) -> Box:
    """Return the box of 8 corners (8, 3) in labelCloud's order: from the first to 3, 1 and 4 lead the three edges."""
    if corners.shape != (8, 3) or not np.isfinite(corners).all():
        raise InputError(f"{path}: vertices of a box are of shape {corners.shape}, not 8 corners; export it again")
    edges = corners[[3, 1, 4]] - corners[0]
    size = np.linalg.norm(edges, axis=1)
    if not (size > 0).all():
        raise InputError(f"{path}: a box of {name} has no extent; remove it")
    return Box(name, corners.mean(axis=0), size, (edges / size[:, None]).T)


def _turned(angles: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) about x, then y, then z by ``angles`` (3,) in radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)
