"""Classify a line of a text file of points: a comment, column names, units, a number of points, or a row of cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from pcseg.formats.columns import has_coordinates
from pcseg.formats.numerals import read_number

_COMMENT = ("#", "//", "%", "!", "'#", '"#')

_UNIT = re.compile(r"[\[(]?(m|mm|cm|dm|km|ft|us-?ft|in|deg|rad|grad|gon|s|ns|dn|db|%|-|1)?[\])]?", re.IGNORECASE)

_UNIT_BEHIND = r"(?i)^([xyz]|easting|northing|elevation|height)\s*\((m|mm|cm|ft|us-?ft)\)$"


def stripped(line: str) -> str:
    """Return a line without the blanks around it, its end, and the end-of-file mark of DOS. Tabs may mean empty
    cells.
    """
    return line.strip(" \r\n\v\f\x1a")


def is_comment(text: str) -> bool:
    """Return whether this line, without the blanks around it, is a comment; ``#N/A``, even in quotes, begins a row."""
    return text.startswith(_COMMENT) and read_number(re.split(r"[\s,;]", text)[0].strip("\"'")) is None


def is_directive(text: str) -> bool:
    """Return whether this is Excel's line that gives the separator."""
    return re.fullmatch(r'"?sep=.?"?', text, re.IGNORECASE) is not None


def without_remark(text: str) -> str:
    """Return a row without the comment at its end."""
    starts = (found.start() for found in re.finditer(r"\s(?=#|//)", text) if is_comment(text[found.end() :]))
    return text[: next(starts, len(text))]


def cells(row: str, separator: str | None) -> list[str]:
    """Return the cells of a row, without quotes and blanks around them."""
    if separator and '"' in row:  # a quoted cell may hold the separator
        parts = next(csv.reader([row], delimiter=separator, skipinitialspace=True))
    else:
        parts = row.split(separator)
    return [part.strip("\"' \t") for part in parts] if separator or '"' in row or "'" in row else parts


def is_count(text: str) -> bool:
    """Return whether this line is a number of points, as at the beginning of PTS files."""
    return text.isascii() and text.isdigit()


def is_names(text: str) -> bool:
    """Return whether this line is column names: it has x, y and z, or only words; that of pandas may be an empty cell
    and numbers.
    """
    found = read_names(text)
    if has_coordinates(found):
        return True
    first, *rest = found
    if first == "index" and not text.startswith("index") and rest and rest == [str(i) for i in range(len(rest))]:
        return True
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    return bool(words) and all(
        read_number(word.strip("\"'")) is None and re.match(r"[^\W\d]|\W*[\"'\[(]", word) for word in words
    )


def are_numbered(names: Sequence[str]) -> bool:
    """Return whether names only number the columns, such as R's V1 V2 V3."""
    numbers = [int(found[0]) for name in names if (found := re.search(r"\d+$", name))]
    alike = len({name.rstrip("0123456789") for name in names}) == 1
    return alike and len(numbers) > 1 and numbers == [numbers[0] + i for i in range(len(names))]


def is_units(text: str) -> bool:
    """Return whether this line holds units, as may follow the names."""
    return all(_UNIT.fullmatch(word) for word in re.split(r"[\s,;]+", text)) and any(c.isalpha() for c in text)


def read_names(line: str, separator: str | None = "?") -> tuple[str, ...]:
    """Return the names in a line, without quotes and units; split by ``separator``, or for "?" by the one that fits
    best.
    """
    if separator == "?":
        separator = next((mark for mark in ";,\t" if mark in line), None)
    found = [_name(cell) for cell in _split(line, separator)]
    if not has_coordinates(found):  # blanks between names, commas between numbers
        loose = [_name(cell) for cell in re.split(r"[\s,;]+", line) if cell]
        found = loose if has_coordinates(loose) else found
    if found and not found[0] and len(found) > 1:  # the row numbers of pandas and R
        found[0] = "index"
    return tuple(found)


def _split(line: str, separator: str | None) -> list[str]:
    if separator is None:
        line, separator = re.sub(r"\s+", " ", line), " "
    quote = '"' if '"' in line else "'"
    return [
        cell.strip() for cell in next(csv.reader([line], delimiter=separator, quotechar=quote, skipinitialspace=True))
    ]


def _name(cell: str) -> str:
    cell = cell.strip("\"' ")
    return re.sub(_UNIT_BEHIND, r"\1", re.sub(r"(.)\s*\[[^\]]*\]$", r"\1", cell)).strip()
