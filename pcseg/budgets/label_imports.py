"""Label budgets that were chosen elsewhere: ScanNet's official point lists, and clicks in a CSV file."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from pcseg.archives import check_stored
from pcseg.budgets.clicks import Click, read_clicks
from pcseg.budgets.draw import labeled
from pcseg.budgets.weak_labels import SceneLabels, WeakLabels
from pcseg.classes import Classes
from pcseg.errors import InputError, cut, reason
from pcseg.scenes.scene import Scene


def import_scannet(scenes: Iterable[Scene], classes: Classes, path: str | os.PathLike[str]) -> WeakLabels:
    """The points of a list of ScanNet's data-efficient benchmark (``tasks/points/points20`` and the like).

    The classes of the listed points are taken from the ground truth of ``scenes``, whose points must be the vertices of
    ``*_vh_clean_2.ply`` in their order. Listed points without a class are spent. A scene that the list lacks is an
    InputError; a listed scene that is not in ``scenes`` is left out.
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
    """Scene id -> point indices (n,) int64 of an official list, a file of ``torch.save``.

    Read with the few types that such a list is made of; a file that names any other is refused and never run.
    """
    rebuild: Any = np.empty(0).__reduce__()[0]
    allowed = [(rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("int32", "int64")]
    try:
        check_stored(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals([*allowed, np.ndarray, np.dtype, *kinds]):
            warnings.simplefilter("ignore")  # what torch has to say about a damaged file is said in one line below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; download it with ScanNet's --data_efficient option") from error
    except Exception as error:  # unpickling fails in many ways; all mean the same to the user
        told = cut(reason(error), 200)
        raise InputError(f"{path}: is not an official ScanNet point list ({told}); download it again") from error
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
    except (ValueError, TypeError, RuntimeError):  # rows of several lengths, tensors of odd kinds
        return np.empty(0, dtype=object)


def import_clicks(
    scenes: Iterable[Scene], classes: Classes, path: str | os.PathLike[str], max_distance: float = 0.1
) -> WeakLabels:
    """Clicks of a CSV file with the header ``scene,x,y,z,class`` or ``scene,index,class``; no ground truth is needed.

    ``scene`` is ``split/scene``, or ``scene`` alone where one split has it. ``x,y,z`` are meters in the frame of the raw
    scan; a click counts for the nearest point, which must be within ``max_distance`` meters. ``class`` is a name, or the
    number that stands for a class in the user's files. See ``read_clicks`` for the ways to write the table. Scenes without a click are covered too, without labels. What cannot be used is an InputError with its line number.
    """
    if not max_distance > 0:
        raise InputError(f"max_distance={max_distance:g}: must be above 0, in meters")
    clicks = read_clicks(path)
    used: dict[str, str] = {}
    entries = []
    for scene in scenes:
        mine: list[Click] = []
        for name in {scene.name, scene.name.rpartition("/")[2]} & clicks.keys():
            if name in used:
                raise InputError(
                    f"{path}, line {clicks[name][0].line}: scene {name} may be {used[name]} or {scene.name}; "
                    "write split/scene"
                )
            used[name] = scene.name
            mine += clicks[name]
        entries.append(_snapped(scene, classes, path, mine, max_distance))
    for name, unknown in clicks.items():
        if name not in used:
            known = cut(", ".join(entry.name for entry in entries), 200)
            raise InputError(f"{path}, line {unknown[0].line}: scene {cut(name, 80)} is not one of: {known}")
    parameters = {"source": Path(path).name, "max_distance": max_distance}
    return WeakLabels(classes.names, "csv", parameters, None, tuple(entries))


def _snapped(
    scene: Scene, classes: Classes, path: str | os.PathLike[str], clicks: list[Click], max_distance: float
) -> SceneLabels:
    """The clicks of one scene as labels of its points; agreeing clicks on one point count once."""
    tree = cKDTree(scene.coord) if any(click.index is None for click in clicks) else None
    chosen: dict[int, tuple[int, Click]] = {}
    for click in clicks:
        where = f"{path}, line {click.line}"
        label = _label(classes, click, where)
        known, first = chosen.setdefault(_point(scene, tree, click, where, max_distance), (label, click))
        if known != label:
            raise InputError(f"{where}: says {click.name} where line {first.line} says {first.name}; remove one")
    index = np.array(list(chosen), dtype=np.int64)
    labels = np.array([label for label, _ in chosen.values()], dtype=np.int16)
    return SceneLabels(scene.name, len(scene), scene.digest(), index, labels)


def _label(classes: Classes, click: Click, where: str) -> int:
    """The class that a click names, or tells the number of."""
    if click.name in classes.names:
        return classes.names.index(click.name)
    codes = classes.codes or tuple((i,) for i in range(len(classes)))
    if re.fullmatch(r"\+?[0-9]{1,18}", click.name):
        for label, numbers in enumerate(codes):
            if int(click.name) in numbers:
                return label
    numbered = ", ".join(f"{name} ({numbers[0]})" for name, numbers in zip(classes.names, codes, strict=True))
    raise InputError(f"{where}: class '{cut(click.name, 60)}' is not one of: {numbered}")


def _point(scene: Scene, tree: cKDTree | None, click: Click, where: str, max_distance: float) -> int:
    """Number of the point that a click means."""
    position = None if click.position is None else np.asarray(click.position) - scene.origin
    if click.index is None:
        assert tree is not None
        distance, index = tree.query(position)
        if distance > max_distance:
            raise InputError(
                f"{where}: the nearest point of {scene.name} is {distance:.3g} m away; correct the position or raise "
                f"max_distance ({max_distance:g})"
            )
        return int(index)
    if not 0 <= click.index < len(scene):
        raise InputError(f"{where}: {scene.name} has no point {click.index}, only 0 to {len(scene) - 1}; correct it")
    if position is not None and np.linalg.norm(scene.coord[click.index] - position) > max_distance:
        raise InputError(
            f"{where}: point {click.index} of {scene.name} is not where x, y, z say; leave out the columns that are wrong"
        )
    return click.index
