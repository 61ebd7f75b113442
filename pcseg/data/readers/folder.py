"""A user's own scans: a folder of point files in any format, and a classes.yaml that says what their labels mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from pcseg.data.readers.class_file import USUAL_LABELS, ClassFile, read_class_file
from pcseg.data.readers.cloud import Cloud, to_scene
from pcseg.data.readers.contract import Defect
from pcseg.data.readers.files import FORMATS, read_cloud
from pcseg.data.scene import Scene
from pcseg.errors import InputError
from pcseg.labels import Classes


@dataclass(frozen=True)
class FolderReader:
    """Each point file below ``root`` is a scene.

    ``root/<split>/<file>`` becomes ``<split>/<file>``; files deeper down get their folders' names before their own; files
    in ``root`` itself go to ``train``.
    """

    root: str
    meaning: ClassFile

    @property
    def classes(self) -> Classes:
        return self.meaning.classes

    def scenes(self) -> list[str]:
        return sorted(self._files)

    def remarks(self) -> list[Defect]:
        return []

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        path = self._files[name]
        cloud = read_cloud(path, self.meaning.columns)
        labels: dict[str, np.ndarray] = {}
        defects = []
        key = _find(cloud, (self.meaning.label,) if self.meaning.label else USUAL_LABELS)
        if key:
            labels["segment"] = self.meaning.segment(cloud.fields[key], f"{path} ({key})")
        elif self.meaning.label:
            raise _absent(path, cloud, "label", self.meaning.label)
        else:
            found = f"none of its columns ({_listed(cloud)}) is known to hold labels"
            remedy = f"name the column under {'label' if cloud.named else 'columns'}: in classes.yaml"
            defects.append(Defect(str(path), None, found, f"unlabelled; {remedy}"))
        if self.meaning.instance:
            labels["instance"] = _instance(cloud, self.meaning.instance, path)
        if self.meaning.scale != 1:
            cloud = replace(cloud, coord=cloud.coord * self.meaning.scale)
        scene, dropped = to_scene(name, str(path), cloud, labels, self.classes.names)
        return scene, defects + dropped

    @cached_property
    def _files(self) -> dict[str, Path]:
        if not Path(self.root).is_dir():
            raise InputError(f"{self.root}: no such folder; give the one that holds the scans")
        found: dict[str, Path] = {}
        for path in sorted(Path(self.root).rglob("*")):
            parts = path.relative_to(self.root).parts
            if path.suffix.lower() not in FORMATS or any(p.startswith(".") for p in parts) or not path.is_file():
                continue
            split, rest = (parts[0], parts[1:-1]) if len(parts) > 1 else ("train", ())
            name = f"{split}/{'_'.join((*rest, path.stem))}"
            if name in found:
                raise InputError(f"{path}: its scene would have the same name as that of {found[name]}; rename one")
            found[name] = path
        if not found:
            raise InputError(f"{self.root}: no point file here; put files of {', '.join(FORMATS)} in it")
        return found


def open_folder(root: str, classes: str = "") -> FolderReader:
    """A reader for ``root`` with the classes.yaml in it, or with that at ``classes``."""
    path = Path(classes) if classes else Path(root) / "classes.yaml"
    if not Path(root).is_dir():
        raise InputError(f"{root}: no such folder; give the one that holds the scans")
    return FolderReader(root, read_class_file(path))


def _find(cloud: Cloud, names: tuple[str, ...]) -> str | None:
    lower = {name.lower(): name for name in cloud.fields}
    return next((lower[name.lower()] for name in names if name.lower() in lower), None)


def _instance(cloud: Cloud, name: str, path: Path) -> np.ndarray:
    key = _find(cloud, (name,))
    if key is None:
        raise _absent(path, cloud, "instance", name)
    return np.nan_to_num(cloud.fields[key].astype(np.float64), nan=-1).astype(np.int64)


def _absent(path: Path, cloud: Cloud, key: str, name: str) -> InputError:
    if cloud.named:
        return InputError(f"{path}: no '{name}' in it, only {_listed(cloud)}; fix {key}: in classes.yaml")
    return InputError(
        f"{path}: its columns have no names, so which is '{name}' ({key}: in classes.yaml) is not known; write a first line "
        f"of names, or name all columns under columns: in classes.yaml, e.g. [x, y, z, {name}]"
    )


def _listed(cloud: Cloud) -> str:
    return ", ".join(cloud.fields) or "coordinates and colours"
