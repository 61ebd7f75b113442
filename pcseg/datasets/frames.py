"""Read the frames of exported ScanNet scenes, or of the simulated building, as pictures.

Layout: ``<scene>/color/<i>.jpg`` and ``<scene>/label/<i>.png`` (or ``label-filt``), with ``label/classes.json`` naming
the numbers or, in ScanNet, its table of raw categories in the folder of the scenes (Dai et al., ScanNet, CVPR 2017).
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pcseg.classes import SCANNET20, Classes
from pcseg.datasets.frame_labels import TABLE, label_table, read_number_names, read_raw_ids, usual_classes
from pcseg.datasets.pairs import Pair, alone, by_name, is_picture, pair_up
from pcseg.datasets.picture_scene import MaskMeaning, read_pair
from pcseg.datasets.split_lists import read_lists
from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.scenes.scene import Scene

LABELS = ("label", "label-filt")
"""Folders of label frames; the first that is there is used."""

_SPLITS = {"scans": "train", "scans_test": "test"}


@dataclass(frozen=True)
class FramesReader:
    """Reads the scenes at ``root/<area>/<scene>`` or ``root/<scene>``; frame i is ``<split>/<scene>_<i>``.

    The split is the area (of ScanNet's scans and scans_test, train and test), train for scenes in ``root`` itself.
    ``lists``: a folder of lists, each ``<split>.txt`` or ``scannetv2_<split>.txt`` with a line ``scene`` or
    ``area/scene`` a scene; areas then stand before the scene's name, and frames of other scenes are left out.
    """

    root: str
    classes: Classes
    lists: str = ""

    def scenes(self) -> list[str]:
        if not self._pairs:
            raise InputError(f"{self.root}: no <scene>/color/<i>.jpg here; give the folder of the areas or scenes")
        return list(self._pairs)

    def remarks(self) -> list[Defect]:
        """Report scenes that are missing on disk or in the lists, class names that are not among the classes, and
        frames or label frames that are alone.
        """
        found = self._foreign()
        here = {name for scene in self._scenes for name in _names(self.root, scene)}
        for split, names in self._lists.items():
            absent = sorted(set(names) - here)
            if absent:
                text = (
                    f"{split}: {len(absent)} of the {len(names)} listed scenes have no frames here, {absent[0]} first"
                )
                found.append(Defect(self.root, None, text, "prepared without them"))
        left = [scene for scene in self._scenes if not self._splits(scene)]
        if left:
            text = f"{len(left)} scenes are in none of the lists, {left[0].name} first"
            found.append(Defect(self.root, None, text, "not used"))
        return found + alone(self.root, self._pairs, self._masks)

    def sources(self, name: str) -> list[Path]:
        pair, root = self._pairs[name], Path(self.root)
        named = [] if pair.mask is None else [pair.mask.parent / "classes.json", root / "classes.json", root / TABLE]
        return pair.files + named

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        pair = self._pairs[name]
        if pair.mask is None:
            return read_pair(name, pair, MaskMeaning(self.classes.names, {}, ""))
        source, names = _names_of(Path(self.root), pair.mask.parent)
        meaning = MaskMeaning(self.classes.names, label_table(names, self.classes)[0], f"add it to {source}")
        return read_pair(name, pair, meaning, f"{pair.mask.parent.name}, named by {source.name}")

    def _foreign(self) -> list[Defect]:
        """Report the names in classes.json files that are not among the classes, each once."""
        sources: dict[str, list[Path]] = defaultdict(list)
        for source in sorted({*Path(self.root).glob("classes.json"), *self._class_files()}):
            with suppress(InputError):  # which reading its frames tells
                for name in label_table(read_number_names(source), self.classes)[1]:
                    sources[name].append(source)
        return [
            Defect(str(files[0]), None, f"'{name}' is none of the classes (in {len(files)} such files)", "unlabeled")
            for name, files in sorted(sources.items())
        ]

    def _class_files(self) -> list[Path]:
        files = [_label_folder(scene) / "classes.json" for scene in self._scenes]
        return [file for file in files if file.is_file()]

    @cached_property
    def _scenes(self) -> list[Path]:
        return _scenes(self.root)

    @cached_property
    def _lists(self) -> dict[str, list[str]]:
        return read_lists(self.lists) if self.lists else {}

    def _splits(self, scene: Path) -> list[str]:
        if self.lists:
            return [split for split, names in self._lists.items() if set(names) & _names(self.root, scene)]
        above = scene.parent.name if scene.parent != Path(self.root) else "train"
        return [_SPLITS.get(above, above)]

    def _frames(self, kind: str) -> dict[str, Path]:
        """Return the frames of ``kind``, color or label, by the names of their scenes."""
        found = []
        for scene in self._scenes:
            name = scene.name
            if self.lists and scene.parent != Path(self.root) and scene.parent.name not in _SPLITS:
                name = f"{scene.parent.name}_{name}"
            folder = scene / kind if kind == "color" else _label_folder(scene)
            files = [path for path in sorted(folder.glob("*")) if is_picture(path)]
            found += [(f"{split}/{name}_{path.stem}", path) for split in self._splits(scene) for path in files]
        return by_name(found)

    @cached_property
    def _masks(self) -> dict[str, Path]:
        return self._frames("label")

    @cached_property
    def _pairs(self) -> dict[str, Pair]:
        return pair_up(self._frames("color"), self._masks)


def open_frames(root: str, classes: Classes | None = None, lists: str = "") -> FramesReader:
    """Return a reader with ``classes``, or those of the first scene's classes.json, else ScanNet's 20.

    Raises InputError where nothing says what the numbers in label frames mean.
    """
    labeled = [folder for scene in _scenes(root) if (folder := _label_folder(scene)).is_dir()]
    if classes is None:
        source, names = _names_of(Path(root), labeled[0]) if labeled else (Path(TABLE), {})
        classes = SCANNET20 if source.name == TABLE else usual_classes(names)
    return FramesReader(root, classes, lists)


def is_frames(root: str) -> bool:
    """Return whether ``root`` holds scenes of color and label frames."""
    return any(_label_folder(scene).is_dir() for scene in _scenes(root))


def _scenes(root: str) -> list[Path]:
    found = [path.parent for depth in ("*", "*/*") for path in Path(root).glob(f"{depth}/color") if path.is_dir()]
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(root).parts))


def _names(root: str, scene: Path) -> set[str]:
    """Return the names by which a list may call ``scene``."""
    return {scene.name, "/".join(scene.relative_to(root).parts)}


def _label_folder(scene: Path) -> Path:
    return next((scene / name for name in LABELS if (scene / name).is_dir()), scene / LABELS[0])


def _names_of(root: Path, folder: Path) -> tuple[Path, dict[int, str]]:
    """Return the file that names the numbers of the label frames in ``folder``, and these names."""
    for path in (folder / "classes.json", root / "classes.json"):
        if path.is_file():
            return path, read_number_names(path)
    if (root / TABLE).is_file():
        return root / TABLE, read_raw_ids(root / TABLE)
    raise InputError(
        f"{folder}: nothing says what its numbers mean; write a classes.json there, or put {TABLE} into {root}"
    )
