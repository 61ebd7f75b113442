"""Read clicks from a CSV file: a class for a point of a scene, given by its number or its position."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from pcseg.budgets.csv_rows import Row, read_rows
from pcseg.errors import InputError, cut

LAYOUTS = ("scene,x,y,z,class", "scene,index,class")
"""Columns that a click file must have."""


@dataclass(frozen=True)
class Click:
    """A line of a click file: a class for the point number ``index``, or for the one nearest to ``position``.

    If both are given, the point must be at the position. ``where`` is the file and line, for messages.
    """

    where: str
    line: int
    name: str
    index: int | None = None
    position: tuple[float, float, float] | None = None


def read_clicks(path: str | os.PathLike[str]) -> dict[str, list[Click]]:
    """Return the clicks of a CSV file by the scene name written there, in the order of the lines.

    The columns are ``scene``, ``class`` and ``index`` or ``x``, ``y``, ``z`` (meters); see ``read_rows`` for the ways
    to write them. Raises InputError with the number of the line.
    """
    clicks: dict[str, list[Click]] = {}
    for row in read_rows(path, LAYOUTS):
        clicks.setdefault(row.values["scene"], []).append(_click(row))
    return clicks


def _click(row: Row) -> Click:
    index, position = None, None
    if "index" in row.values:
        text = row.values["index"]
        if not re.fullmatch(r"[-+]?[0-9]{1,18}(\.0*)?", text):
            raise InputError(f"{row.where}: index '{cut(text, 30)}' is no whole number; write the number of a point")
        index = int(text.partition(".")[0])
    if {"x", "y", "z"} <= row.values.keys():
        position = (row.coordinate("x"), row.coordinate("y"), row.coordinate("z"))
    return Click(row.where, row.line, row.values["class"], index, position)
