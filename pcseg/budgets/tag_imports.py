"""Import tags that a user gives: a CSV file of scenes or sub-clouds, or a table of class lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.budgets.csv_rows import Row, match_scenes, read_class, read_rows
from pcseg.budgets.tags import NO_BALLS, SceneTags, Tags, tag_row
from pcseg.classes import Classes
from pcseg.errors import InputError, cut
from pcseg.scenes.scene import Scene

LAYOUTS = ("scene,class", "scene,class,x,y,z,radius")
BALL = ("x", "y", "z", "radius")


@dataclass(frozen=True)
class Tag:
    """A class in a scene, or in the ball (x, y, z, radius), in meters. ``where``: file and line, for messages."""

    where: str
    name: str
    ball: tuple[float, ...] | None = None


def import_tags(scenes: Iterable[Scene], classes: Classes, path: str | os.PathLike[str], table: Any = None) -> Tags:
    """Return the tags of the file ``path``; of ``scenes`` names and sizes are read.

    A CSV file has the header ``scene,class``, or ``scene,class,x,y,z,radius`` for sub-clouds: all points within
    ``radius`` meters of ``x,y,z``, in the frame of the raw scan. Rows of one scene with the same four numbers are one
    sub-cloud; rows where these are blank are tags of the scene. ``table``, where given, is the content of ``path``
    instead: for each scene the list of its classes, which may be empty. ``scene`` is ``split/scene``, or ``scene``
    alone where only one split has it; ``class`` a name, or a number in the user's files.

    Raises InputError, with the line where there is one, for a scene without entry, an unknown scene or class, or a row
    that cannot be used.
    """
    tags = _csv_tags(path) if table is None else _listed_tags(path, table)
    found = []
    for scene, entries in match_scenes(path, tags, scenes):
        found.append((scene.name, entries))
        if scene.size is not None and (wrong := next((tag for tag in entries or [] if tag.ball), None)):
            raise InputError(f"{wrong.where}: {NO_BALLS}")
    if missing := [name for name, entries in found if entries is None]:
        raise InputError(f"{path}: has no tag of {missing[0]}; add its classes, or leave out its split")
    scene_tags = tuple(_scene_tags(name, entries or [], classes) for name, entries in found)
    return Tags(classes.names, "file", {"source": Path(path).name}, None, scene_tags)


def _scene_tags(name: str, tags: list[Tag], classes: Classes) -> SceneTags:
    known: list[int] = []
    balls: dict[tuple[float, ...], list[int]] = {}
    for tag in tags:
        found = known if tag.ball is None else balls.setdefault(tag.ball, [])
        found.append(read_class(classes, tag.name, tag.where))
    inside = np.array([tag_row(labels, len(classes)) for labels in balls.values()])
    ball = np.array(list(balls), dtype=np.float64).reshape(-1, 4)
    return SceneTags(name, tag_row(known, len(classes)), ball[:, :3], ball[:, 3], inside)


def _csv_tags(path: str | os.PathLike[str]) -> dict[str, list[Tag]]:
    tags: dict[str, list[Tag]] = {}
    for row in read_rows(path, LAYOUTS):
        tags.setdefault(row.values["scene"], []).append(Tag(row.where, row.values["class"], _ball(row)))
    return tags


def _ball(row: Row) -> tuple[float, ...] | None:
    given = [row.values.get(column, "") for column in BALL]
    if not any(given):
        return None
    if not all(given):
        raise InputError(f"{row.where}: a sub-cloud needs x, y, z and radius; complete it")
    ball = tuple(row.coordinate(column) for column in BALL)
    if not ball[3] > 0:
        raise InputError(f"{row.where}: radius is '{cut(row.values['radius'], 30)}'; write a number above 0, in meters")
    return ball


def _listed_tags(path: str | os.PathLike[str], table: Any) -> dict[str, list[Tag]]:
    if not isinstance(table, Mapping) or not table:
        raise InputError(f"{path}: is no table of scenes; write scene: [class, class] in each line")
    for scene, names in table.items():
        if (
            not isinstance(scene, str)
            or not isinstance(names, list)
            or not all(isinstance(n, str | int) for n in names)
        ):
            raise InputError(f"{path}: {cut(str(scene), 60)}: is no list of classes; write scene: [class, class]")
    return {scene: [Tag(f"{path}: {scene}", str(name)) for name in names] for scene, names in table.items()}
