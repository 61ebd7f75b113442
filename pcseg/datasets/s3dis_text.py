"""Read tables of numbers in text files: fast if they are clean, line by line and leniently if they are damaged."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.defects import Defect

_CONTROL = bytes(b for b in range(256) if (b < 32 and b not in b"\t\n") or b > 126)
_PLAIN = bytes(b for b in range(256) if b not in _CONTROL or b == 13)
_TO_BLANK = bytes(32 if b in _CONTROL else b for b in range(256))
_LISTED = 20

Plausible = Callable[[np.ndarray], np.ndarray]
"""Function of rows (P, C) that returns which of them are plausible, (P,) bool, each on its own."""


def read_table(path: Path, columns: int, plausible: Plausible) -> tuple[np.ndarray, list[Defect]]:
    """Read (P, columns) float64 from white-space separated text, repairing or dropping damaged lines.

    A control byte inside a token is left out if the line is then complete and plausible, else it is read as a blank; a
    line that neither repairs, or that is implausible, is dropped. Each such line is reported with its number. Raises
    InputError if no line can be read.
    """
    try:
        content = path.read_bytes()
        if not content:
            return np.empty((0, columns)), [Defect(str(path), None, "the file is empty", "skipped")]
        if content.translate(None, _PLAIN):  # numpy reads some control bytes as blanks without a warning
            return _read_damaged(path, content, columns, plausible)
        # numpy's C parser, some 4 M points/s; it refuses damaged numbers and rows of unequal length
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "input contained no data", which is reported below
            rows = np.loadtxt(path, dtype=np.float64, comments=None, encoding="latin1", ndmin=2)
        if rows.shape[1] == columns and len(rows) and plausible(rows).all():
            return rows, []
    except ValueError:
        pass
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror}); check the file") from error
    return _read_damaged(path, content, columns, plausible)


def _read_damaged(path: Path, content: bytes, columns: int, plausible: Plausible) -> tuple[np.ndarray, list[Defect]]:
    rows: list[list[float]] = []
    numbers: list[int] = []
    defects: dict[int, Defect] = {}
    lines = [line.rstrip(b"\r") for line in content.split(b"\n")]
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = None if line.translate(None, _PLAIN) or b"\r" in line else _numbers(line, columns)
        if row is None:
            row, action = _repair(line, columns, plausible)
            defects[number] = Defect(str(path), number, _described(line), action)
        if row is not None:
            rows.append(row)
            numbers.append(number)
    table = np.array(rows).reshape(-1, columns)
    good = plausible(table)
    for number in np.array(numbers)[~good] if len(table) else ():
        defects[int(number)] = Defect(str(path), int(number), _described(lines[number - 1]), "dropped")
    found = [defects[number] for number in sorted(defects)]
    if not good.any():
        first = str(found[0]) if found else f"{path}: only blank lines"
        raise InputError(f"{first}; no line holds {columns} plausible numbers, copy the file again from its source")
    return table[good], _shortened(path, found)


def _numbers(line: bytes, columns: int) -> list[float] | None:
    try:
        row = [float(token) for token in line.split()]
    except ValueError:
        return None
    if b"_" in line:  # Python reads "_" as part of a number
        return None
    return row if len(row) == columns else None


def _repair(line: bytes, columns: int, plausible: Plausible) -> tuple[list[float] | None, str]:
    without, blank = line.translate(None, _CONTROL), line.translate(_TO_BLANK)
    if without != line:
        for repaired, action in ((without, "control byte left out"), (blank, "control byte read as a blank")):
            row = _numbers(repaired, columns)
            if row is not None and plausible(np.array([row]))[0]:
                return row, action
    return None, "dropped"


def _described(line: bytes) -> str:
    text = repr(line[:80])[1:]
    return f"line reads {text}{'...' if len(line) > 80 else ''}"


def _shortened(path: Path, defects: list[Defect]) -> list[Defect]:
    if len(defects) <= _LISTED:
        return defects
    rest = defects[_LISTED:]
    dropped = sum(d.action == "dropped" for d in rest)
    more = Defect(str(path), None, f"{len(rest)} more damaged lines", f"{dropped} of them dropped, the others repaired")
    return [*defects[:_LISTED], more]
