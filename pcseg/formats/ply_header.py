"""Read the header of a PLY file leniently: elements, their properties, comments."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from pcseg.errors import InputError, cut
from pcseg.formats.ascii_rows import start_of_data
from pcseg.formats.defects import Defect

LIMIT = 1 << 22
"""Bytes within which a header must end."""

KINDS = {
    "char": "i1", "int8": "i1", "sbyte": "i1", "uchar": "u1", "uint8": "u1", "ubyte": "u1", "byte": "u1", "bool": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "long": "i8", "int64": "i8", "ulong": "u8", "uint64": "u8",
    "half": "f2", "float16": "f2", "float": "f4", "float32": "f4", "single": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
"""Names of number types in the files of many tools."""

Order = Literal["", "<", ">"]

_FORMATS: dict[str, Order] = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_END = re.compile(rb"(?:^|[\r\n])[ \t]*end_header[ \t]*(\r\n|\n|\r|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Property:
    """A column: its name, type, the type of its length if it holds lists, the word for its type, and its line."""

    name: str
    kind: np.dtype
    length: np.dtype | None
    word: str
    line: int


@dataclass(frozen=True)
class Element:
    """A table of ``count`` rows, declared in ``line``."""

    name: str
    count: int
    line: int
    properties: tuple[Property, ...] = ()

    @property
    def least(self) -> int:
        """Smallest size in bytes of a binary row, with all lists empty."""
        return sum((p.kind if p.length is None else p.length).itemsize for p in self.properties)

    @property
    def lists(self) -> bool:
        return any(p.length is not None for p in self.properties)

    def named(self, *names: str) -> bool:
        """Return whether it has a property of each of these names, in any case."""
        return set(names) <= {p.name.lower() for p in self.properties}


@dataclass(frozen=True)
class Header:
    """``order`` of bytes: "<", ">" or "" for ascii; ``start``: offset of the first byte after the header of ``lines``
    lines.
    """

    order: Order
    elements: tuple[Element, ...]
    comments: tuple[str, ...]
    infos: tuple[str, ...]
    start: int
    lines: int
    defects: tuple[Defect, ...]


def read_header(content: np.ndarray, path: Path) -> Header:
    """Return the header of a file of bytes ``content`` (uint8); raises InputError that names the line it cannot
    read.
    """
    end = _END.search(content[:LIMIT].data)
    head = content[: end.end() if end else 100].tobytes()
    skip = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    first = re.split(rb"[\r\n]", head[skip:].lstrip(), maxsplit=1)[0]
    if first.strip().lower() != b"ply":
        raise InputError(
            f"{path}: begins with {cut(first.decode('latin1'), 40)!r}, not with 'ply'; it is not a PLY file, check the "
            "file"
        )
    if end is None:
        raise InputError(f"{path}: not a readable PLY file (no line 'end_header'); it is cut off, copy it again")
    start = start_of_data(head)
    try:
        text = head[skip : end.start()].decode("utf-8")
    except UnicodeDecodeError:
        text = head[skip : end.start()].decode("latin1")
    lines = re.split(r"\r\n|\n|\r", text)
    return _understood(lines, start, len(re.findall(rb"\r\n|\n|\r", head[:start])), path)


def _understood(lines: list[str], start: int, count: int, path: Path) -> Header:
    order: Order | None = None
    elements: list[Element] = []
    comments: list[str] = []
    infos: list[str] = []
    defects: list[Defect] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        key = words[0].lower() if words else ""
        if key in ("", "ply"):
            continue
        if key in ("comment", "obj_info"):
            text = line.strip()[len(key) :]
            (comments if key == "comment" else infos).append(text.removeprefix(" "))
        elif key == "format":
            order = _FORMATS.get(words[1].lower()) if len(words) > 1 else None
            if order is None:
                raise _bad_line(path, number, line, f"write one of the formats {', '.join(_FORMATS)}")
        elif key == "element":
            if len(words) != 3 or not re.fullmatch(r"\+?\d{1,18}", words[2]):
                raise _bad_line(path, number, line, "write 'element', a name and a whole number")
            elements.append(Element(words[1], int(words[2]), number))
        elif key == "property":
            if not elements:
                raise _bad_line(path, number, line, "write a line 'element vertex' with the number of points before it")
            found = _property(words, number, line, path)
            last = elements[-1]
            while last.named(found.name.lower()):
                if found.name.lower() in ("x", "y", "z"):
                    raise _bad_line(
                        path, number, line, f"there is a {found.name} already; give one of them another name"
                    )
                defects.append(Defect(str(path), number, f"a second {found.name}", f"called {found.name}_2"))
                found = replace(found, name=f"{found.name}_2")
            elements[-1] = replace(last, properties=(*last.properties, found))
        else:
            defects.append(
                Defect(str(path), number, f"{cut(line.strip(), 60)!r} in the header", "not understood, ignored")
            )
    if order is None:
        raise InputError(
            f"{path}: no line 'format' in its header; add 'format ascii 1.0' or the binary format that it has"
        )
    return Header(order, tuple(elements), tuple(comments), tuple(infos), start, count, tuple(defects))


def _property(words: list[str], number: int, line: str, path: Path) -> Property:
    kinds = words[1:]
    if len(kinds) > 2 and kinds[0].lower() in ("unsigned", "signed"):
        kinds = [("u" if kinds[0].lower() == "unsigned" else "") + kinds[1], *kinds[2:]]
    length: np.dtype | None = None
    if kinds and kinds[0].lower() == "list":
        length = np.dtype(KINDS.get(kinds[1].lower(), "O")) if len(kinds) > 3 else np.dtype("O")
        kinds = kinds[2:]
        if length.kind not in "iu":
            raise _bad_line(path, number, line, "write 'property list', an integer type, a type and a name")
    if len(kinds) < 2 or kinds[0].lower() not in KINDS:
        raise _bad_line(
            path, number, line, f"write 'property', a type and a name, with a type such as {', '.join(KINDS)}"
        )
    return Property(" ".join(kinds[1:]), np.dtype(KINDS[kinds[0].lower()]), length, kinds[0].lower(), number)


def _bad_line(path: Path, number: int, line: str, wanted: str) -> InputError:
    return InputError(f"{path}: line {number} of its header reads {cut(line.strip(), 60)!r}; {wanted}")
