"""Read ScanNet v2 as released: one mesh per scene, with NYU40 labels, objects, over-segmentation and axis alignment.

The points are the vertices of ``<id>_vh_clean_2.ply`` in file order, as scored by the benchmark (Dai et al., ScanNet,
CVPR 2017). NYU40 ids become the benchmark's 20 classes by name; every other id is unlabeled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from pcseg.classes import IGNORE, SCANNET20, SCANNET20_NYU40, Classes
from pcseg.datasets.cloud_scene import to_scene
from pcseg.datasets.frame_labels import TABLE
from pcseg.datasets.listing import broken_links
from pcseg.datasets.scannet_objects import nyu40_of_categories, read_objects, read_segments
from pcseg.errors import InputError
from pcseg.files import read_text
from pcseg.formats.cloud import Cloud
from pcseg.formats.defects import Defect
from pcseg.formats.ply import read_ply, read_ply_mesh
from pcseg.scenes.scene import Scene

_SCENE = re.compile(r"scene\d{4}_\d{2}")
_MESH, _LABELS = "_vh_clean_2.ply", "_vh_clean_2.labels.ply"
_SEGMENTS, _OBJECTS = "_vh_clean_2.0.010000.segs.json", ".aggregation.json"
_ENDINGS = (_MESH, _LABELS, _SEGMENTS, _OBJECTS, ".txt")


@dataclass(frozen=True)
class ScannetReader:
    """Reads ``root``, the folder of ``scans`` and ``scans_test``.

    ``lists``: folder with the official scannetv2_{train,val,test}.txt; without it ``scans`` is train and ``scans_test``
    is test. ``align`` rotates each scene by its ``axisAlignment`` (the benchmark does not).
    """

    root: str
    lists: str = ""
    align: bool = False

    @property
    def classes(self) -> Classes:
        return SCANNET20

    def scenes(self) -> list[str]:
        if not self._folders:
            raise InputError(
                f"{self.root}: no scans/sceneNNNN_NN here; give the folder that holds scans and scans_test"
            )
        return sorted(f"{self._split(folder)}/{name}" for name, folder in self._folders.items())

    def remarks(self) -> list[Defect]:
        """Report links to nowhere, folders that are not scenes, and scenes that are missing on disk or in the lists."""
        places = self._places
        found = broken_links({Path(self.root), *places}, lambda name: name.startswith(("scan", "scene")))
        others = [p for place in places for p in sorted(place.iterdir()) if p.is_dir() and not _SCENE.fullmatch(p.name)]
        others = [p for p in others if any(p.glob("*_vh_clean_2.ply")) and p not in places]
        if others:
            text = f"{len(others)} folders of meshes, {others[0].name} first, are not called sceneNNNN_NN"
            found.append(Defect(self.root, None, text, "not used"))
        for split, listed in self._lists.items():
            absent = sorted(listed - set(self._folders))
            if absent:
                text = f"{split}: {len(absent)} of the {len(listed)} listed scenes are missing, {absent[0]} first"
                found.append(Defect(self.root, None, text, "prepared without them"))
        unlisted = [n for n, folder in self._folders.items() if self._split(folder) == "unlisted"]
        if unlisted:
            text = f"{len(unlisted)} scenes are in none of the lists, {sorted(unlisted)[0]} first"
            found.append(Defect(self.root, None, text, "put into the split 'unlisted'"))
        return found

    def sources(self, name: str) -> list[Path]:
        scene = name.rpartition("/")[2]
        return [*(self._folders[scene] / f"{scene}{ending}" for ending in _ENDINGS), Path(self.root) / TABLE]

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        """Return one scene with mesh normals, superpoints and, except in the hidden test set, labels and objects."""
        scene = name.rpartition("/")[2]
        folder = self._folders[scene]
        mesh = folder / f"{scene}{_MESH}"
        if not mesh.is_file():
            raise InputError(f"{mesh}: no such file; download the scene again or remove its folder")
        cloud, faces = read_ply_mesh(mesh)
        if cloud.normal is None and faces is not None:
            cloud = replace(cloud, normal=vertex_normals(cloud.coord, faces))
        labels, labels_from, defects = self._labels(folder, scene, len(cloud))
        if self.align:
            cloud, wrong = _aligned(cloud, folder / f"{scene}.txt")
            defects += wrong
        result, dropped = to_scene(name, str(mesh), cloud, labels, SCANNET20.names)
        return replace(result, labels_from=labels_from), defects + dropped

    def _labels(self, folder: Path, scene: str, count: int) -> tuple[dict[str, np.ndarray], str, list[Defect]]:
        """Return the arrays segment, instance and superpoint whose files exist, and the name of the file of segment."""
        labels: dict[str, np.ndarray] = {}
        segments = read_segments(folder / f"{scene}{_SEGMENTS}", count)
        nyu40: np.ndarray | None = None
        labels_from = ""
        defects: list[Defect] = []
        if segments is not None:
            labels["superpoint"] = np.unique(segments, return_inverse=True)[1].reshape(-1)
            file = folder / f"{scene}{_OBJECTS}"
            if file.is_file():
                labels["instance"], categories = read_objects(file, segments)
                labels_from = "aggregation.json"
                if not (folder / f"{scene}{_LABELS}").is_file():
                    table, defects = nyu40_of_categories(Path(self.root), categories, file)
                    nyu40 = np.append(table, 0)[labels["instance"]]
        file = folder / f"{scene}{_LABELS}"
        if file.is_file():
            found = read_ply(file)
            labels_from, values = "labels.ply", found.fields.get("label", np.empty(0))
            if len(values) != count:
                raise InputError(f"{file}: {len(values)} labels for {count} vertices; download the scene again")
            if not np.array_equal(values, np.round(values)):
                raise InputError(f"{file}: its labels are not whole numbers; download the scene again")
            nyu40 = values.astype(np.int64)
            defects += found.defects
        if nyu40 is not None:
            labels["segment"], wrong = scannet20_of_nyu40(nyu40, str(file))
            defects += wrong
        elif folder.parent.name != "scans_test":
            defects.append(
                Defect(str(folder), None, "no labels.ply, and no aggregation and segs", "the scene is unlabeled")
            )
        return labels, labels_from, defects

    @property
    def _places(self) -> list[Path]:
        root = Path(self.root)
        if not root.is_dir():
            raise InputError(f"{self.root}: no such folder; give the one that holds scans and scans_test")
        return [p for p in (root / "scans", root / "scans_test", root) if p.is_dir()]

    @cached_property
    def _folders(self) -> dict[str, Path]:
        scenes: dict[str, Path] = {}
        for folder in (p for place in self._places for p in sorted(place.iterdir()) if _SCENE.fullmatch(p.name)):
            if folder.name in scenes:
                raise InputError(f"{folder}: {scenes[folder.name]} is the same scene; remove one")
            if folder.is_dir():
                scenes[folder.name] = folder
        return scenes

    @cached_property
    def _lists(self) -> dict[str, set[str]]:
        if not self.lists:
            return {}
        files = {split: Path(self.lists) / f"scannetv2_{split}.txt" for split in ("train", "val", "test")}
        absent = [str(f) for f in files.values() if not f.is_file()]
        if absent:
            raise InputError(f"{absent[0]}: no such file; lists= is the folder of the official split lists")
        return {split: set(read_text(file, 2**20).split()) for split, file in files.items()}

    def _split(self, folder: Path) -> str:
        if self._lists:
            return next((split for split, names in self._lists.items() if folder.name in names), "unlisted")
        return "test" if folder.parent.name == "scans_test" else "train"


def is_scannet(root: str) -> bool:
    """Return whether ``root`` holds meshes of ScanNet scenes."""
    return any(any(Path(root).glob(f"{above}scene*/*_vh_clean_2.ply")) for above in ("scans/", "scans_test/", ""))


def scannet20_of_nyu40(nyu40: np.ndarray, where: str) -> tuple[np.ndarray, list[Defect]]:
    """Return labels of the 20 classes for NYU40 ids (P,), and a report of ids above 40, which a few released scenes
    have.
    """
    table = np.full(41, IGNORE, dtype=np.int64)
    table[list(SCANNET20_NYU40)] = np.arange(len(SCANNET20))
    wrong = (nyu40 < 0) | (nyu40 > 40)
    defects = [
        Defect(where, None, f"label {value} is not a NYU40 id ({int((nyu40 == value).sum())} points)", "unlabeled")
        for value in np.unique(nyu40[wrong])
    ]
    return table[np.where(wrong, 0, nyu40)], defects


def vertex_normals(coord: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return unit normals (P, 3) float32 of mesh vertices: the mean over their triangles (T, 3), weighted by area.

    A vertex without triangles gets the zero vector; triangles with vertices that do not exist are ignored.
    """
    faces = faces[((faces >= 0) & (faces < len(coord))).all(axis=1)]
    a, b, c = (coord[faces[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)  # of twice the area
    total = np.stack(
        [
            sum(np.bincount(faces[:, corner], cross[:, axis], minlength=len(coord)) for corner in range(3))
            for axis in range(3)
        ],
        axis=1,
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return (total / np.where(length > 0, length, 1)).astype(np.float32)


def _aligned(cloud: Cloud, file: Path) -> tuple[Cloud, list[Defect]]:
    text = file.read_text(encoding="latin1") if file.is_file() else ""
    found = re.search(r"^\s*axisAlignment\s*=(.*)$", text, re.MULTILINE)
    if not found:
        return cloud, [Defect(str(file), None, "no axisAlignment", "the scene keeps its original pose")]
    numbers = found.group(1).split()
    try:
        matrix = np.array([float(n) for n in numbers]).reshape(4, 4)
    except ValueError as error:
        raise InputError(f"{file}: axisAlignment is not 16 numbers; download the scene again") from error
    turn = matrix[:3, :3]
    if not (np.isfinite(matrix).all() and np.allclose(turn @ turn.T, np.eye(3), atol=1e-3)):
        raise InputError(f"{file}: axisAlignment is not a rotation and shift; download the scene again")
    normal = None if cloud.normal is None else (cloud.normal @ turn.T).astype(np.float32)
    return replace(cloud, coord=cloud.coord @ turn.T + matrix[:3, 3], normal=normal), []
