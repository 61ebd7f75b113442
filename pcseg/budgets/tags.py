"""Hold tags: the classes known to be in each scene, or in balls around seed points (sub-clouds), in one file."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from pcseg.budgets.reading import check_origin, reading, rule_text
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json

FORMAT = 1
"""Number of the file layout written here; a file of another layout is refused."""


NO_BALLS = "tagged balls are parts of point clouds; tag whole pictures, or the parts that prepare.py crops=4 cuts out"


@dataclass(frozen=True)
class SceneTags:
    """The tags of one scene, in the order of Tags.classes.

    ``known`` (K,) bool: classes known to be in the scene, those of its sub-clouds included. Each of n sub-clouds is
    the part of the scene within ``radius`` (n,) meters of ``center`` (n, 3), in meters, in the frame of the raw scan;
    ``inside`` (n, K) bool: classes known to be in it. Raises InputError for arrays that do not fit.
    """

    name: str
    known: np.ndarray
    center: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    radius: np.ndarray = field(default_factory=lambda: np.zeros(0))
    inside: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))

    def __post_init__(self) -> None:
        n, k = len(self.radius), len(self.known)
        object.__setattr__(self, "center", np.asarray(self.center, dtype=np.float64).reshape(n, 3))
        object.__setattr__(self, "radius", np.asarray(self.radius, dtype=np.float64).reshape(n))
        object.__setattr__(self, "inside", np.asarray(self.inside, dtype=bool).reshape(n, k))
        object.__setattr__(self, "known", np.asarray(self.known, dtype=bool) | self.inside.any(axis=0))
        if not np.isfinite(self.center).all() or not ((self.radius > 0) & np.isfinite(self.radius)).all():
            raise InputError(f"tags of {self.name}: give finite centers, and radii above 0, in meters")

    def parts(self, coord: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the points (P,) bool of each sub-cloud, all where there is none, and the classes (K,) bool in it.

        ``coord`` (P, 3) in meters, as in the raw scan. Raises InputError for a sub-cloud without a point.
        """
        if not len(self.radius):
            yield np.ones(len(coord), dtype=bool), self.known
        for center, radius, inside in zip(self.center, self.radius, self.inside, strict=True):
            near = np.square(coord - center).sum(axis=1) <= radius**2
            if not near.any():
                place = ", ".join(f"{value:g}" for value in center)
                raise InputError(f"{self.name}: no point is in the tagged ball at {place}; correct the tag file")
            yield near, inside

    def allowed(self, coord: np.ndarray) -> np.ndarray:
        """Return the classes (P, K) bool that points may have; ``coord`` (P, 3) in meters, as in the raw scan.

        In a scene with sub-clouds those that are in each one around the point, none for a point in none of them; in any
        other scene, those of the scene. All that tags tell, where a class without a tag is absent.
        """
        told = np.zeros(len(coord), dtype=bool)
        allowed = np.ones((len(coord), len(self.known)), dtype=bool)
        for near, inside in self.parts(coord):
            told |= near
            allowed[near] &= inside
        return allowed & told[:, None]


