"""A label budget: which points of which scenes may be known in training, in one file that is drawn once."""

from __future__ import annotations

import hashlib
import json
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.archives import read_npz
from pcseg.classes import IGNORE, Classes, translation
from pcseg.errors import InputError, reason
from pcseg.files import atomic_path, parse_json
from pcseg.scenes.scene import Scene

FORMAT = 1
"""Number of the file layout written here; a file of another layout is refused."""


@dataclass(frozen=True)
class SceneLabels:
    """The labels of one scene: ``index`` (n,) int64 ascending, of points; ``label`` (n,) int16, their classes.

    A label is IGNORE where the budget was spent on a point that has no class (as some of ScanNet's official points):
    it counts as spent and teaches nothing. ``points`` is the size of the cloud and ``sha256`` its Scene.digest().
    """

    name: str
    points: int
    sha256: str
    index: np.ndarray
    label: np.ndarray

    def __post_init__(self) -> None:
        if len(self.index) != len(self.label):
            raise InputError(f"labels of {self.name}: {len(self.index)} indices but {len(self.label)} labels")
        for values in (self.index, self.label):
            if np.ndim(values) != 1 or np.asarray(values).dtype.kind not in "iu":
                raise InputError(f"labels of {self.name}: indices and labels must be lists of whole numbers")
        if len(self.label) and not IGNORE <= np.min(self.label) <= np.max(self.label) <= np.iinfo(np.int16).max:
            raise InputError(f"labels of {self.name}: a label is below {IGNORE} or beyond 16 bits")
        order = np.argsort(self.index, kind="stable")
        object.__setattr__(self, "index", np.asarray(self.index, dtype=np.int64)[order])
        object.__setattr__(self, "label", np.asarray(self.label, dtype=np.int16)[order])
        differ = bool((np.diff(self.index) > 0).all())
        if not differ or (len(self.index) and not 0 <= self.index[0] <= self.index[-1] < self.points):
            raise InputError(f"labels of {self.name}: indices must differ and lie in 0 to {self.points - 1}")

    @property
    def count(self) -> int:
        """Points that carry a class."""
        return int((self.label != IGNORE).sum())


