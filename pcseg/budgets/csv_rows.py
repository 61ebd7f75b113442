"""Read the rows of a CSV file with a header, whatever delimiter it uses; errors name the line."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pcseg.classes import Classes
from pcseg.errors import InputError, cut
from pcseg.files import read_text
from pcseg.scenes.scene import Scene


class Placed(Protocol):
    """An entry of a file; ``where`` is its file and line for messages."""

    @property
    def where(self) -> str: ...


T = TypeVar("T", bound=Placed)

MOST_CSV = 2**26
"""Bytes of the largest CSV file that is read, 64 MiB: about two million clicks."""

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Row:
    """One row: ``where`` is its file and line for messages, ``values`` its texts by lower-case column name."""

    where: str
    line: int
    values: dict[str, str]
    decimal_comma: bool

    def coordinate(self, column: str) -> float:
        """Return the number in ``column``, below 1e12 in size; raises InputError for any other text."""
        text = self.values[column]
        plain = text.replace(",", ".") if self.decimal_comma else text
        number = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"
        value = float(plain) if re.fullmatch(number, plain) else math.nan
        if not abs(value) < 1e12:
            raise InputError(f"{self.where}: {column} is '{cut(text, 30)}'; write a number, in meters")
        return value


def read_rows(path: str | os.PathLike[str], layouts: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a CSV file in order; each has a scene and a class.

    The first line names the columns, which must include all those of one of ``layouts``, e.g. "scene,index,class", in
    any order and case; others are ignored. The delimiter is a comma, semicolon, tab or bar; with the last three,
    numbers may have a decimal comma. Values may be quoted. Blank lines and lines that begin with # are skipped. Raises
    InputError with the number of the line.
    """
    lines = re.split("\r\n|\n|\r", read_text(path, MOST_CSV))
    table = [(i, line) for i, line in enumerate(lines, 1) if line.strip(" ,;\t|") and not _is_comment(line)]
    number, head = table[0] if table else (1, "")
    delimiter, columns = _columns(f"{path}, line {number}", head.lstrip("# "), layouts)
    for number, line in table[1:]:
        where = f"{path}, line {number}"
        values = _values(where, line, delimiter)
        if len(values) != len(columns):
            raise _wrong_count(where, line, delimiter, len(values), len(columns))
        row = Row(where, number, dict(zip(columns, values, strict=True)), delimiter != ",")
        for column in ("scene", "class"):
            if not row.values[column]:
                raise _incomplete(where, column, columns.index(column), [line for _, line in table[1:]], delimiter)
        yield row


def match_scenes(
    path: str | os.PathLike[str], table: Mapping[str, list[T]], scenes: Iterable[Scene]
) -> Iterator[tuple[Scene, list[T] | None]]:
    """Yield each scene with its entries of ``table``, the content of file ``path`` by the scene name written there.

    The entries are None for a scene that ``table`` does not name. The name is ``split/scene``, or ``scene`` alone
    where only one split has it. Raises InputError for a name that fits two scenes and, after the last scene, for a
    name that fits none.
    """
    used: dict[str, str] = {}
    known = []
    where = {name: entries[0].where if entries else str(path) for name, entries in table.items()}
    for scene in scenes:
        known.append(scene.name)
        names = sorted({scene.name, scene.name.rpartition("/")[2]} & table.keys())
        for name in names:
            if name in used:
                raise InputError(f"{where[name]}: scene {name} may be {used[name]} or {scene.name}; write split/scene")
            used[name] = scene.name
        yield scene, [entry for name in names for entry in table[name]] if names else None
    for name in table:
        if name not in used:
            raise InputError(f"{where[name]}: scene {cut(name, 80)} is not one of: {cut(', '.join(known), 200)}")


def read_class(classes: Classes, text: str, where: str) -> int:
    """Return the label of the class that ``text`` gives by name, or by its number in the user's files.

    Raises InputError, which begins with ``where``, if there is no such class.
    """
    if text in classes.names:
        return classes.names.index(text)
    codes = classes.codes or tuple((i,) for i in range(len(classes)))
    if re.fullmatch(r"\+?[0-9]{1,18}", text):
        for label, numbers in enumerate(codes):
            if int(text) in numbers:
                return label
    numbered = ", ".join(f"{name} ({numbers[0]})" for name, numbers in zip(classes.names, codes, strict=True))
    raise InputError(f"{where}: class '{cut(text, 60)}' is not one of: {numbered}")


def _is_comment(line: str) -> bool:
    """Return whether a line begins with # and does not name the columns, or is Excel's ``sep=;``."""
    names = {name.strip(' "').lower() for name in re.split("[,;\t|]", line.lstrip("# "))}
    return re.fullmatch(r" *sep=. *", line) is not None or (
        line.lstrip()[:1] == "#" and not {"scene", "class"} <= names
    )


def _columns(where: str, head: str, layouts: Sequence[str]) -> tuple[str, list[str]]:
    """Return the delimiter, and the names of the columns in lower case."""
    delimiter = max(DELIMITERS, key=head.count)
    columns = [name.lower() for name in _values(where, head, delimiter)]
    if not any(set(layout.split(",")) <= set(columns) for layout in layouts):
        raise InputError(f"{where}: columns {cut(','.join(columns), 200) or '(none)'}; write {' or '.join(layouts)}")
    for name in dict.fromkeys(",".join(layouts).split(",")):
        if columns.count(name) > 1:
            raise InputError(f"{where}: the column {name} is there twice; remove one")
    return delimiter, columns


def _values(where: str, line: str, delimiter: str) -> list[str]:
    try:
        (values,) = csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise InputError(f"{where}: {error}; check the quotation marks") from error
    return [value.strip() for value in values]


def _incomplete(where: str, column: str, place: int, lines: list[str], delimiter: str) -> InputError:
    """Return the error of a row whose ``column`` is empty, which counts the rows like it."""
    rows = [_values(where, line, delimiter) for line in lines]
    more = sum(not any(values[place : place + 1]) for values in rows) - 1
    if not more:
        return InputError(f"{where}: has no {column}; complete it")
    return InputError(
        f"{where}: has no {column}, as {more:,} more of {len(rows):,} rows; complete them, or remove their lines"
    )


def _wrong_count(where: str, line: str, delimiter: str, found: int, wanted: int) -> InputError:
    others = [DELIMITERS[d] for d in DELIMITERS if d != delimiter and line.count(d) + 1 >= wanted]
    if found == 1 and others:
        return InputError(
            f"{where}: has {others[0]} between its values, but the first line has "
            f"{DELIMITERS[delimiter]}; use one of them"
        )
    return InputError(f"{where}: has {found} columns, but the first line has {wanted}; correct it")
