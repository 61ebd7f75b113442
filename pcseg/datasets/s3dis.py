"""Read S3DIS as released: rooms of text files, one per object, aligned or in the original pose (v1.2).

Layout: ``Area_<n>/<room>/Annotations/<class>_<i>.txt`` with lines ``x y z r g b``, and for the original pose
``Area_<n>/Area_<n>_alignmentAngle.txt`` with lines ``<room> <degrees>`` (Armeni et al., 3D Semantic Parsing of
Large-Scale Indoor Spaces, CVPR 2016). Both releases hold scrambled bytes in known places; see ``s3dis_text.py``.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pcseg.classes import IGNORE, S3DIS, Classes, translation
from pcseg.datasets.cloud_scene import to_scene
from pcseg.datasets.listing import broken_links
from pcseg.datasets.s3dis_text import read_table
from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.defects import Defect
from pcseg.scenes.origin import strays
from pcseg.scenes.places import column_bounds, usable
from pcseg.scenes.scene import Scene

ROOMS = {"Area_1": 44, "Area_2": 40, "Area_3": 23, "Area_4": 49, "Area_5": 68, "Area_6": 48}
"""Number of rooms of each area in the release."""

_STAIRS = ("stairs", "staris")  # both spellings occur


@dataclass(frozen=True)
class S3disReader:
    """Reads ``root``, the folder of the areas (or its parent). ``stairs``: "clutter" (usual in the field) or
    "ignore".
    """

    root: str
    stairs: str = "clutter"

    def __post_init__(self) -> None:
        if self.stairs not in ("clutter", "ignore"):
            raise InputError(f"stairs={self.stairs}: no such choice; write clutter or ignore")

    @property
    def classes(self) -> Classes:
        return S3DIS

    def scenes(self) -> list[str]:
        names = [f"{area.name}/{room.name}" for area in _areas(self.root) for room in _folders(area)]
        repeated = sorted(name for name, count in Counter(names).items() if count > 1)
        if repeated:
            raise InputError(f"{self.root}: two folders hold {repeated[0]}; give the folder of one of the releases")
        if not names:
            raise InputError(f"{self.root}: the areas hold no room; each room is a folder with Annotations/ in it")
        return names

    def remarks(self) -> list[Defect]:
        """Report missing rooms, links to nowhere, and rooms in folders that are not called Area_<n>."""
        areas = _areas(self.root)
        found = broken_links([Path(self.root), *{area.parent for area in areas} - {Path(self.root)}, *areas])
        for folder in {f for area in areas for f in _folders(area.parent)} - set(areas):
            if any(folder.glob("*/Annotations")):
                found.append(Defect(str(folder), None, "holds rooms, but is not called Area_<n>", "not used"))
        for area in areas:
            here, released = len(_folders(area)), ROOMS.get(area.name, 0)
            if 0.9 * released < here < released:  # nearly complete, so rooms were lost; a small part is intended
                text = f"{here} rooms, but the release has {released}"
                found.append(
                    Defect(str(area), None, text, "the missing ones are not prepared; unpack the archive again")
                )
        return found

    def sources(self, name: str) -> list[Path]:
        room = self._room(name)
        return [room / "Annotations", _angle_file(room)]

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        """Return one room, made of its object files in the order of their names; the room's own .txt is not used."""
        room = self._room(name)
        files, defects = _object_files(room)
        tables, classes = [], []
        for file in files:
            table, wrong = read_table(file, 6, _plausible)
            defects += wrong
            if len(table):
                tables.append(table)
                classes.append(_class_of(file))
        if not tables:
            raise InputError(f"{room / 'Annotations'}: no point in {len(files)} files; copy the room again")
        table = np.concatenate(tables)
        counts = [len(t) for t in tables]
        segment, unknown = _labels(classes, self.stairs, str(room))
        defects += [Defect(str(room), None, f"unknown class '{c}'", "its points are left unlabeled") for c in unknown]
        instance = np.where(segment == IGNORE, -1, np.arange(len(segment)))
        coord, wrong = _aligned(table[:, :3], room)
        cloud = Cloud(coord, color=np.round(table[:, 3:]).astype(np.uint8))
        labels = {"segment": np.repeat(segment, counts), "instance": np.repeat(instance, counts)}
        scene, dropped = to_scene(name, str(room), cloud, labels, S3DIS.names)
        return replace(scene, labels_from="names of the files in Annotations"), defects + wrong + dropped

    def _room(self, name: str) -> Path:
        room = next((p for area in _areas(self.root) for p in _folders(area) if f"{area.name}/{p.name}" == name), None)
        if room is None:
            raise InputError(f"{self.root}: no room '{name}' here; choose one of those that scenes() lists")
        return room


