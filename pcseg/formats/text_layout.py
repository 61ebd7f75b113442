"""What the lines of a text file of points are: comments, column names, units, a count of points, rows; and how rows are split."""

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
"""Characters of a line that is still taken for one."""

_SAMPLE = 50
"""Rows that are looked at to tell how they are split."""

_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip

_UNITS = re.compile(r"[\[(](mm|cm|dm|km|ft|us-?ft|deg)[\])]|(?<=\s)(mm|cm|dm|km|ft|us-?ft|deg)(?=\s|$)", re.IGNORECASE)
"""Units that would have to be told by scale: in classes.yaml."""


@dataclass(frozen=True)
class Layout:
    """How to read a text file: its encoding, the number of lines before the first row, what separates the columns (None for
    blanks), how many there are, their names (none where the file has none), how many points the file says it holds, and
    whether 1,5 stands for 1.5. ``header`` is the line of names as it stands there, ``unit`` one that is no meter, ``flags`` are
    the columns of TRUE and FALSE."""

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
    """The layout of the text file at ``path``, told by what its first lines are; ``columns`` are names the user gave.

    Raises InputError where a line before the first row is neither names, units, a count, a comment nor blank, and where
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
                f"{path}: line {number} reads {text[:60]!r}, but names came before it; remove one of these lines"
            )
        else:
            header = text
            if not columns and not (has_coordinates(read_names(text)) or are_numbered(read_names(text))):
                raise InputError(
                    f"{path}: line {number} reads {text[:60]!r}: no names x, y and z among these, and no numbers; "
                    "name the columns so, or begin the line with #"
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
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):  # without a mark: every other byte is zero
        if head[first::2].count(0) > 0.45 * len(head) and head[1 - first :: 2].count(0) < 0.05 * len(head):
            return name
    if head and not head.rstrip(b"\0").count(0) and head.endswith(b"\0"):
        end = len(head.rstrip(b"\0"))
        raise InputError(f"{path}: from byte {end} on it holds zeros; it was not written to its end, copy it again")
    if head.count(0) > 0.01 * len(head):
        raise InputError(f"{path}: its content is binary, not text; give it the ending of its format")
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
    """The names in the last comment that has one for each column; x, y and z must be among them."""
    for comment in reversed(comments):
        for text in (comment, comment.rpartition(":")[2].strip()):
            for split in (separator, "?"):
                names = read_names(text, split) if text else ()
                if has_coordinates(names) and len(names) == width:
                    return names
    return next((read_names(c) for c in reversed(comments) if c and has_coordinates(read_names(c)[:3])), ())


def _fitted(names: tuple[str, ...], table: list[list[str]], numbered: bool) -> tuple[tuple[str, ...], int]:
    """Names and number of columns, where a separator may end the lines, and R leaves out the name of the row numbers."""
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
    """The columns of TRUE and FALSE, and of nothing else but what stands for none; no coordinate is one."""
    found = set()
    for i, column in enumerate(zip(*table, strict=False)):
        coordinate = names[i].lower() in "xyz" if i < len(names) else i < 3
        logical = not {"true", "false"}.isdisjoint(cell.lower() for cell in column)
        if logical and not coordinate and None not in map(read_flag, column):
            found.add(i)
    return frozenset(found)


def _counted(table: list[list[str]]) -> bool:
    """Does the first column number at least three rows from 1?"""
    return len(table) > 2 and [row[0] for row in table] == [str(i) for i in range(1, len(table) + 1)]


def _separator(rows: list[str], header: str) -> tuple[str | None, bool]:
    """What separates the columns, None for blanks, and whether commas stand for points."""
    first = rows[0]
    separator = ";" if ";" in first else None
    if separator is None and "\t" in first and _ragged([*rows, header] if "\t" in header else rows):
        separator = "\t"
    quoted = separator is None and '"' in first and "," in re.sub('"[^"]*"', "", first)
    if quoted:  # what is within quotes separates nothing
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
    """Do lines split at blanks differ in length where those split at tabs do not? Then cells are empty, or hold blanks."""
    blanks, tabs = ({len(line.split(split)) for line in lines} for split in (None, "\t"))
    return len(blanks) > 1 and len(tabs) == 1
