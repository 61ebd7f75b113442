"""Import label budgets that were made elsewhere: ScanNet's official point lists, and clicks in a CSV file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from pcseg.archives import load_tensors
from pcseg.budgets.clicks import Click, read_clicks
from pcseg.budgets.csv_rows import match_scenes, read_class
from pcseg.budgets.draw import labeled
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.errors import InputError, cut, reason
from pcseg.scenes.scene import Scene


def import_scannet(scenes: Iterable[Scene], classes: Classes, path: str | os.PathLike[str]) -> WeakLabels:
    """Return the points of a list of ScanNet's data-efficient benchmark, e.g. ``tasks/points/points20``.

    The classes of the listed points are taken from the ground truth of ``scenes``, whose points must be the vertices of
    ``*_vh_clean_2.ply`` in their order. Listed points without a class are spent. A listed scene that is not in
    ``scenes`` is left out. Raises InputError for a scene that the list lacks.
    """
    lists = read_scannet_lists(path)
    entries = []
    for scene in scenes:
        name = scene.name.rpartition("/")[2]
        if name not in lists:
            raise InputError(f"{path}: does not list {scene.name}; name the split that the list is for (train)")
        index = np.unique(lists[name])
        if len(index) and not 0 <= index[0] <= index[-1] < len(scene):
            raise InputError(
                f"{path}: lists point {index[-1] if index[0] >= 0 else index[0]} of {scene.name}, which has "
                f"{len(scene)} points; prepare it from *_vh_clean_2.ply"
            )
        entries.append(labeled(scene, classes, index))
    return WeakLabels(classes.names, "scannet", {"source": Path(path).name}, None, tuple(entries))


def read_scannet_lists(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Return the point indices (n,) int64 by scene id of an official list, a file of ``torch.save``.

    Code in the file is never run. Raises InputError for a file that is damaged, names other types or is no such list.
    """
    try:
        content = load_tensors(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; download it with ScanNet's --data_efficient option") from error
    except Exception as error:  # unpickling fails in many ways; all mean the same to the user
        what = cut(reason(error), 200)
        raise InputError(f"{path}: is not an official ScanNet point list ({what}); download it again") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: holds a {type(content).__name__}, not a table of scenes; download the list again")
    lists = {str(scene): _array(index) for scene, index in content.items()}
    for scene, index in lists.items():
        if index.ndim != 1 or index.dtype.kind not in "iu":
            raise InputError(f"{path}: {cut(scene, 60)} is not a list of point indices; download the list again")
    if sum(index.nbytes for index in lists.values()) > Path(path).stat().st_size:
        raise InputError(f"{path}: lists more indices than it has bytes for; download the list again")
    return {scene: index.astype(np.int64) for scene, index in lists.items()}


def _array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError):  # rows of several lengths, tensors of other kinds
        return np.empty(0, dtype=object)


def import_clicks(
    scenes: Iterable[Scene], classes: Classes, path: str | os.PathLike[str], max_distance: float = 0.1
) -> WeakLabels:
    """Return the clicks of a CSV file with the header ``scene,x,y,z,class`` or ``scene,index,class``.

    No ground truth is read. ``scene`` is ``split/scene``, or ``scene`` alone where only one split has it. ``x,y,z``
    are in meters, in the frame of the raw scan; a click labels the nearest point, which must be within
    ``max_distance`` meters. ``class`` is a name, or the number of a class in the user's files. See ``read_rows`` for
    the ways to write the table. Scenes without a click are covered too, without labels. Raises InputError with the
    line number for a row that cannot be used.
    """
    if not max_distance > 0:
        raise InputError(f"max_distance={max_distance:g}: must be above 0, in meters")
    found = match_scenes(path, read_clicks(path), scenes)
    entries = tuple(_snapped(scene, classes, clicks or [], max_distance) for scene, clicks in found)
    parameters = {"source": Path(path).name, "max_distance": max_distance}
    return WeakLabels(classes.names, "csv", parameters, None, entries)


def _snapped(scene: Scene, classes: Classes, clicks: list[Click], max_distance: float) -> SceneLabels:
    """Return the clicks of one scene as labels of its points; agreeing clicks on one point count once."""
    tree = cKDTree(scene.coord) if any(click.index is None for click in clicks) else None
    chosen: dict[int, tuple[int, Click]] = {}
    for click in clicks:
        label = read_class(classes, click.name, click.where)
        known, first = chosen.setdefault(_point(scene, tree, click, max_distance), (label, click))
        if known != label:
            raise InputError(f"{click.where}: says {click.name} where line {first.line} says {first.name}; remove one")
    index = np.array(list(chosen), dtype=np.int64)
    labels = np.array([label for label, _ in chosen.values()], dtype=np.int16)
    return SceneLabels(scene.name, len(scene), scene.digest(), index, labels)


def _point(scene: Scene, tree: cKDTree | None, click: Click, max_distance: float) -> int:
    """Return the number of the point that a click is on."""
    position = None if click.position is None else np.asarray(click.position) - scene.origin
    if click.index is None:
        assert tree is not None
        distance, index = tree.query(position)
        if distance > max_distance:
            raise InputError(
                f"{click.where}: the nearest point of {scene.name} is {distance:.3g} m away; correct the position or "
                f"raise max_distance ({max_distance:g})"
            )
        return int(index)
    if not 0 <= click.index < len(scene):
        raise InputError(
            f"{click.where}: {scene.name} has no point {click.index}, only 0 to {len(scene) - 1}; correct it"
        )
    if position is not None and np.linalg.norm(scene.coord[click.index] - position) > max_distance:
        raise InputError(
            f"{click.where}: point {click.index} of {scene.name} is not where x, y, z say; "
            "leave out the columns that are wrong"
        )
    return click.index