@dataclass(frozen=True)
class WeakLabels:
    """The labels of a whole data set. ``classes`` says what they number; ``rule``, ``parameters`` and ``seed`` (None
    where nothing was drawn) how they came about."""

    classes: tuple[str, ...]
    rule: str
    parameters: dict[str, Any]
    seed: int | None
    scenes: tuple[SceneLabels, ...]
    _by_name: dict[str, SceneLabels] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {scene.name: scene for scene in self.scenes})
        if len(self._by_name) != len(self.scenes):
            raise InputError("labels: a scene is listed twice; list each scene once")
        for scene in self.scenes:
            if ((scene.label < IGNORE) | (scene.label >= len(self.classes))).any():
                raise InputError(f"labels of {scene.name}: a label is not among the {len(self.classes)} classes")

    @property
    def count(self) -> int:
        """Labeled points: those that carry a class."""
        return sum(scene.count for scene in self.scenes)

    @property
    def spent(self) -> int:
        """Points the budget was spent on, those without a class included."""
        return sum(len(scene.index) for scene in self.scenes)

    @property
    def points(self) -> int:
        """Points of all scenes, known or not."""
        return sum(scene.points for scene in self.scenes)

    @property
    def fraction(self) -> float:
        """Labeled points over all points."""
        return self.count / max(1, self.points)

    @cached_property
    def sha256(self) -> str:
        """Hash of the content: the same labels give the same hash, wherever and whenever they were drawn."""
        digest = hashlib.sha256(self._meta().encode())
        for scene in self.scenes:
            digest.update(scene.index.astype("<i8").tobytes() + scene.label.astype("<i2").tobytes())
        return digest.hexdigest()

    def __contains__(self, scene_name: str) -> bool:
        """Whether the budget covers a scene, be it with no point at all."""
        return scene_name in self._by_name

    def labels(self, scene: Scene) -> np.ndarray:
        """Labels (P,) int64 of ``scene`` in the order of ``scene.classes``, IGNORE where unknown.

        Raises InputError for a scene the file does not cover, another cloud under the same name, or other classes.
        """
        entry = self._of(scene.name)
        if entry.points != len(scene) or entry.sha256 != scene.digest():
            raise InputError(
                f"{scene.name}: these labels belong to another cloud ({entry.points} points there, {len(scene)} here, "
                "coordinates differ); draw them again with tools/draw_labels.py"
            )
        labels = np.full(len(scene), IGNORE, dtype=np.int64)
        labels[entry.index] = self._table(Classes(scene.classes))[entry.label]
        return labels

    def classes_of(self, scene_name: str) -> set[int]:
        """Labels present in a scene, in the order of the file's own ``classes``."""
        return set(self._of(scene_name).label.tolist()) - {IGNORE}

    def counts(self, scene_names: Sequence[str], classes: Classes) -> np.ndarray:
        """Labeled points (S, K) int64 of each scene and class, in the order of ``classes``: what samplers go by."""
        table = self._table(classes)
        labels = [table[self._of(name).label] for name in scene_names]
        counts = [np.bincount(known[known != IGNORE], minlength=len(classes)) for known in labels]
        return np.array(counts, dtype=np.int64).reshape(len(labels), len(classes))

    def summary(self) -> str:
        """What a run prints at its start: how many labels, of what, and the hash that identifies them."""
        per_class = self.counts([scene.name for scene in self.scenes], Classes(self.classes)).sum(axis=0)
        empty = [scene.name for scene in self.scenes if scene.count == 0]
        missing = [name for name, n in zip(self.classes, per_class, strict=True) if n == 0]
        how = [self.rule, *(f"{k}={v}" for k, v in sorted(self.parameters.items()))]
        how += [] if self.seed is None else [f"seed={self.seed}"]
        lost = self.spent - self.count
        lines = [
            f"labels: {self.count:,} of {self.points:,} points ({100 * self.fraction:.4g} %) in {len(self.scenes)} scenes"
            + (f"; {lost:,} more were spent on points without a class" if lost else ""),
            f"  rule: {', '.join(how)}",
            f"  sha256: {self.sha256}",
            f"  a class: {', '.join(f'{name} {n:,}' for name, n in zip(self.classes, per_class, strict=True) if n)}",
        ]
        if missing:
            lines.append(f"  classes without any label: {', '.join(missing)}")
        if empty:
            more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
            lines.append(f"  scenes without any label: {len(empty)} ({', '.join(empty[:5])}{more})")
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one .npz file, atomically; it is read back before it takes its name."""
        arrays = {
            "meta": np.frombuffer(self._meta().encode(), dtype=np.uint8),
            "sha256": np.frombuffer(self.sha256.encode(), dtype=np.uint8),
            "length": np.array([len(scene.index) for scene in self.scenes], dtype=np.int64),
            "index": np.concatenate([np.zeros(0, np.int64), *(scene.index for scene in self.scenes)]),
            "label": np.concatenate([np.zeros(0, np.int16), *(scene.label for scene in self.scenes)]),
        }
        with atomic_path(path, check=self.load) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> WeakLabels:
        """Read a file that ``save`` wrote; raises InputError where it is absent, damaged, changed or something else."""
        if not Path(path).is_file():
            raise InputError(f"{path}: no such label file; make it with tools/draw_labels.py")
        wrong = f"{path}: not a readable label file"
        arrays, _ = read_npz(path)
        lacking = {"meta", "sha256", "length", "index", "label"} - arrays.keys()
        if lacking:
            raise InputError(f"{wrong} (no array {min(lacking)} in it); copy or draw it again")
        try:
            meta = parse_json(arrays["meta"].tobytes().decode(), f"{wrong}: its description")
            if meta["format"] != FORMAT:
                raise InputError(f"{path}: is of format {meta['format']}, this is {FORMAT}; draw the labels again")
            counts = [operator.index(count) for count in arrays["length"]]
            if min(counts, default=0) < 0 or not sum(counts) == len(arrays["index"]) == len(arrays["label"]):
                raise InputError(f"{wrong} (its arrays differ in length); copy or draw it again")
            ends = np.cumsum(counts, dtype=np.int64)[:-1]
            parts = zip(meta["scenes"], np.split(arrays["index"], ends), np.split(arrays["label"], ends), strict=True)
            scenes = tuple(_scene(about, index, label) for about, index, label in parts)
            classes, rule, seed = Classes(tuple(meta["classes"])).names, meta["rule"], meta["seed"]
            if not (isinstance(rule, str) and isinstance(meta["parameters"], dict) and isinstance(seed, int | None)):
                raise TypeError("rule, parameters or seed are of another type")
            loaded = cls(classes, rule, meta["parameters"], seed, scenes)
            intact = loaded.sha256 == arrays["sha256"].tobytes().decode()
        except InputError as error:
            told = str(error)
            raise InputError(told if told.startswith(str(path)) else f"{path}: {told}") from error
        except Exception as error:  # what is not as save writes it fails in several ways; all mean the same to the user
            raise InputError(f"{wrong} ({type(error).__name__}: {reason(error)}); copy or draw it again") from error
        if not intact:
            raise InputError(f"{path}: its content does not match its hash; copy or draw it again")
        return loaded

    def _meta(self) -> str:
        scenes = [{"name": s.name, "points": s.points, "sha256": s.sha256} for s in self.scenes]
        about = {"classes": list(self.classes), "rule": self.rule, "parameters": self.parameters, "seed": self.seed}
        return json.dumps({"format": FORMAT, **about, "scenes": scenes}, sort_keys=True)

    def _of(self, name: str) -> SceneLabels:
        if name not in self._by_name:
            raise InputError(f"{name}: the label file does not cover this scene; draw labels for its split too")
        return self._by_name[name]

    def _table(self, classes: Classes) -> np.ndarray:
        """Takes a label of this file, IGNORE included (the last entry), to the order of ``classes``."""
        here, there = set(self.classes), set(classes.names)
        if here != there:
            odd = ", ".join(sorted(here ^ there))
            raise InputError(f"labels: the label file and the data differ in the classes {odd}; draw the labels again")
        return np.append(translation(self.classes, classes), IGNORE)


def _scene(about: Any, index: np.ndarray, label: np.ndarray) -> SceneLabels:
    """The labels of a scene, of which a file says ``about``; TypeError or KeyError where that is of another kind."""
    name, points, sha256 = about["name"], about["points"], about["sha256"]
    if not (isinstance(name, str) and isinstance(sha256, str) and operator.index(points) >= 0):
        raise TypeError("a scene's name, points or hash is of another kind")
    return SceneLabels(name, points, sha256, index, label)
