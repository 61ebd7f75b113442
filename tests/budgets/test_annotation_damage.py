"""Files of annotation tools that are cut off, emptied, changed or of another kind are refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.annotation_imports import import_annotations
from pcseg.errors import InputError
from tests.budgets.annotated import CLASSES, COORD, FILES, pcd, scene, written


def edited(build: Callable[[Path], Path], name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        source = build(root)
        (path,) = [path for path in root.rglob("*") if path.name == name]
        path.write_bytes(change(path.read_bytes()))
        return source

    return make


def changed(build: str, name: str, **keys: object) -> Callable[[Path], Path]:
    return edited(FILES[build], name, lambda raw: json.dumps({**json.loads(raw), **keys}).encode())


CUTS = tuple({
    "supervisely": "room.pcd.json", "segments": "room.json", "segments_release": "release.json",
    "labelcloud": "room.bin", "editor": "room.pcd", "kitti": "room.label", "cloudcompare": "room.asc",
    "ply": "room.ply", "las": "room.las",
}.items())  # fmt: skip
FIGURE = {"objectKey": "a", "geometryType": "point_cloud", "geometry": {"indices": [12]}}
DAMAGED: dict[str, tuple[Callable[[Path], Path], str]] = {
    **{f"{name} cut": (edited(FILES[name], file, lambda raw: raw[: len(raw) // 2 - 1]), "") for name, file in CUTS},
    **{f"{name} empty": (edited(FILES[name], file, lambda raw: b""), "") for name, file in CUTS},
    "object": (changed("supervisely", "room.pcd.json", objects=[]), "belongs to the object c, which is missing"),
    "index": (changed("supervisely", "room.pcd.json", figures=[FIGURE]), "labels point 12, but"),
    "negative": (
        changed("supervisely", "room.pcd.json", figures=[{**FIGURE, "geometry": {"indices": [-1]}}]),
        "no list of whole numbers",
    ),
    "geometry": (changed("supervisely", "room.pcd.json", figures=[{**FIGURE, "geometryType": "line"}]), "of type line"),
    "points": (changed("segments", "room.json", point_annotations=[1, 2]), "2 points, not the 12"),
    "url": (changed("segments", "room.json", point_annotations="https://x"), "no list of whole numbers"),
    "id": (changed("segments", "room.json", annotations=[]), "is not among the classes it defines"),
    "category": (changed("segments", "room.json", annotations=[{"id": 1, "category_id": 9}]), "category 9 has no name"),
    "definition": (changed("labelcloud", "_classes.json", classes=[{"id": "x"}]), "not a readable labelCloud file"),
    "byte": (changed("labelcloud", "_classes.json", classes=[]), "label 1 is not among the classes it defines"),
    "vertices": (
        lambda root: written(root / "room.json", {"objects": [{"name": "tree", "vertices": [[0, 0, 0]]}]}),
        "not 8 corners",
    ),
    "centroid": (
        lambda root: written(root / "room.json", {"objects": [{"name": "tree", "centroid": {"x": 1}}]}),
        "labelCloud file",
    ),
    "json": (lambda root: written(root / "room.json", {"a": 1}), "is no annotation of Supervisely, Segments.ai or"),
    "column": (lambda root: written(root / "room.pcd", pcd(COORD)), "has no column that is known to hold labels"),
    "fraction": (
        lambda root: written(root / "room.asc", "//X Y Z label\n" + 12 * "0 0 0 1.5\n"), "is no whole number",
    ),
    "class": (lambda root: written(root / "room.label", np.full(12, 9, "<u4").tobytes()), "class '9' is not one of"),
    "nothing": (lambda root: written(root / "x.md", "x").parent, "no annotation in it"),
    "other": (lambda root: written(root / "hall.label", b"1234"), "is of the scans hall, none of which"),
    "missing": (lambda root: root / "none", "no such file or folder"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_told_in_a_line(tmp_path: Path, name: str) -> None:
    make, words = DAMAGED[name]
    source = make(tmp_path)
    with pytest.raises(InputError) as error:
        import_annotations([scene()], CLASSES, source)
    assert words in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)
