"""Read folders prepared by Pointcept's scripts: the same arrays as ours, but without class names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pcseg.classes import S3DIS, SCANNET20, Classes
from pcseg.datasets.cloud_scene import frame_defects
from pcseg.datasets.listing import list_files
from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.scenes.columns import USUAL, kept_columns
from pcseg.scenes.listing import KINDS, broken_scene
from pcseg.scenes.origin import strays
from pcseg.scenes.scene import Scene, list_columns, read_classes, read_scene


@dataclass(frozen=True)
class PointceptReader:
    """Reads ``root/<split>/<scene>/{coord,color,normal,segment|segment20,instance}.npy``.

    ``keep``: names of further arrays that scenes keep; None: those of pcseg.scenes.columns.USUAL that are there.
    """

    root: str
    classes: Classes
    keep: tuple[str, ...] | None = None

    def scenes(self) -> list[str]:
        found = [p for p in _scenes(self.root) if not any(part.startswith(".") for part in p.parts)]
        if not found:
            raise InputError(f"{self.root}: no <split>/<scene>/coord.npy here; give the folder of the splits")
        return sorted("/".join(p.parts[-2:]) for p in found)

    def remarks(self) -> list[Defect]:
        """Report links to nowhere, folders that are not complete scenes, and scenes at another depth."""
        files, defects = list_files(self.root)
        parts = [path.relative_to(self.root).parts for path in files]
        for folder in sorted({Path(self.root, *p[:2]) for p in parts if len(p) == 3}):
            if fault := broken_scene(folder):
                defects.append(Defect(str(folder), None, fault, "not used"))
        elsewhere = sorted("/".join(p[:-1]) for p in parts if p[-1] == "coord.npy" and len(p) != 3)
        if elsewhere:
            found = f"{len(elsewhere)} folders with coord.npy, {elsewhere[0] or '.'} first, are not at <split>/<scene>"
            defects.append(Defect(self.root, None, found, "not used"))
        return defects

    def sources(self, name: str) -> list[Path]:
        return [Path(self.root) / name]

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        folder = Path(self.root) / name
        there = list_columns(folder)
        if self.keep is None:
            kept = [name for name in there if name in USUAL]
        else:
            kept = list(kept_columns(str(folder), {name: np.empty(0) for name in there}, self.keep))
        scene = read_scene(folder, self.classes, with_labels=True, columns=kept)
        if len(scene) < 2:
            raise InputError(f"{folder}: {len(scene)} point; a scene needs at least 2, remove it")
        used = {"coord", *KINDS, *kept, Path(scene.labels_from).stem}
        scene = replace(scene, unused=tuple(sorted({path.stem for path in folder.glob("*.npy")} - used)))
        far = strays(scene.coord)
        return scene, frame_defects(str(folder), scene.coord, np.arange(len(scene)), far, scene.precision)


def is_pointcept(root: str) -> bool:
    """Return whether ``root`` holds scene folders."""
    return bool(_scenes(root))


def open_pointcept(root: str, classes: Classes | None = None, keep: Sequence[str] | None = None) -> PointceptReader:
    """Return a reader with ``classes``, or with those found in our dataset.json, else of S3DIS areas or ScanNet's
    segment20.
    """
    if not Path(root).is_dir():
        raise InputError(f"{root}: no such folder; give the folder of the splits")
    if classes is None and (Path(root) / "dataset.json").is_file():
        classes = read_classes(root)
    if classes is None and any(Path(root).glob("*/*/segment20.npy")):
        classes = SCANNET20
    if classes is None and any(Path(root).glob("Area_*/*/coord.npy")):
        classes = S3DIS
    if classes is None:
        raise InputError(f"{root}: its classes are unknown; write classes=s3dis, scannet20 or a classes.yaml")
    return PointceptReader(root, classes, None if keep is None else tuple(keep))


def _scenes(root: str) -> list[Path]:
    return [p.parent.relative_to(root) for p in Path(root).glob("*/*/coord.npy")]
