"""Find the layout of a text file of points: comments, column names, units, a number of points, rows, and separators."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pcseg.errors import InputError
from pcseg.formats.columns import has_coordinates
from pcseg.formats.numerals import read_flag
from pcseg.formats.text_lines import (
    are_numbered,
    cells,
    is_comment,
    is_count,
    is_directive,
    is_names,
    is_units,
    read_names,
    stripped,
    without_remark,
)

_LONGEST = 100_000
"""Characters of the longest line that is read."""

_SAMPLE = 50
"""Rows from which the separator is found."""

_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip

_UNITS = re.compile(r"[\[(](mm|cm|dm|km|ft|us-?ft|deg)[\])]|(?<=\s)(mm|cm|dm|km|ft|us-?ft|deg)(?=\s|$)", re.IGNORECASE)
"""Units that are not meters; the user converts them with scale: in classes.yaml."""


@dataclass(frozen=True)
class Layout:
    """The layout of a text file.

    ``skip``: lines before the first row; ``separator`` of columns, None for blanks; ``width``: number of columns;
    ``names``: their names, empty if the file has none; ``count``: the number of points that the file declares;
    ``decimal_comma``: whether 1,5 means 1.5; ``header``: the line of names; ``unit``: a unit other than meters;
    ``flags``: the columns of TRUE and FALSE.
    """

    encoding: str
    skip: int
    separator: str | None
    width: int
    names: tuple[str, ...] = ()
    count: int | None = None
    decimal_comma: bool = False
    header: str = ""
    unit: str = ""
    flags: frozenset[int] = frozenset()


def find_layout(path: Path, columns: Sequence[str] = ()) -> Layout:
    """Return the layout of the text file at ``path``, found from its first lines; ``columns`` are names given by the
    user.

    Raises InputError if a line before the first row is not names, units, a number of points, a comment or blank, and if
    the file holds no row.
    """
    encoding = _encoding(path)
    comments: list[str] = []
    rows: list[str] = []
    header, units, count, skip = "", "", None, 0
    for number, text in _lines(path, encoding):
        if not text.strip() or is_comment(text):
            comments += [text.lstrip("/#%!'\" ").strip()] if not rows else []
        elif rows:
            rows.append(text)
            if len(rows) == _SAMPLE:
                break
        elif number == 1 and is_directive(text):
            pass
        elif header and is_units(text):
            units = text
        elif is_count(text) and count is None:
            count = int(text)
        elif not is_names(text):
            rows.append(text)
        elif header:
            raise InputError(
                f"{path}: line {number} reads {text[:60]!r}, but an earlier line has names; remove one of these lines"
            )
        else:
            header = text
            if not columns and not (has_coordinates(read_names(text)) or are_numbered(read_names(text))):
                raise InputError(
                    f"{path}: line {number} reads {text[:60]!r}, neither numbers nor names with x, y and z; name the "
                    "columns so, or "
                    "begin the line with #"
                )
        if not rows:
            skip = number
    if not rows and count is not None and not header:
        raise InputError(f"{path}: holds nothing but the number {count}; lines of numbers are needed, export it again")
    if not rows:
        raise InputError(f"{path}: no point in it; remove the file or export it again")
    rows = [without_remark(row) for row in rows]
    separator, decimal_comma = _separator(rows, header)
    table = [cells(row, separator) for row in rows]
    if columns:
        names = tuple(columns)
    elif header:
        names = read_names(header, separator)
        names = () if are_numbered(names) and not has_coordinates(names) else names
    else:
        names = _commented(comments, separator, len(table[0]))
    names, width = _fitted(
        names, table, numbered=all(row[0] in "\"'" for row in rows) or (bool(header) and _counted(table))
    )
    unit = _UNITS.search(
        f"{header if header else ' '.join(c for c in comments if has_coordinates(read_names(c)))} {units}"
    )
    word = unit[0].strip("[]() ") if unit else ""
    return Layout(encoding, skip, separator, width, names, count, decimal_comma, header, word, _flags(table, names))


def _encoding(path: Path) -> str:
    with open(path, "rb") as stream:
        head = stream.read(1 << 16)
    for mark, name in _BOMS.items():
        if head.startswith(mark):
            return name
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):  # without a mark, every other byte is zero
        if head[first::2].count(0) > 0.45 * len(head) and head[1 - first :: 2].count(0) < 0.05 * len(head):
            return name
    if head and not head.rstrip(b"\0").count(0) and head.endswith(b"\0"):
        end = len(head.rstrip(b"\0"))
        raise InputError(f"{path}: holds zeros from byte {end} on; it was not written to its end, copy it again")
    if head.count(0) > 0.01 * len(head):
        raise InputError(f"{path}: its content is binary, not text; give it the suffix of its format")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "latin1"
    return "utf-8"


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    with open(path, encoding=encoding, errors="replace") as stream:
        number = 0
        while line := stream.readline(_LONGEST):
            number += 1
            if len(line) == _LONGEST:
                raise InputError(
                    f"{path}: line {number} has more than {_LONGEST} characters; lines of numbers are needed"
                )
            yield number, stripped(line)


def _commented(comments: list[str], separator: str | None, width: int) -> tuple[str, ...]:
    """Return the names in the last comment that has one per column, with x, y and z among them."""
    for comment in reversed(comments):
        for text in (comment, comment.rpartition(":")[2].strip()):
            for split in (separator, "?"):
                names = read_names(text, split) if text else ()
                if has_coordinates(names) and len(names) == width:
                    return names
    return next((read_names(c) for c in reversed(comments) if c and has_coordinates(read_names(c)[:3])), ())


def _fitted(names: tuple[str, ...], table: list[list[str]], numbered: bool) -> tuple[tuple[str, ...], int]:
    """Return names and number of columns; a separator may end the lines, and R does not name the column of row
    numbers.
    """
    width = Counter(map(len, table)).most_common(1)[0][0]
    ended = width > 1 and not any(row[-1] for row in table if len(row) == width)
    if len(names) > 1 and not names[-1] and (len(names) > width or ended):
        names = names[:-1]
    if ended and len(names) < width:
        width -= 1
    if len(names) == width - 1 and numbered:
        names = ("index", *names)
    return tuple(name or f"column{i}" for i, name in enumerate(names, start=1)), width


def _flags(table: list[list[str]], names: tuple[str, ...]) -> frozenset[int]:
    """Return the columns that hold only TRUE, FALSE and missing values, except coordinates."""
    found = set()
    for i, column in enumerate(zip(*table, strict=False)):
        coordinate = names[i].lower() in "xyz" if i < len(names) else i < 3
        logical = not {"true", "false"}.isdisjoint(cell.lower() for cell in column)
        if logical and not coordinate and None not in map(read_flag, column):
            found.add(i)
    return frozenset(found)


def _counted(table: list[list[str]]) -> bool:
    """Return whether the first column numbers the rows, at least three, from 1."""
    return len(table) > 2 and [row[0] for row in table] == [str(i) for i in range(1, len(table) + 1)]


def _separator(rows: list[str], header: str) -> tuple[str | None, bool]:
    """Return the separator of the columns, None for blanks, and whether commas are decimal points."""
    first = rows[0]
    separator = ";" if ";" in first else None
    if separator is None and "\t" in first and _ragged([*rows, header] if "\t" in header else rows):
        separator = "\t"
    quoted = separator is None and '"' in first and "," in re.sub('"[^"]*"', "", first)
    if quoted:  # separators in quotes do not count
        separator = ","
    table = [cells(row, separator) for row in rows]
    decimals = [token for row in table for token in row if "," in token]
    if not decimals:
        return separator, False
    comma = all(re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", token) for token in decimals)
    if separator is None and not (comma and len(table[0]) >= 3 and len({len(row) for row in table}) == 1):
        return ",", False
    return separator, comma


def _ragged(lines: list[str]) -> bool:
    """Return whether lines have equal lengths only if split at tabs: then cells are empty, or hold blanks."""
    blanks, tabs = ({len(line.split(split)) for line in lines} for split in (None, "\t"))
    return len(blanks) > 1 and len(tabs) == 1
