"""Clicks in a CSV file: a class for a point of a scene, by its number or its position, however the table is written."""

from __future__ import annotations

import csv
import math
import os
import re
from dataclasses import dataclass

from pcseg.errors import InputError, cut
from pcseg.files import read_text

MOST_CLICKS = 2**26
"""Bytes of the largest click file that is read, 64 MiB: about two million clicks."""

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Click:
    """A line of a click file: a class for the point number ``index``, or for the one nearest to ``position``.

    Where both are given, the point must be at the position.
    """

    line: int
    name: str
    index: int | None = None
    position: tuple[float, float, float] | None = None


def read_clicks(path: str | os.PathLike[str]) -> dict[str, list[Click]]:
    """The clicks of a CSV file by the scene name written there, in the order of the lines.

    The first line names the columns: ``scene``, ``class`` and ``index`` or ``x``, ``y``, ``z``, in any order and case;
    others are passed over. Commas part them, or semicolons, tabs or bars, beside which numbers may have a decimal comma;
    values may be quoted. Blank lines and those that begin with # are skipped. Raises InputError with the number of the line.
    """
    lines = re.split("\r\n|\n|\r", read_text(path, MOST_CLICKS))
    table = [(i, line) for i, line in enumerate(lines, 1) if line.strip(" ,;\t|") and not _comment(line)]
    number, head = table[0] if table else (1, "")
    head = head.lstrip("# ")
    delimiter, columns = _columns(f"{path}, line {number}", head)
    clicks: dict[str, list[Click]] = {}
    for number, line in table[1:]:
        where = f"{path}, line {number}"
        values = _values(where, line, delimiter)
        if len(values) != len(columns):
            raise _uneven(where, line, delimiter, len(values), len(columns))
        row = dict(zip(columns, values, strict=True))
        clicks.setdefault(row["scene"], []).append(_click(where, number, row, decimal_comma=delimiter != ","))
    return clicks


def _comment(line: str) -> bool:
    """Whether a line is there for other readers: one that begins with #, unless it names the columns, or Excel's own."""
    names = {name.strip(' "').lower() for name in re.split("[,;\t|]", line.lstrip("# "))}
    return re.fullmatch(r" *sep=. *", line) is not None or (
        line.lstrip()[:1] == "#" and not {"scene", "class"} <= names
    )


def _columns(where: str, head: str) -> tuple[str, list[str]]:
    """The character that parts the columns, and their names in lower case."""
    delimiter = max(DELIMITERS, key=head.count)
    columns = [name.lower() for name in _values(where, head, delimiter)]
    if not ({"scene", "class"} <= set(columns) and ({"x", "y", "z"} <= set(columns) or "index" in columns)):
        raise InputError(
            f"{where}: columns {cut(','.join(columns), 200) or '(none)'}; write scene,x,y,z,class or scene,index,class"
        )
    for name in ("scene", "class", "index", "x", "y", "z"):
        if columns.count(name) > 1:
            raise InputError(f"{where}: the column {name} is there twice; remove one")
    return delimiter, columns


def _values(where: str, line: str, delimiter: str) -> list[str]:
    try:
        (values,) = csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise InputError(f"{where}: {error}; check the quotation marks") from error
    return [value.strip() for value in values]


def _uneven(where: str, line: str, delimiter: str, found: int, wanted: int) -> InputError:
    others = [DELIMITERS[d] for d in DELIMITERS if d != delimiter and line.count(d) + 1 >= wanted]
    if found == 1 and others:
        return InputError(
            f"{where}: is parted by {others[0]} where the first line is by {DELIMITERS[delimiter]}; use one of them"
        )
    return InputError(f"{where}: has another number of columns ({found}) than the first line ({wanted}); complete it")


def _click(where: str, number: int, row: dict[str, str], decimal_comma: bool) -> Click:
    name, index, position = row["class"], None, None
    if not row["scene"] or not name:
        raise InputError(f"{where}: has no {'class' if row['scene'] else 'scene'}; complete it")
    if "index" in row:
        if not re.fullmatch(r"[-+]?[0-9]{1,18}(\.0*)?", row["index"]):
            raise InputError(
                f"{where}: index '{cut(row['index'], 30)}' is no whole number; write the number of a point"
            )
        index = int(row["index"].partition(".")[0])
    if {"x", "y", "z"} <= row.keys():
        x, y, z = (_coordinate(where, axis, row[axis], decimal_comma) for axis in "xyz")
        position = (x, y, z)
    return Click(number, name, index, position)


def _coordinate(where: str, axis: str, text: str, decimal_comma: bool) -> float:
    plain = text.replace(",", ".") if decimal_comma else text
    value = float(plain) if re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", plain) else math.nan
    if not abs(value) < 1e12:
        raise InputError(f"{where}: {axis} is '{cut(text, 30)}'; write a number, in meters")
    return value
