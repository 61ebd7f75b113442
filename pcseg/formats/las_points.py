"""Describe the columns of a LAS point: the standard ones of its format and those that the file describes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from laspy.point import dims

from pcseg.formats.defects import Defect

TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
"""Types of described columns of one number, in the order of their type codes from 1."""

DESCRIPTION = struct.Struct("<2xBB32s4x24s24s24s3d3d32s")
"""Layout of a description: type, options, name, no-data value, minimum, maximum, scale, offset, text."""

_NO_DATA, _EXTREMES, _SCALE, _OFFSET = 1, 2 | 4, 8, 16  # bits of the options


@dataclass(frozen=True)
class Extra:
    """A column after the standard ones: ``width`` numbers of ``kind`` per point ("" for undescribed bytes).

    ``name`` is unique in the file; ``scale`` and ``offset``, (3,) each, convert the stored number to the value,
    ``no_data`` is the stored number that means no data; each None if not declared. ``description`` (192 bytes) is that
    of the file.
    """

    name: str
    kind: str
    width: int
    description: bytes
    scale: np.ndarray | None = None
    offset: np.ndarray | None = None
    no_data: np.ndarray | None = None

    @property
    def names(self) -> list[str]:
        """One name per number; empty for undescribed bytes."""
        if not self.kind:
            return []
        return [self.name] if self.width == 1 else [f"{self.name}[{k}]" for k in range(self.width)]

    @property
    def dtype(self) -> np.dtype:
        base = np.dtype(f"<{self.kind or 'u1'}")
        return base if self.width == 1 else np.dtype((base, (self.width,)))


def point_type(kind: int, extras: Sequence[Extra]) -> np.dtype:
    """Return the dtype of a point of format ``kind``: the names of laspy, then those of ``extras``."""
    standard = dims.ALL_POINT_FORMATS_DTYPE[kind]
    return np.dtype([*standard.descr, *((extra.name, extra.dtype) for extra in extras)])


def standard_names(kind: int) -> tuple[list[str], dict[str, tuple[str, int, int]]]:
    """Return the columns of format ``kind`` that are numbers, and those that are bits of one: {name: (number, mask,
    shift)}.
    """
    packed = dims.COMPOSED_FIELDS[kind]
    bits = {
        part.name: (whole, int(part.mask), (int(part.mask) & -int(part.mask)).bit_length() - 1)
        for whole, parts in packed.items()
        for part in parts
    }
    names = dims.ALL_POINT_FORMATS_DTYPE[kind].names or ()
    return [name for name in names if name not in packed], bits


def described_extras(where: str, kind: int, body: bytes, space: int, defects: list[Defect]) -> tuple[Extra, ...]:
    """Return the columns that ``body`` describes, as far as they fit in the ``space`` bytes of a point, and the
    remaining bytes.

    A name that is taken, even by a standard column, gets a number. Irregularities are added to ``defects``.
    """
    plain, bits = standard_names(kind)
    taken = {*plain, *bits, *(whole for whole, _, _ in bits.values()), "x", "y", "z"}
    found: list[Extra] = []
    whole = len(body) // DESCRIPTION.size * DESCRIPTION.size
    if whole < len(body):
        defects.append(Defect(where, None, "the last description of a further column is cut off", "left out"))
    for at in range(0, whole, DESCRIPTION.size):
        text = body[at : at + DESCRIPTION.size]
        extra = _extra(text)
        if extra is None or extra.dtype.itemsize > space:
            left = ", ".join(_name(body[k : k + DESCRIPTION.size]) for k in range(at, whole, DESCRIPTION.size))
            why = f"of the type {text[2]}, which does not exist" if extra is None else "that do not fit in its points"
            defects.append(Defect(where, None, f"describes columns {why}: {left}", "left out"))
            break
        space -= extra.dtype.itemsize
        name = _unique(extra.name, taken)
        if name != extra.name and extra.kind:
            said = f"a further column has the name {extra.name!r} of another" if extra.name else "a column has no name"
            defects.append(Defect(where, None, said, f"called {name}"))
        if extra.width:
            found.append(replace(extra, name=name))
    if space:
        found.append(Extra(_unique("undescribed", taken), "", space, b""))
    bare = sum(extra.width for extra in found if not extra.kind)
    if bare:
        defects.append(Defect(where, None, f"{bare} bytes of each point are not described", "not read as columns"))
    return tuple(found)


def describe(extra: Extra) -> bytes:
    """Return the description of ``extra``: that of the file under its name, without extremes, which are out of date.

    Undescribed bytes are split into parts of sizes whose bits laspy does not misread.
    """
    if not extra.kind:
        parts, left = [], extra.width
        for width in (228, 100, 36, 4, 1):
            parts += [width] * (left // width)
            left %= width
        name = _short(extra.name, 24)
        return b"".join(_described(f"{name}[{k}]".encode(), 0, width) for k, width in enumerate(parts))
    name = _short(extra.name, 32)
    if not extra.description:
        return _described(name.encode(), TYPES.index(extra.kind) + 1, 0)
    number, options, _, *rest = DESCRIPTION.unpack(extra.description)
    return DESCRIPTION.pack(number, options & ~_EXTREMES, name.encode(), *rest)


def _described(name: bytes, number: int, options: int) -> bytes:
    return DESCRIPTION.pack(number, options, name, b"", b"", b"", *(0.0,) * 6, b"")


def _extra(text: bytes) -> Extra | None:
    number, options, name, no_data, _, _, *steps, _ = DESCRIPTION.unpack(text)
    if number > 30:
        return None
    if number == 0:
        return Extra(_decoded(name), "", options, text)
    kind, width = TYPES[(number - 1) % 10], 1 + (number - 1) // 10
    wide = {"u": "<u8", "i": "<i8", "f": "<f8"}[kind[0]]
    return Extra(
        _decoded(name), kind, width, text,
        np.array(steps[:3]) if options & _SCALE else None,
        np.array(steps[3:]) if options & _OFFSET else None,
        np.frombuffer(no_data, wide) if options & _NO_DATA else None,
    )  # fmt: skip


def _name(text: bytes) -> str:
    return _decoded(DESCRIPTION.unpack(text)[2])


def _decoded(name: bytes) -> str:
    name = name.split(b"\0")[0].strip()
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _short(name: str, most: int) -> str:
    return name.encode()[:most].decode(errors="ignore")


def _unique(name: str, taken: set[str]) -> str:
    """Return ``name``, with a number if it is taken, and add it to ``taken``."""
    base = name or "extra"
    unique = base if base not in taken else next(n for k in count(2) if (n := f"{_short(base, 27)}_{k}") not in taken)
    taken.add(unique)
    return unique