def is_s3dis(root: str) -> bool:
    """Return whether ``root``, or a folder in it, holds areas of rooms with Annotations."""
    return any(any(Path(root).glob(f"{above}Area_*/*/Annotations")) for above in ("", "*/"))


def _folders(parent: Path) -> list[Path]:
    return sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith("."))


def _areas(root: str) -> list[Path]:
    if not Path(root).is_dir():
        raise InputError(f"{root}: no such folder; give the one that holds Area_1, Area_2, ...")
    parents = [Path(root), *_folders(Path(root))]
    areas = [p for parent in parents for p in _folders(parent) if re.fullmatch(r"Area_\w+", p.name)]
    if areas:
        return areas
    raise InputError(f"{root}: no Area_<n> folder here; give the folder that holds Area_1, Area_2, ...")


def _object_files(room: Path) -> tuple[list[Path], list[Defect]]:
    folder = room / "Annotations"
    if not folder.is_dir():
        raise InputError(f"{room}: no Annotations folder, so no labels; unpack the archive again or remove the room")
    files, defects = [], broken_links([folder])
    for path in sorted(p for p in folder.iterdir() if p.exists() and not p.name.startswith(".")):
        original = re.sub(r" ?\(\d+\)$", "", path.stem)
        if path.suffix.lower() != ".txt":
            defects.append(Defect(str(path), None, "not a .txt file", "skipped"))
        elif path.is_dir():
            defects.append(Defect(str(path), None, "a folder", "skipped"))
        elif original != path.stem and (folder / f"{original}.txt").is_file():
            defects.append(Defect(str(path), None, f"a second copy of {original}.txt", "skipped"))
        else:
            files.append(path)
    if not files:
        raise InputError(f"{folder}: no <class>_<i>.txt file here; copy the room again")
    return files, defects


def _class_of(file: Path) -> str:
    return re.sub(r"_?\d*( ?\(\d+\))?$", "", file.stem)


def _labels(names: list[str], stairs: str, where: str) -> tuple[np.ndarray, list[str]]:
    """Return the label of each file (F,) and the class names that S3DIS does not have."""
    merge = dict.fromkeys(_STAIRS, stairs)
    try:
        labels = translation(names, S3DIS, merge)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    known = set(S3DIS.names) | set(_STAIRS)
    return labels, sorted({name for name in names if name not in known})


def _plausible(rows: np.ndarray) -> np.ndarray:
    return usable(rows[:, :3]) & (rows[:, 3:] >= 0).all(axis=1) & (rows[:, 3:] <= 255).all(axis=1)


def _angle_file(room: Path) -> Path:
    return room.parent / f"{room.parent.name}_alignmentAngle.txt"


def _aligned(coord: np.ndarray, room: Path) -> tuple[np.ndarray, list[Defect]]:
    """Rotate a room of the original release about the center of its bounding box, to be axis-aligned as in the other
    one.
    """
    file = _angle_file(room)
    if not file.is_file():
        return coord, []
    angles = [line.split() for line in file.read_text(encoding="latin1").splitlines() if not line.startswith("#")]
    for words in angles:
        if len(words) == 2 and words[0] == room.name:
            break
    else:
        return coord, [Defect(str(file), None, f"no angle for {room.name}", "the room keeps its original pose")]
    try:
        angle = np.deg2rad(float(words[1]))
    except ValueError:
        angle = np.nan
    if not np.isfinite(angle):
        raise InputError(f"{file}: the angle of {room.name} is '{words[1]}'; write degrees")
    low, high = column_bounds(coord[~strays(coord)])
    center = (low + high) / 2
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])  # by minus the angle
    return (coord - center) @ turn.T + center, []
