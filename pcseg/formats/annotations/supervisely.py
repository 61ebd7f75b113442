"""Supervisely's point clouds: JSON with figures, of point indices or cuboids, beside a PCD file."""

from __future__ import annotations

import math
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.classes import IGNORE
from pcseg.errors import InputError, cut
from pcseg.files import write_json
from pcseg.formats.annotations.annotation import Annotation, Box, LabeledScan
from pcseg.formats.files import read_cloud
from pcseg.formats.parsing import parsing
from pcseg.formats.write import write_cloud


def is_supervisely(content: Any) -> bool:
    """Return whether the content of a JSON file is an annotation of Supervisely."""
    return isinstance(content, dict) and "figures" in content and "objects" in content


def read_supervisely(path: Path, content: Any) -> Annotation:
    """Return the annotation of ``<dataset>/ann/<scan>.pcd.json``, whose JSON is ``content``.

    The scan itself is read where it is at its place, ``<dataset>/pointcloud/<scan>.pcd``. Of two figures with the same
    point the later counts. Raises InputError for an annotation of another shape.
    """
    with parsing(path, "Supervisely"):
        titles = {str(item["key"]): str(item["classTitle"]) for item in content["objects"]}
        label: dict[int, np.ndarray] = {}
        names: list[str] = []
        boxes: list[Box] = []
        for figure in content["figures"]:
            key, kind, geometry = str(figure["objectKey"]), figure["geometryType"], figure["geometry"]
            if key not in titles:
                raise InputError(
                    f"{path}: a figure belongs to the object {cut(key, 40)}, which is missing; export it again"
                )
            if kind == "cuboid_3d":
                boxes.append(_cuboid(titles[key], geometry, path))
            elif kind == "point_cloud":
                label[len(names)] = _indices(geometry["indices"], path)
                names.append(titles[key])
            else:
                raise InputError(f"{path}: figures of type {cut(str(kind), 40)} label no points; leave them out")
    scan = path.parent.parent / "pointcloud" / path.stem
    coord = read_cloud(scan).coord if scan.is_file() else None
    count = None if coord is None else len(coord)
    every = np.concatenate([np.zeros(0, np.int64), *label.values()])
    values = np.concatenate([np.zeros(0, np.int64), *(np.full(len(index), k) for k, index in label.items())])
    if count is not None and len(every) and every.max() >= count:
        raise InputError(f"{path}: labels point {every.max()}, but {scan} has {count} points; export both again")
    index, last = np.unique(every[::-1], return_index=True)
    return Annotation(tuple(names), index, values[::-1][last], frozenset(), count, coord, tuple(boxes))


def write_supervisely(folder: Path, scan: LabeledScan) -> list[Path]:
    """Write ``<folder>/{meta.json, <split>/{pointcloud,ann}/...}`` as Supervisely imports it; return the files.

    One figure holds the points of a class. Coordinates are without the scan's origin, since it reads 32 bits of them.
    """
    split, _, name = scan.name.rpartition("/")
    dataset = folder / (split or "train")
    places = dataset / "pointcloud" / f"{name}.pcd", dataset / "ann" / f"{name}.pcd.json", folder / "meta.json"
    objects, figures = [], []
    for k in np.unique(scan.labels[scan.labels != IGNORE]).tolist():
        title = scan.classes.names[k]
        key = uuid.uuid5(uuid.NAMESPACE_URL, f"{scan.name}/{title}").hex
        objects.append({"key": key, "classTitle": title, "tags": []})
        geometry = {"indices": np.flatnonzero(scan.labels == k).tolist()}
        figure = uuid.uuid5(uuid.NAMESPACE_URL, f"{scan.name}/{title}/figure").hex
        figures.append({"key": figure, "objectKey": key, "geometryType": "point_cloud", "geometry": geometry})
    key = uuid.uuid5(uuid.NAMESPACE_URL, scan.name).hex
    write_cloud(places[0], scan.coord, color=scan.color)
    write_json(places[1], {"description": "", "key": key, "tags": [], "objects": objects, "figures": figures})
    classes = [
        {"title": title, "shape": "point_cloud", "color": "#{:02X}{:02X}{:02X}".format(*color), "geometry_config": {}}
        for title, color in zip(scan.classes.names, scan.classes.colors, strict=True)
    ]
    write_json(places[2], {"classes": classes, "tags": [], "projectType": "point_clouds"})
    return list(places)


def _indices(value: Any, path: Path) -> np.ndarray:
    if not isinstance(value, list) or not all(type(number) is int and number >= 0 for number in value):
        raise InputError(f"{path}: indices of a figure are no list of whole numbers from 0; export it again")
    return np.array(value, dtype=np.int64)


def _cuboid(name: str, geometry: Any, path: Path) -> Box:
    center, angles, size = (
        np.array([float(geometry[key][axis]) for axis in "xyz"]) for key in ("position", "rotation", "dimensions")
    )
    if np.abs(angles[:2]).max() > 1e-6:
        raise InputError(
            f"{path}: a cuboid of {cut(name, 40)} is tilted; only those turned about the vertical are read"
        )
    cos, sin = math.cos(angles[2]), math.sin(angles[2])
    return Box(name, center, size, np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]))
