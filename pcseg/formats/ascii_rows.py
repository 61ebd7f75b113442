"""Read rows of numbers in text whose columns a header declares: ascii PLY and PCD."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

import numpy as np

from pcseg.errors import InputError, cut
from pcseg.formats.numerals import read_number

BLOCK = 1 << 24
"""Bytes of text parsed at a time."""

_EXACT = 2.0**53
"""Whole numbers up to this are exact as float64."""


def read_rows(
    text: np.ndarray, rows: int, kinds: Sequence[np.dtype], where: str, line: int, alone: bool = True
) -> tuple[list[np.ndarray], int]:
    """Return the first ``rows`` rows of ``text`` (bytes, uint8) as one column (rows,) per entry of ``kinds``, and where
    they end.

    Numbers are separated by any number of blanks, or by commas or semicolons if the first row is. Empty lines are
    skipped. A row may span several lines if all rows do so alike and nothing follows them (``alone``). An integer
    column that holds other numbers becomes float64. ``line`` is the number of the first line, for messages. Raises
    InputError that names the line if it holds anything but numbers, or too few or too many of them.
    """
    if not kinds or rows == 0:
        return [np.empty(rows, kind) for kind in kinds], 0
    if rows * 2 * len(kinds) > len(text) + 1:  # at least a digit and a blank each; checked before anything is allocated
        raise _too_few(where, rows, rows_in(text))
    text = _blanks(text, len(kinds))
    columns = [np.empty(rows, kind) for kind in kinds]
    done = start = 0
    while done < rows and start < len(text):
        block = _block(text, start)
        begins, counts = _lines(block)
        filled = np.flatnonzero(counts)[: rows - done]
        wrong = filled[counts[filled] != len(kinds)]
        if wrong.size:
            if not (alone and done == 0 and _wrapped(text, rows, len(kinds))):
                raise _bad_row(block, begins, int(wrong[0]), line, len(kinds), where)
            block, filled, stop = text, np.arange(rows), len(text)
        else:
            stop = _end(block, begins, int(filled[-1])) if filled.size else len(block)
        values = _numbers(block[:stop], begins, line, len(kinds), where)
        _fill(columns, values, done, block[:stop])
        done += len(filled)
        line += len(begins)
        start += stop if done == rows else len(block)
    if done < rows:
        raise _too_few(where, rows, done)
    return columns, start


def start_of_data(head: bytes) -> int:
    """Return the offset of the first byte of data in a file with header ``head``, which includes the end of its last
    line.

    If header lines end in a carriage return alone, a newline after the last one is the first byte of the data.
    """
    style = re.search(rb"\r\n|\n|\r", head)
    alone = style is not None and style[0] == b"\r"
    return len(head) - 1 if alone and head.endswith(b"\r\n") else len(head)


def newlines(text: np.ndarray) -> np.ndarray:
    """Return ``text`` (bytes, uint8) with newlines for the line ends of old Macs, a lone carriage return."""
    start = text[:BLOCK]
    if (start == 13).any() and not (start == 10).any():
        return np.where(text == 13, np.uint8(10), text)
    return text


def rows_in(text: np.ndarray) -> int:
    """Return the number of lines of ``text`` (bytes, uint8) that are not blank."""
    found = start = 0
    while start < len(text):
        block = _block(text, start)
        found += int((_lines(block)[1] > 0).sum())
        start += len(block)
    return found


def skip_rows(text: np.ndarray, rows: int) -> tuple[int, int]:
    """Return where the first ``rows`` lines of ``text`` that are not blank end, and the number of all lines up to
    there.
    """
    start = lines = 0
    while rows and start < len(text):
        block = _block(text, start)
        begins, counts = _lines(block)
        filled = np.flatnonzero(counts)[:rows]
        rows -= len(filled)
        if not rows:
            return start + _end(block, begins, int(filled[-1])), lines + int(filled[-1]) + 1
        start, lines = start + len(block), lines + len(begins)
    return start, lines


def _number(word: str) -> float:
    """Return the number that ``word`` spells, with a decimal point or comma; raises ValueError if it spells none."""
    value = read_number(word.replace(",", ".") if word.count(",") == 1 and "." not in word else word)
    if value is None:
        raise ValueError(word)
    return value


def _block(text: np.ndarray, start: int) -> np.ndarray:
    """Return some whole lines of ``text`` from ``start``."""
    block = np.asarray(text[start : start + BLOCK])
    if start + len(block) == len(text):
        return block
    ends = np.flatnonzero(block == 10)
    return block[: int(ends[-1]) + 1] if ends.size else np.asarray(text[start:])


def _blanks(text: np.ndarray, width: int) -> np.ndarray:
    """Return ``text`` with blanks for the commas or semicolons that separate its numbers, if any do."""
    first = text[: skip_rows(text, 1)[0]].tobytes()
    if len(first.split()) != width:
        for mark in (b";", b","):
            if len(first.replace(mark, b" ").split()) == width:
                return np.where(text == mark[0], np.uint8(32), text)
    return text


def _lines(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the start of each line and its number of words."""
    begins = np.concatenate([[0], np.flatnonzero(block[:-1] == 10) + 1])
    words = block > 32
    words[1:] &= block[:-1] <= 32
    return begins, np.add.reduceat(words, begins, dtype=np.int32)


