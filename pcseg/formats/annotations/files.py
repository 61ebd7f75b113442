"""Find the annotations in a file or folder, and read each by what it holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.errors import InputError, cut
from pcseg.files import read_json
from pcseg.formats.annotations.annotation import Annotation, LabeledScan
from pcseg.formats.annotations.columns import (
    read_column,
    read_kitti_label,
    write_cloudcompare,
    write_editor,
    write_kitti,
    write_las_classes,
    write_ply_column,
)
from pcseg.formats.annotations.labelcloud import (
    CLASSES,
    DEFINITION,
    definition,
    is_boxes,
    read_boxes,
    read_bytes,
    write_labelcloud,
)
from pcseg.formats.annotations.segments import (
    CATEGORIES,
    is_release,
    is_segments,
    read_segments,
    samples,
    write_segments,
)
from pcseg.formats.annotations.supervisely import is_supervisely, read_supervisely, write_supervisely
from pcseg.formats.files import FORMATS, read_cloud

WRITERS: dict[str, Callable[[Path, LabeledScan], list[Path]]] = {
    "supervisely": write_supervisely, "segments": write_segments, "labelcloud": write_labelcloud,
    "editor": write_editor, "kitti": write_kitti, "cloudcompare": write_cloudcompare, "ply": write_ply_column,
    "las": write_las_classes,
}  # fmt: skip
"""What writes a scan for another tool, by the name of the format."""

ENDINGS = (".json", ".label", *FORMATS)
"""Endings of files that may hold annotations."""

PROJECT = ("meta.json", "key_id_map.json", CLASSES, DEFINITION, CATEGORIES, "dataset.json", "scene.json")
"""Files of whole projects, which belong to no scan."""


@dataclass(frozen=True)
class Found:
    """An annotation in a file: ``scan`` is the name of its scan, ``rank`` says what goes first where there are two.

    ``content``: the JSON of one sample of a file with many; None: the whole file.
    """

    path: Path
    scan: str
    rank: int
    content: Any = None

    def of(self, scene: str) -> bool:
        """Return whether this is of ``scene``, called split/scene: where the file's folders name a split, that one."""
        return self.scan == scene.rpartition("/")[2] or self.scan == scene

    @property
    def where(self) -> str:
        return str(self.path) if self.content is None else f"{self.path}, sample {cut(self.scan, 60)}"


def find_annotations(source: str | os.PathLike[str]) -> list[Found]:
    """Return the annotations of a file, or of all files below a folder, in the order of their names.

    Raises InputError where there is none.
    """
    root = Path(source)
    if not root.exists():
        raise InputError(f"source={root}: no such file or folder; check the path")
    if root.is_file() and root.suffix.lower() == ".json":
        content = read_json(root)
        if is_release(content):
            found = [Found(root, _bare(name), 0, label) for name, label in samples(root, content).items()]
            if not found:
                raise InputError(f"source={root}: no sample in it has a label; label some, or give another release")
            return found
    found = [_entry(path) for path in ([root] if root.is_file() else _files(root))]
    if not found:
        raise InputError(f"source={root}: no annotation in it; give the folder that the tool exported")
    return found


def read_annotation(found: Found, column: str = "") -> Annotation:
    """Return what was found in a file; ``column`` names that of the labels in a point file.

    Raises InputError for a file that is damaged or of no known format.
    """
    path, suffix = found.path, found.path.suffix.lower()
    if found.content is not None:
        return read_segments(path, found.content)
    if suffix == ".label":
        return read_kitti_label(path)
    if suffix == ".json":
        content = read_json(path)
        for known, read in (
            (is_supervisely, read_supervisely), (is_segments, read_segments), (is_boxes, read_boxes),
        ):  # fmt: skip
            if known(content):
                return read(path, content)
        raise InputError(f"{path}: is no annotation of Supervisely, Segments.ai or labelCloud; give another file")
    if suffix == ".bin" and definition(path) is not None:
        return read_bytes(path)
    return read_column(path, column)


def scan_beside(path: Path, count: int) -> np.ndarray | None:
    """Return the coordinates (count, 3) float64 of the scan that a label file is of, where it is at its place.

    That is beside it, or as SemanticKITTI (``velodyne``) and labelCloud (``pointclouds``) have it. None for none of
    ``count`` points.
    """
    folders = [path.parent, path.parent.parent / "velodyne", *(p / "pointclouds" for p in list(path.parents)[1:3])]
    for folder in folders:
        for place in (folder / f"{path.stem}{ending}" for ending in FORMATS):
            if place != path and place.is_file() and len(coord := read_cloud(place).coord) == count:
                return coord
    return None


def _files(root: Path) -> Iterator[Path]:
    """Yield the files below a folder that may hold annotations, in the order of their names."""
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.suffix.lower() in ENDINGS and path.name not in PROJECT and not hidden and path.is_file():
            yield path


def _entry(path: Path) -> Found:
    suffix = path.suffix.lower()
    known = suffix in (".json", ".label") or (suffix == ".bin" and definition(path) is not None)
    return Found(path, _bare(path.stem), 0 if known else 1)


def _bare(name: str) -> str:
    """Return the name of a scan without the ending of its file: room.pcd.json is of room."""
    name = Path(name).name
    stem, _, ending = name.rpartition(".")
    return stem if f".{ending.lower()}" in FORMATS else name
