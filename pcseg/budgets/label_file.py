"""Write and read the .npz file of a label budget: a description in JSON, the labels of all scenes, and a hash."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.archives import read_npz
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.errors import InputError
from pcseg.files import atomic_path, parse_json

FORMATS = (1, 2)
"""Numbers of the file layouts; 2 has weights."""


def describe(about: dict[str, Any], scenes: Sequence[SceneLabels]) -> str:
    """Return the description of a label file, JSON: ``about``, the scenes and the number of the layout."""
    clouds = [{"name": s.name, "points": s.points, "sha256": s.sha256} for s in scenes]
    number = FORMATS[any(s.weight is not None for s in scenes)]
    return json.dumps({"format": number, **about, "scenes": clouds}, sort_keys=True)


def write_labels(
    path: str | os.PathLike[str],
    description: str,
    sha256: str,
    scenes: Sequence[SceneLabels],
    check: Callable[[Path], object],
) -> None:
    """Write a label file, atomically; ``check`` reads it before it takes its name."""
    arrays = {
        "meta": np.frombuffer(description.encode(), dtype=np.uint8),
        "sha256": np.frombuffer(sha256.encode(), dtype=np.uint8),
        "length": np.array([len(scene.index) for scene in scenes], dtype=np.int64),
        "index": np.concatenate([np.zeros(0, np.int64), *(scene.index for scene in scenes)]),
        "label": np.concatenate([np.zeros(0, np.int16), *(scene.label for scene in scenes)]),
    }
    weights = [scene.weight for scene in scenes if scene.weight is not None]
    if weights:
        arrays["weight"] = np.concatenate(weights)
    with atomic_path(path, check=check) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def read_labels(path: str | os.PathLike[str]) -> tuple[dict[str, Any], tuple[SceneLabels, ...], str]:
    """Return the description, the scenes and the hash that a label file holds; its caller compares the hash.

    Raises InputError, or another exception that ``reading`` makes one, if the file is damaged or something else.
    """
    wrong = f"{path}: not a readable label file"
    with open(path, "rb") as stream:
        if stream.read(1) == b"{":
            raise InputError(f"{path}: is a tag file, no label file; give it as labels.tags")
    arrays, _ = read_npz(path)
    missing = {"meta", "sha256", "length", "index", "label"} - arrays.keys()
    if missing:
        raise InputError(f"{wrong} (no array {min(missing)} in it); copy or draw it again")
    meta = parse_json(arrays["meta"].tobytes().decode(), f"{wrong}: its description")
    if meta["format"] not in FORMATS:
        raise InputError(f"{path}: is of format {meta['format']}, this reads formats 1 and 2; draw the labels again")
    counts = [operator.index(count) for count in arrays["length"]]
    names = ["index", "label"] + ["weight"] * (meta["format"] == FORMATS[1])
    if min(counts, default=0) < 0 or any(len(arrays[name]) != sum(counts) for name in names):
        raise InputError(f"{wrong} (its arrays differ in length); copy or draw it again")
    ends = np.cumsum(counts, dtype=np.int64)[:-1]
    parts = zip(*(np.split(arrays[name], ends) for name in names), strict=True)
    scenes = tuple(_scene(about, *part) for about, part in zip(meta["scenes"], parts, strict=True))
    return meta, scenes, arrays["sha256"].tobytes().decode()


def _scene(about: Any, *arrays: np.ndarray) -> SceneLabels:
    """Return the labels of the scene that ``about`` describes; raises TypeError or KeyError for other types."""
    name, points, sha256 = about["name"], about["points"], about["sha256"]
    if not (isinstance(name, str) and isinstance(sha256, str) and operator.index(points) >= 0):
        raise TypeError("a scene's name, points or hash is of another type")
    return SceneLabels(name, points, sha256, *arrays)