def _end(block: np.ndarray, begins: np.ndarray, line: int) -> int:
    return int(begins[line + 1]) if line + 1 < len(begins) else len(block)


def _wrapped(text: np.ndarray, rows: int, width: int) -> bool:
    """Return whether all rows are broken into lines alike, or all are on one line."""
    counts = _lines(np.asarray(text))[1]
    counts = counts[counts > 0]
    if counts.sum() != rows * width:
        return False
    if len(counts) == 1:
        return True
    return len(counts) % rows == 0 and bool((counts.reshape(rows, -1) == counts[: len(counts) // rows]).all())


def _numbers(block: np.ndarray, begins: np.ndarray, line: int, width: int, where: str) -> np.ndarray:
    """Return all numbers (rows, width) float64 of a block whose lines have ``width`` words each, or none."""
    content = block.tobytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # older NumPy warns of words that are no numbers
            values = np.fromstring(content, dtype=np.float64, sep=" ")
        return values.reshape(-1, width)
    except (ValueError, DeprecationWarning):
        pass
    rows = []
    for i, row in enumerate(content.split(b"\n"), start=line):
        words = row.decode("latin1").split()
        try:
            rows.append([_number(word) for word in words])
        except ValueError:
            raise _bad_line(row, i, width, where) from None
    return np.array([value for row in rows for value in row], dtype=np.float64).reshape(-1, width)


def _fill(columns: list[np.ndarray], values: np.ndarray, at: int, block: np.ndarray) -> None:
    """Put ``values`` (rows, width) into the columns from row ``at`` on; a column that cannot hold them becomes
    float64.
    """
    for j in range(len(columns)):
        found, kind = values[:, j], columns[j].dtype
        if kind.kind in "iu":
            if kind.itemsize == 8 and (np.abs(found) >= _EXACT).any():
                words = block.tobytes().split()[j :: len(columns)]
                try:
                    columns[j][at : at + len(found)] = np.array([int(word) for word in words], dtype=kind)
                    continue
                except (ValueError, OverflowError):
                    pass
            limits = np.iinfo(kind)
            if not ((found == np.rint(found)) & (found >= limits.min) & (found <= limits.max)).all():
                columns[j] = columns[j].astype(np.float64)
        with np.errstate(over="ignore"):
            columns[j][at : at + len(found)] = found


def _too_few(where: str, rows: int, held: int) -> InputError:
    return InputError(f"{where}: declares {rows} points, but holds {held}; it is cut off, copy it again")


def _bad_row(block: np.ndarray, begins: np.ndarray, which: int, line: int, width: int, where: str) -> InputError:
    row = block[begins[which] : _end(block, begins, which)].tobytes()
    return _bad_line(row, line + which, width, where)


def _bad_line(row: bytes, line: int, width: int, where: str) -> InputError:
    text = cut(row.decode("utf-8", "replace").strip(), 60)
    return InputError(f"{where}: line {line} reads {text!r}, but {width} numbers are needed; fix or remove it")
