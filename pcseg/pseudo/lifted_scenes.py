"""Scenes with lifted features: copies of scene folders that have further columns, of one basis for all of them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json, write_json
from pcseg.formats.frames import find_frames
from pcseg.pseudo.lifted_features import Basis, feature_maps, lift_features
from pcseg.pseudo.picture_features import PictureFeatures
from pcseg.pseudo.project import TOLERANCE
from pcseg.same_settings import check_same
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene, scene_classes

PICTURES = 4
"""Color pictures of a scene, evenly spaced in their order, that a basis is fitted on."""


@dataclass(frozen=True)
class FeatureLifting:
    """Writes copies of scenes with columns ``lifted_0``, ``lifted_1``, ...: ``components`` of ``features``.

    ``source``: which network ``features`` is, as JSON. ``every`` and ``tolerance`` as in :func:`lift_features`.
    """

    features: PictureFeatures
    source: Mapping[str, Any]
    components: int = 8
    every: int = 1
    tolerance: float = TOLERANCE

    def write(
        self, root: str | Path, splits: Sequence[str], frames: str | Path, output: str | Path, overwrite: bool = False
    ) -> list[float]:
        """Write the scenes of ``splits`` below ``root`` to ``output``; return the share of each that frames see.

        The frames of a scene are found below ``frames`` (:func:`pcseg.formats.frames.find_frames`); one without has
        zeros. Scenes that are there already stay, unless ``overwrite``. No label is read. Raises InputError where
        ``output`` overlaps ``root``, or holds scenes with columns of another kind.
        """
        root, frames, output = Path(root), Path(frames), Path(output)
        first, second = root.resolve(), output.resolve()
        if first == second or first in second.parents or second in first.parents:
            raise InputError(f"output={output}: overlaps root={root}; choose a folder outside")
        folders, shares = list_scenes(root, tuple(splits)), []
        basis = self._basis(output, folders, frames)
        if (root / "dataset.json").is_file():
            shutil.copyfile(root / "dataset.json", output / "dataset.json")
        for folder in tqdm(folders, desc="lift", unit="scene", leave=False):
            target = output / folder.parent.name / folder.name
            if target.exists() and not overwrite:
                continue
            scene = read_scene(folder, scene_classes(folder), with_labels=False)
            there = find_frames(frames, scene.name)
            found, views = np.zeros((len(scene), self.components), np.float32), np.zeros(len(scene), np.int32)
            if there is not None:
                place = scene.coord + scene.origin
                found, views = lift_features(place, there, self.features, basis, self.every, self.tolerance)
            copy_with_columns(folder, target, {f"lifted_{i}": found[:, i] for i in range(self.components)})
            shares.append(float((views > 0).mean()))
        return shares

    def _basis(self, output: Path, folders: Sequence[Path], frames: Path) -> Basis:
        """Return the basis kept in ``output``; without one that of the frames of these scenes, which it then keeps.

        So columns of scenes that come later, those held back too, mean the same.
        """
        path, note = output / "lifted.npz", output / "lifted.json"
        source = {**self.source, "components": self.components}
        if note.is_file() and path.is_file():
            check_same(note, read_json(note), source, "give another output")
            return Basis.load(path)
        found = [find_frames(frames, f"{folder.parent.name}/{folder.name}") for folder in folders]
        there = [each for each in found if each is not None]
        if not there:
            raise InputError(f"frames={frames}: no frames of {folders[0]} or another scene; give <split>/<scene>/pose")
        maps = (
            each
            for one in tqdm(there, desc="basis", unit="scene", leave=False)
            for each in feature_maps(one, self.features, max(1, len(one.names) // PICTURES))
        )
        basis = Basis.fit(maps, self.components)
        basis.save(path)
        write_json(note, source)
        return basis


def copy_with_columns(folder: Path, target: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Copy the scene in ``folder`` to ``target``, whole or not at all, with further ``columns`` (P,) by name.

    Files are copied unread, those of labels too; features computed before are left out.
    """
    with atomic_path(target) as temporary:
        shutil.copytree(folder, temporary, ignore=shutil.ignore_patterns("computed"))
        for name, values in columns.items():
            np.save(temporary / f"{name}.npy", values.astype(np.float32))
        note = temporary / "scene.json"
        if note.is_file():
            meta = read_json(note)
            write_json(note, {**meta, "columns": sorted({*meta.get("columns", []), *columns})})


def file_digest(path: str) -> str:
    """Return the SHA-256 of the file of a network; raises InputError where it cannot be read."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(2**20):
                found.update(block)
    except OSError as error:
        raise InputError(f"features={path}: cannot be read ({error.strerror}); give a file of weights") from error
    return found.hexdigest()
