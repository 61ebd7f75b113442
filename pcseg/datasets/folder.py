"""A user's own scans: a folder of point files in any format, and a classes.yaml that says what their labels mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from pcseg.classes import Classes
from pcseg.datasets.class_file import ClassFile, read_class_file
from pcseg.datasets.cloud_scene import to_scene
from pcseg.datasets.listing import list_files, not_used, scenes_by_name
from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.columns import USUAL_LABELS
from pcseg.formats.defects import Defect
from pcseg.formats.files import FORMATS, read_cloud
from pcseg.formats.sidecars import kitti_labels, semantic3d_labels
from pcseg.scenes.columns import column_name, kept_columns
from pcseg.scenes.scene import Scene

SIDECARS = {".labels": FORMATS, ".label": FORMATS, ".prj": (), ".lax": ()}
"""Endings of files that belong to a scan: those with labels to one of the same name and of these formats."""


@dataclass(frozen=True)
class FolderReader:
    """Each point file below ``root`` is a scene.

    ``root/<split>/<file>`` becomes ``<split>/<file>``; files deeper down get their folders' names before their own;
    files in ``root`` itself go to ``train``. Links are followed.
    """

    root: str
    meaning: ClassFile

    @property
    def classes(self) -> Classes:
        return self.meaning.classes

    def scenes(self) -> list[str]:
        if not self._files:
            more = "".join(f" ({defect.found})" for defect in self.remarks()[:1])
            raise InputError(f"{self.root}: no point file here{more}; put files of {', '.join(FORMATS)} in it")
        return sorted(self._files)

    def remarks(self) -> list[Defect]:
        """Links that lead nowhere, files that are not read, splits without a scene."""
        files, defects = self._listed
        scans = {path.stem for path in self._files.values()}
        others = [path for path in files if not self._is_scan(path) and not _belongs(path, scans)]
        defects = defects + not_used(self.root, others, FORMATS)
        splits = {name.partition("/")[0] for name in self._files}
        folders = [p for p in sorted(Path(self.root).iterdir()) if p.is_dir() and not p.name.startswith(".")]
        empty = [folder for folder in folders if folder.name not in splits]
        return defects + [
            Defect(str(folder), None, "no point file in it", "no scene of this split") for folder in empty
        ]

    def sources(self, name: str) -> list[Path]:
        path = self._files[name]
        return [path, *filter(None, (semantic3d_labels(path), kitti_labels(path)))]

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        path = self._files[name]
        cloud = read_cloud(path, self.meaning.columns)
        attributes: dict[str, np.ndarray] = {}
        defects = []
        keys = _find(cloud, (self.meaning.label,) if self.meaning.label else USUAL_LABELS)
        if keys:
            attributes["segment"] = self.meaning.segment(cloud.fields[keys[0]], f"{path} ({keys[0]})")
            defects += _passed_over(cloud, keys, path)
        elif self.meaning.label:
            raise _absent(path, cloud, "label", self.meaning.label)
        else:
            found = f"none of its columns ({_listed(cloud)}) is known to hold labels"
            remedy = f"name the column under {'label' if cloud.named else 'columns'}: in classes.yaml"
            defects.append(Defect(str(path), None, found, f"unlabeled; {remedy}"))
        taken = keys[:1]
        if self.meaning.instance:
            attributes["instance"] = _instance(cloud, self.meaning.instance, path)
            taken += _find(cloud, (self.meaning.instance,))
        kept = kept_columns(str(path), cloud.fields, self.meaning.keep, taken)
        if self.meaning.scale != 1:
            cloud = replace(cloud, coord=cloud.coord * self.meaning.scale)
        scene, dropped = to_scene(name, str(path), cloud, {**attributes, **kept}, self.classes.names)
        left = tuple(sorted(key for key in cloud.fields if key not in taken and column_name(key) not in kept))
        return replace(scene, labels_from=keys[0] if keys else "", unused=left), defects + dropped

    @cached_property
    def _listed(self) -> tuple[list[Path], list[Defect]]:
        if not Path(self.root).is_dir():
            raise InputError(f"{self.root}: no such folder; give the one that holds the scans")
        return list_files(self.root)

    def _is_scan(self, path: Path) -> bool:
        hidden = any(part.startswith(".") for part in path.relative_to(self.root).parts)
        return path.suffix.lower() in FORMATS and not hidden and path.is_file()

    @cached_property
    def _files(self) -> dict[str, Path]:
        return scenes_by_name(Path(self.root), filter(self._is_scan, self._listed[0]))


def open_folder(root: str, classes: str = "", keep: Sequence[str] | None = None) -> FolderReader:
    """Return a reader for ``root`` with the classes.yaml there or at ``classes``; ``keep`` replaces its own."""
    path = Path(classes) if classes else Path(root) / "classes.yaml"
    if not Path(root).is_dir():
        raise InputError(f"{root}: no such folder; give the one that holds the scans")
    meaning = read_class_file(path)
    return FolderReader(root, meaning if keep is None else replace(meaning, keep=tuple(keep)))


def _belongs(path: Path, scans: set[str]) -> bool:
    """Is ``path`` the class file, or does it belong to one of the ``scans`` (names without endings)?"""
    if path.name == "classes.yaml":
        return True
    ending = path.suffix.lower()
    return ending in SIDECARS and (not SIDECARS[ending] or path.stem in scans)


def _find(cloud: Cloud, names: tuple[str, ...]) -> list[str]:
    """Return the columns of these names, in the order of ``names``: written exactly so, else in other case."""
    lower = {name.lower(): name for name in cloud.fields}
    found = [name if name in cloud.fields else lower.get(name.lower(), "") for name in names]
    return [name for name in found if name]


def _passed_over(cloud: Cloud, keys: list[str], path: Path) -> list[Defect]:
    """Return a report on the columns besides the first of ``keys`` that may be labels, too, and differ from it."""
    first = cloud.fields[keys[0]]
    others = [key for key in keys[1:] if np.ptp(cloud.fields[key]) and not np.array_equal(cloud.fields[key], first)]
    if not others:
        return []
    found = f"{', '.join([keys[0], *others])} may all be labels"
    return [
        Defect(str(path), None, found, f"{keys[0]} was taken; to take another, name it under label: in classes.yaml")
    ]


def _instance(cloud: Cloud, name: str, path: Path) -> np.ndarray:
    keys = _find(cloud, (name,))
    if not keys:
        raise _absent(path, cloud, "instance", name)
    values = cloud.fields[keys[0]]
    values = np.where(np.isnan(values), -1, values) if values.dtype.kind == "f" else values
    wrong = (values != np.round(values)) | ~(np.abs(values.astype(np.float64)) < 2.0**63)
    if wrong.any():
        first = int(wrong.argmax())
        raise InputError(
            f"{path}: {keys[0]} is {values[first]:g} at point {first}, no whole number; fix instance: in classes.yaml"
        )
    return values.astype(np.int64)


def _absent(path: Path, cloud: Cloud, key: str, name: str) -> InputError:
    if cloud.named:
        return InputError(f"{path}: no '{name}' in it, only {_listed(cloud)}; fix {key}: in classes.yaml")
    return InputError(
        f"{path}: its columns have no names, so which is '{name}' ({key}: in classes.yaml) is unknown; write a first "
        f"line of names, or name all columns under columns: in classes.yaml, e.g. [x, y, z, {name}]"
    )


def _listed(cloud: Cloud) -> str:
    return ", ".join(cloud.fields) or "coordinates and colors"
