"""Hold a label budget: the points of each scene whose class training may know, in one file that is drawn once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pcseg.budgets.label_file import describe, read_labels, write_labels
from pcseg.budgets.reading import check_origin, reading, rule_text
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.scenes.scene import Scene


@dataclass(frozen=True)
class WeakLabels:
    """The labels of a data set.

    A label is an index into ``classes``. ``rule``, ``parameters`` and ``seed`` (None where nothing was drawn) say
    where the labels come from: a rule of tools/draw_labels.py, or "pseudo" for labels that a network guessed, with the
    hashes of their sources among the parameters. Raises InputError if a scene is listed twice, if a label is no class,
    or if only some scenes have weights.
    """

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
        if len({scene.weight is None for scene in self.scenes}) > 1:
            raise InputError("labels: some scenes have weights and some have none; give weights to all or to none")

    @property
    def count(self) -> int:
        """Number of labeled points: those that carry a class."""
        return sum(scene.count for scene in self.scenes)

    @property
    def spent(self) -> int:
        """Number of points the budget was spent on, those without a class included."""
        return sum(len(scene.index) for scene in self.scenes)

    @property
    def points(self) -> int:
        """Number of points of all scenes, labeled or not."""
        return sum(scene.points for scene in self.scenes)

    @property
    def fraction(self) -> float:
        """Labeled points over all points."""
        return self.count / max(1, self.points)

    @property
    def at_random(self) -> bool:
        """Whether the labeled points are a fair sample of their scenes, by the rule that drew them."""
        return self.rule in ("uniform", "per_class", "points")

    def shares(self, scene_names: Sequence[str], classes: Classes) -> np.ndarray | None:
        """Return the shares (K,) of the classes among all points of some scenes, as their labels tell them.

        In the order of ``classes``. None unless labels were drawn each class as often as there is of it.
        """
        if self.rule not in ("uniform", "points"):
            return None
        counts = self.counts(scene_names, classes).astype(np.float64)
        if not counts.any():
            return None
        scenes = [self._of(name) for name in scene_names]
        each = np.array([scene.points / max(1, len(scene.index)) for scene in scenes])  # points that a label stands for
        found: np.ndarray = each @ counts / (each @ counts).sum()
        return found

    @cached_property
    def sha256(self) -> str:
        """Hash of the content: the same labels give the same hash, wherever and whenever they were drawn."""
        digest = hashlib.sha256(self._meta().encode())
        for scene in self.scenes:
            digest.update(scene.index.astype("<i8").tobytes() + scene.label.astype("<i2").tobytes())
            if scene.weight is not None:
                digest.update(scene.weight.astype("<f2").tobytes())
        return digest.hexdigest()

    def __contains__(self, scene_name: str) -> bool:
        """Return whether the budget covers a scene, with or without labeled points."""
        return scene_name in self._by_name

    def labeled(self, scene_names: Sequence[str]) -> np.ndarray:
        """Return (S,) bool: True for each scene that has a labeled point; raises InputError for a scene not covered."""
        return np.array([self._of(name).count > 0 for name in scene_names], dtype=bool)

    def labels(self, scene: Scene, only: Sequence[str] | None = None) -> np.ndarray:
        """Return the labels (P,) int64 of ``scene`` in the order of ``scene.classes``, IGNORE where unknown.

        ``only``: names of the classes to give, for stages that see some of them; labels of all others become IGNORE,
        and ``scene.classes`` may lack classes of the file. Without it the file and ``scene.classes`` must have the
        same classes. Raises InputError for a scene the file does not cover, another cloud under the same name, or
        other classes.
        """
        labels = np.full(len(scene), IGNORE, dtype=np.int64)
        entry = self._of_cloud(scene)
        labels[entry.index] = self._table(Classes(scene.classes), only)[entry.label]
        return labels

    def given(self, scene: Scene) -> np.ndarray:
        """Return the labels (P,) int64 of ``scene`` as ``labels`` does, without those of a weight below 1: guesses."""
        weights = self.weights(scene)
        return self.labels(scene) if weights is None else np.where(weights == 1, self.labels(scene), IGNORE)

    def weights(self, scene: Scene) -> np.ndarray | None:
        """Return the weight (P,) float32 in [0, 1] of the labels of ``scene``, 0 where none; None without weights.

        Raises InputError for a scene the file does not cover or another cloud under the same name.
        """
        entry = self._of_cloud(scene)
        if entry.weight is None:
            return None
        weights = np.zeros(len(scene), dtype=np.float32)
        weights[entry.index] = np.where(entry.label == IGNORE, 0, entry.weight)
        return weights

    def classes_of(self, scene_name: str) -> set[int]:
        """Return the labels present in a scene, in the order of the file's own ``classes``."""
        return set(self._of(scene_name).label.tolist()) - {IGNORE}

    def counts(self, scene_names: Sequence[str], classes: Classes, only: Sequence[str] | None = None) -> np.ndarray:
        """Return the labeled points (S, K) int64 of each scene and class, in the order of ``classes``.

        ``only`` and errors as in ``labels``.
        """
        table = self._table(classes, only)
        labels = [table[self._of(name).label] for name in scene_names]
        counts = [np.bincount(known[known != IGNORE], minlength=len(classes)) for known in labels]
        return np.array(counts, dtype=np.int64).reshape(len(labels), len(classes))

    def summary(self) -> str:
        """Return the text a run prints at its start: how many labels of which classes, their rule and hash."""
        per_class = self.counts([scene.name for scene in self.scenes], Classes(self.classes)).sum(axis=0)
        empty = [scene.name for scene in self.scenes if scene.count == 0]
        missing = [name for name, n in zip(self.classes, per_class, strict=True) if n == 0]
        lost = self.spent - self.count
        weights = [scene.weight for scene in self.scenes if scene.weight is not None]
        lines = [
            f"labels: {self.count:,} of {self.points:,} points ({100 * self.fraction:.4g} %) "
            f"in {len(self.scenes)} scenes" + (f"; {lost:,} more were spent on points without a class" if lost else ""),
            f"  rule: {rule_text(self.rule, self.parameters, self.seed)}",
            f"  sha256: {self.sha256}",
            f"  per class: {', '.join(f'{name} {n:,}' for name, n in zip(self.classes, per_class, strict=True) if n)}",
        ]
        if self.spent and weights:
            lines.append(f"  mean weight: {np.concatenate(weights).mean(dtype=np.float64):.3f}")
        if missing:
            lines.append(f"  classes without any label: {', '.join(missing)}")
        if empty:
            more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
            lines.append(f"  scenes without any label: {len(empty)} ({', '.join(empty[:5])}{more})")
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one .npz file, atomically; it is read back before it takes its name."""
        write_labels(path, self._meta(), self.sha256, self.scenes, check=self.load)

    @classmethod
    def none(cls, scenes: Iterable[Scene], classes: Classes) -> WeakLabels:
        """Return the budget of ``scenes`` without a single labeled point: nothing but the clouds is known."""
        nothing = np.zeros(0, dtype=np.int64)
        entries = [SceneLabels(scene.name, len(scene), scene.digest(), nothing, nothing) for scene in scenes]
        return cls(classes.names, "none", {}, None, tuple(entries))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> WeakLabels:
        """Read a file that ``save`` wrote; raises InputError if it is missing, damaged, changed or something else."""
        with reading(path, "label"):
            meta, scenes, sha256 = read_labels(path)
            check_origin(meta["rule"], meta["parameters"], meta["seed"])
            classes = Classes(tuple(meta["classes"])).names
            loaded = cls(classes, meta["rule"], meta["parameters"], meta["seed"], scenes)
            if loaded.sha256 != sha256:
                raise InputError(f"{path}: its content does not match its hash; copy or draw it again")
        return loaded

    def _meta(self) -> str:
        about = {"classes": list(self.classes), "rule": self.rule, "parameters": self.parameters, "seed": self.seed}
        return describe(about, self.scenes)

    def _of(self, name: str) -> SceneLabels:
        if name not in self._by_name:
            raise InputError(f"{name}: the label file does not cover this scene; draw labels for its split too")
        return self._by_name[name]

    def _of_cloud(self, scene: Scene) -> SceneLabels:
        """Return the entry of ``scene``; raises InputError if it is of another cloud."""
        entry = self._of(scene.name)
        if entry.points != len(scene) or entry.sha256 != scene.digest():
            raise InputError(
                f"{scene.name}: these labels belong to another cloud ({entry.points} points there, {len(scene)} here, "
                "coordinates differ); draw them again with tools/draw_labels.py"
            )
        return entry

    def _table(self, classes: Classes, only: Sequence[str] | None) -> np.ndarray:
        """Return the table from labels of this file, and IGNORE (its last entry), to labels of ``classes``."""
        here, there = set(self.classes), set(classes.names)
        if only is None and here != there:
            differing = ", ".join(sorted(here ^ there))
            raise InputError(
                f"labels: the label file and the data differ in the classes {differing}; draw the labels again"
            )
        kept = here if only is None else set(only)
        if unknown := kept - (here & there):
            raise InputError(
                f"labels: only={', '.join(only or ())}: no class {', '.join(sorted(unknown))} in both the label file "
                "and the data; correct the name"
            )
        return np.array([classes.index(name) if name in kept else IGNORE for name in self.classes] + [IGNORE])