@dataclass(frozen=True)
class Tags:
    """The tags of a data set.

    ``classes`` are the names of the columns. ``rule``, ``parameters`` and ``seed`` say where the tags come from: "tags"
    drawn from ground truth once, "file" given by a user, "labels" derived from a label budget. A class without a tag is
    absent from a sub-cloud, and from a scene that has no sub-clouds; with "labels" it may be there all the same. Raises
    InputError if a scene is listed twice.
    """

    classes: tuple[str, ...]
    rule: str
    parameters: dict[str, Any]
    seed: int | None
    scenes: tuple[SceneTags, ...]
    _by_name: dict[str, SceneTags] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {scene.name: scene for scene in self.scenes})
        if len(self._by_name) != len(self.scenes):
            raise InputError("tags: a scene is listed twice; list each scene once")
        for scene in self.scenes:
            if scene.known.shape != (len(self.classes),):
                raise InputError(f"tags of {scene.name}: shape {scene.known.shape} for {len(self.classes)} classes")

    @classmethod
    def from_labels(cls, labels: WeakLabels) -> Tags:
        """Return the tags that a label budget reveals: the classes of each scene's labeled points, nothing more."""
        columns = np.arange(len(labels.classes))
        scenes = (SceneTags(s.name, np.isin(columns, list(labels.classes_of(s.name)))) for s in labels.scenes)
        return cls(labels.classes, "labels", {"labels": labels.sha256}, None, tuple(scenes))

    @property
    def count(self) -> int:
        """Number of tags: of sub-clouds in scenes that have some, else of the scene."""
        return sum(int(s.inside.sum() if len(s.radius) else s.known.sum()) for s in self.scenes)

    @cached_property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(json.dumps(self._content(), sort_keys=True).encode()).hexdigest()

    def ordered(self, classes: Classes) -> Tags:
        """Return the same tags in the order of ``classes``, of another hash; raises InputError for other classes."""
        if differing := set(self.classes) ^ set(classes.names):
            raise InputError(
                f"tags: the tag file and the data differ in the classes {', '.join(sorted(differing))}; make it again"
            )
        columns = [self.classes.index(name) for name in classes.names]
        scenes = (replace(s, known=s.known[columns], inside=s.inside[:, columns]) for s in self.scenes)
        return replace(self, classes=classes.names, scenes=tuple(scenes))

    def scene(self, name: str) -> SceneTags:
        """Return the tags of the scene ``name``; raises InputError if the file does not cover it."""
        if name not in self._by_name:
            raise InputError(f"{name}: the tag file does not cover this scene; make tags for its split too")
        return self._by_name[name]

    def of(self, scene_name: str, center: np.ndarray | None = None) -> np.ndarray:
        """Return the tags (K,) bool of a scene, or of its sub-cloud at ``center``, in the order of ``classes``.

        ``center`` (3,) is in meters in the frame of the raw scan: scene.coord + scene.origin. It selects, among the
        sub-clouds that contain it, the one with the nearest center; where none does, the tags are those of the scene.
        Raises InputError for a scene that is not covered.
        """
        scene = self.scene(scene_name)
        if center is not None and len(scene.radius):
            distance = np.linalg.norm(scene.center - center, axis=1)
            distance[distance > scene.radius] = np.inf
            nearest = int(distance.argmin())
            if distance[nearest] < np.inf:
                return scene.inside[nearest]
        return scene.known

    def summary(self) -> str:
        """Return the text a run prints at its start: how many tags of which classes, their rule and hash."""
        per_class = np.array([scene.known for scene in self.scenes]).reshape(-1, len(self.classes)).sum(axis=0)
        parts = sum(len(scene.radius) for scene in self.scenes)
        empty = [scene.name for scene in self.scenes if not scene.known.any()]
        missing = [name for name, n in zip(self.classes, per_class, strict=True) if n == 0]
        counts = [f"{name} {n:,}" for name, n in zip(self.classes, per_class, strict=True) if n]
        lines = [
            f"tags: {self.count:,} in {len(self.scenes)} scenes" + (f" with {parts:,} sub-clouds" if parts else ""),
            f"  rule: {rule_text(self.rule, self.parameters, self.seed)}",
            f"  sha256: {self.sha256}",
            f"  scenes with each class: {', '.join(counts)}",
        ]
        if missing:
            lines.append(f"  classes without any tag: {', '.join(missing)}")
        if empty:
            more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
            lines.append(f"  scenes without any tag: {len(empty)} ({', '.join(empty[:5])}{more})")
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one JSON file, atomically; it is read back before it takes its name."""
        text = json.dumps({**self._content(), "sha256": self.sha256}, indent=1)
        with atomic_path(path, check=self.load) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tags:
        """Read a file that ``save`` wrote; raises InputError if it is missing, damaged, changed or something else."""
        if zipfile.is_zipfile(path):
            raise InputError(f"{path}: is a label file, no tag file; give it as labels.file")
        with reading(path, "tag"):
            content = read_json(path)
            if content["format"] != FORMAT:
                raise InputError(f"{path}: is of format {content['format']}, this reads {FORMAT}; make the tags again")
            check_origin(content["rule"], content["parameters"], content["seed"])
            classes = Classes(tuple(content["classes"]))
            scenes = tuple(_scene(entry, classes) for entry in content["scenes"])
            loaded = cls(classes.names, content["rule"], content["parameters"], content["seed"], scenes)
            if loaded.sha256 != content["sha256"]:
                raise InputError(f"{path}: its content does not match its hash; copy or make it again")
        return loaded

    def _content(self) -> dict[str, Any]:
        """Return everything but the hash, as plain values."""
        about = {"classes": list(self.classes), "rule": self.rule, "parameters": self.parameters, "seed": self.seed}
        return {"format": FORMAT, **about, "scenes": [self._entry(scene) for scene in self.scenes]}

    def _entry(self, scene: SceneTags) -> dict[str, Any]:
        parts = [
            {"center": center.tolist(), "radius": float(radius), "classes": self._names(inside)}
            for center, radius, inside in zip(scene.center, scene.radius, scene.inside, strict=True)
        ]
        return {"name": scene.name, "classes": self._names(scene.known)} | ({"sub_clouds": parts} if parts else {})

    def _names(self, tags: np.ndarray) -> list[str]:
        return [name for name, known in zip(self.classes, tags, strict=True) if known]


def tag_row(labels: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    """Return (count,) bool: True at each of ``labels``, from 0 to count - 1."""
    row = np.zeros(count, dtype=bool)
    row[np.asarray(labels, dtype=np.int64)] = True
    return row


def _scene(entry: Any, classes: Classes) -> SceneTags:
    """Return the tags of a scene of a tag file; raises InputError, TypeError, KeyError or ValueError."""
    if not isinstance(entry["name"], str):
        raise TypeError("the name of a scene is no text")
    known, parts = _row(entry["classes"], classes), entry.get("sub_clouds", [])
    inside = [_row(part["classes"], classes) for part in parts]
    center, radius = (np.array([part[key] for part in parts], dtype=np.float64) for key in ("center", "radius"))
    return SceneTags(entry["name"], known, center, radius, np.array(inside))


def _row(names: Sequence[str], classes: Classes) -> np.ndarray:
    return tag_row([classes.index(name) for name in names], len(classes))
