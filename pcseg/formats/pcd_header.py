"""Read the header of a PCD file: fields and types, number of points, encoding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pcseg.errors import InputError, cut
from pcseg.formats.ascii_rows import start_of_data
from pcseg.formats.defects import Defect

LIMIT = 1 << 20
"""Bytes within which a header must end."""

_KINDS = {"F": ("f", (2, 4, 8)), "I": ("i", (1, 2, 4, 8)), "U": ("u", (1, 2, 4, 8))}
_DATA = re.compile(rb"(?:^|[\r\n])[ \t]*DATA(?:[ \t][^\r\n]*)?(\r\n|\n|\r|$)", re.IGNORECASE)
_IDENTITY = (0, 0, 0, 1, 0, 0, 0)


@dataclass(frozen=True)
class Field:
    """A column of ``count`` numbers per point; ``name`` is empty for padding."""

    name: str
    kind: np.dtype
    count: int


@dataclass(frozen=True)
class Header:
    """``encoding``: "ascii", "binary" or "binary_compressed"; ``points``: each declared number of points, by its
    wording.

    ``start``: the offset of the first byte after the header of ``lines`` lines.
    """

    fields: tuple[Field, ...]
    points: dict[str, int]
    encoding: str
    start: int
    lines: int
    defects: tuple[Defect, ...]

    @property
    def size(self) -> int:
        """Bytes of a point."""
        return sum(f.kind.itemsize * f.count for f in self.fields)


def read_header(content: np.ndarray, path: Path) -> Header:
    """Return the header of a file of bytes ``content`` (uint8); raises InputError that names the line it cannot
    read.
    """
    end = _DATA.search(content[:LIMIT].data)
    if end is None:
        raise InputError(f"{path}: no PCD header (no line 'DATA'); export the cloud again")
    head = content[: end.end()].tobytes()
    rows: dict[str, tuple[int, list[str]]] = {}
    for number, line in enumerate(re.split(r"\r\n|\n|\r", head.decode("latin1").removeprefix("ï»¿")), start=1):
        words = line.split("#")[0].split()
        if words:
            rows[words[0].upper()] = (number, words[1:])
    encoding = " ".join(rows["DATA"][1]).lower()
    if encoding not in ("ascii", "binary", "binary_compressed"):
        raise InputError(
            f"{path}: line {rows['DATA'][0]}: DATA {cut(encoding, 40)} is unknown; export it as ascii, binary or "
            "binary_compressed"
        )
    defects: list[Defect] = []
    fields = _fields(rows, encoding == "ascii", path, defects)
    points = _points(rows, path)
    if "VIEWPOINT" in rows and tuple(_numbers(rows["VIEWPOINT"][1])) != _IDENTITY:
        found = f"VIEWPOINT {cut(' '.join(rows['VIEWPOINT'][1]), 60)}, the pose of the sensor"
        defects.append(Defect(str(path), rows["VIEWPOINT"][0], found, "the points are not transformed, as in PCL"))
    lines = len(re.findall(rb"\r\n|\n|\r", head))
    return Header(fields, points, encoding, start_of_data(head), lines, tuple(defects))


def _fields(rows: dict[str, tuple[int, list[str]]], text: bool, path: Path, defects: list[Defect]) -> tuple[Field, ...]:
    line, names = rows.get("FIELDS") or rows.get("COLUMNS") or (0, [])
    if not names:
        raise InputError(f"{path}: no line 'FIELDS' in its header; add one such as 'FIELDS x y z'")
    if text:  # text can be read without them
        rows = {"SIZE": (line, ["8"] * len(names)), "TYPE": (line, ["F"] * len(names)), **rows}
    rows = {"COUNT": (line, ["1"] * len(names)), **rows}
    for key in ("SIZE", "TYPE", "COUNT"):
        if key not in rows:
            raise InputError(f"{path}: no line '{key}' in its header; export the cloud again")
        if len(rows[key][1]) != len(names):
            raise InputError(
                f"{path}: line {rows[key][0]}: {len(rows[key][1])} values of {key} for {len(names)} FIELDS; export it "
                "again"
            )
    fields: list[Field] = []
    for name, size, kind, count in zip(names, rows["SIZE"][1], rows["TYPE"][1], rows["COUNT"][1], strict=True):
        letter, sizes = _KINDS.get(kind.upper(), ("", ()))
        if not size.isdecimal() or int(size[:9]) not in sizes:
            raise InputError(
                f"{path}: line {rows['TYPE'][0]}: no number has TYPE {cut(kind, 20)} and SIZE {cut(size, 20)}, as "
                f"{cut(name, 40)} has; export it again"
            )
        if not re.fullmatch(r"[1-9]\d{0,8}", count):
            raise InputError(
                f"{path}: line {rows['COUNT'][0]}: COUNT {cut(count, 20)} of {cut(name, 40)}; give 1 or more"
            )
        unique = "" if set(name) == {"_"} else name
        while unique and unique.lower() in {f.name.lower() for f in fields}:
            if unique.lower() in ("x", "y", "z"):
                raise InputError(f"{path}: line {line}: two FIELDS are called {unique}; give one of them another name")
            defects.append(Defect(str(path), line, f"a second {unique}", f"called {unique}_2"))
            unique += "_2"
        fields.append(Field(unique, np.dtype(f"<{letter}{size}"), int(count)))
    return tuple(fields)


def _points(rows: dict[str, tuple[int, list[str]]], path: Path) -> dict[str, int]:
    """Return each declared number of points by its wording: POINTS, and WIDTH times HEIGHT."""
    numbers = {}
    for key in ("POINTS", "WIDTH", "HEIGHT"):
        if key in rows:
            line, words = rows[key]
            if len(words) != 1 or not re.fullmatch(r"[+-]?\d{1,18}", words[0]):
                raise InputError(f"{path}: line {line}: {key} {cut(' '.join(words), 40)}; give one whole number")
            numbers[key] = int(words[0])
    points = {f"POINTS {numbers['POINTS']}": numbers["POINTS"]} if "POINTS" in numbers else {}
    if "WIDTH" in numbers:
        height = numbers.get("HEIGHT", 1)
        negative = min(numbers["WIDTH"], height) < 0
        points[f"WIDTH {numbers['WIDTH']} times HEIGHT {height}"] = -1 if negative else numbers["WIDTH"] * height
    if not points:
        raise InputError(f"{path}: no line 'POINTS' in its header; add one with the number of points")
    return points


def _numbers(words: list[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        return []
