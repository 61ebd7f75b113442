"""Label budgets that were chosen elsewhere: ScanNet's official point lists, and clicks in a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from pcseg.data.draw import labelled
from pcseg.data.scene import Scene
from pcseg.data.weak_labels import SceneLabels, WeakLabels
from pcseg.errors import InputError
from pcseg.labels import Classes


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
        entries.append(labelled(scene, classes, index))
    return WeakLabels(classes.names, "scannet", {"source": Path(path).name}, None, tuple(entries))


def read_scannet_lists(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Scene id -> point indices (n,) int64 of an official list, a file of ``torch.save``.

    Read with the few types that such a list is made of; a file that names any other is refused and never run.
    """
    rebuild: Any = np.empty(0).__reduce__()[0]
    allowed = [(rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("int32", "int64")]
    try:
        with torch.serialization.safe_globals([*allowed, np.ndarray, np.dtype, *kinds]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; download it with ScanNet's --data_efficient option") from error
    except Exception as error:  # unpickling fails in many ways; all mean the same to the user
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: is not an official ScanNet point list ({text[:200]}); download it again") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: holds a {type(content).__name__}, not a table of scenes; download the list again")
    lists = {str(scene): np.asarray(index) for scene, index in content.items()}
    for scene, index in lists.items():
        if index.ndim != 1 or index.dtype.kind not in "iu":
            raise InputError(f"{path}: {scene} is not a list of point indices; download the list again")
    return {scene: index.astype(np.int64) for scene, index in lists.items()}


@dataclass(frozen=True)
class Click:
    """A line of a click file: a class for the point number ``index``, or for the one nearest to ``position``."""

    line: int
    name: str
    index: int | None = None
    position: tuple[float, float, float] | None = None


def import_clicks(
    scenes: Iterable[Scene], classes: Classes, path: str | os.PathLike[str], max_distance: float = 0.1
) -> WeakLabels:
    """Clicks of a CSV file with the header ``scene,x,y,z,class`` or ``scene,index,class``; no ground truth is needed.

    ``scene`` is ``split/scene``, or ``scene`` alone where one split has it. ``x,y,z`` are metres in the frame of the raw
    scan; a click counts for the nearest point, which must be within ``max_distance`` metres. ``class`` is a name.
    Scenes without a click are covered too, without labels. What cannot be used is an InputError with its line number.
    """
    if not max_distance > 0:
        raise InputError(f"max_distance={max_distance:g}: must be above 0, in metres")
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
            raise InputError(f"{path}, line {unknown[0].line}: scene {name} is not among the scenes; correct its name")
    parameters = {"source": Path(path).name, "max_distance": max_distance}
    return WeakLabels(classes.names, "csv", parameters, None, tuple(entries))


def read_clicks(path: str | os.PathLike[str]) -> dict[str, list[Click]]:
    """The clicks of a CSV file by the scene name written there."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable text file ({error})") from error
    table = csv.DictReader(lines, skipinitialspace=True)
    columns = [column.strip() for column in table.fieldnames or ()]
    table.fieldnames = columns
    if not ({"scene", "class"} <= set(columns) and ({"x", "y", "z"} <= set(columns) or "index" in columns)):
        raise InputError(
            f"{path}, line 1: columns {','.join(columns) or '(none)'}; write scene,x,y,z,class or scene,index,class"
        )
    clicks: dict[str, list[Click]] = {}
    for row in table:
        click = _click(f"{path}, line {table.line_num}", table.line_num, row)
        clicks.setdefault(row["scene"].strip(), []).append(click)
    return clicks


def _click(where: str, line: int, row: Mapping[str, Any]) -> Click:
    if any(value is None for value in row.values()) or None in row:
        raise InputError(f"{where}: has another number of columns than the first line; complete it")
    try:
        if "index" in row:
            return Click(line, row["class"].strip(), index=int(row["index"]))
        x, y, z = (float(row[axis]) for axis in "xyz")
    except ValueError as error:
        raise InputError(f"{where}: {error}; write a number") from error
    if not np.isfinite((x, y, z)).all():
        raise InputError(f"{where}: the position {x:g}, {y:g}, {z:g} is not finite; write numbers")
    return Click(line, row["class"].strip(), position=(x, y, z))


def _snapped(
    scene: Scene, classes: Classes, path: str | os.PathLike[str], clicks: list[Click], max_distance: float
) -> SceneLabels:
    """The clicks of one scene as labels of its points; agreeing clicks on one point count once."""
    tree = cKDTree(scene.coord) if any(click.position is not None for click in clicks) else None
    chosen: dict[int, Click] = {}
    for click in clicks:
        where = f"{path}, line {click.line}"
        if click.name not in classes.names:
            raise InputError(f"{where}: class '{click.name}' is not one of: {', '.join(classes.names)}")
        first = chosen.setdefault(_point(scene, tree, click, where, max_distance), click)
        if first.name != click.name:
            raise InputError(f"{where}: says {click.name} where line {first.line} says {first.name}; remove one")
    index = np.array(list(chosen), dtype=np.int64)
    label = np.array([classes.index(click.name) for click in chosen.values()], dtype=np.int16)
    return SceneLabels(scene.name, len(scene), scene.digest(), index, label)


def _point(scene: Scene, tree: cKDTree | None, click: Click, where: str, max_distance: float) -> int:
    """Number of the point that a click means."""
    if click.index is not None:
        if not 0 <= click.index < len(scene):
            raise InputError(
                f"{where}: {scene.name} has no point {click.index}, only 0 to {len(scene) - 1}; correct it"
            )
        return click.index
    assert tree is not None
    distance, index = tree.query(np.asarray(click.position) - scene.origin)
    if distance > max_distance:
        raise InputError(
            f"{where}: the nearest point of {scene.name} is {distance:.3g} m away; correct the position or raise "
            f"max_distance ({max_distance:g})"
        )
    return int(index)
