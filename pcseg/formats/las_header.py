"""Read the header and records of a LAS or LAZ file; every count is checked against the size of the file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.formats.las_points import Extra, described_extras, point_type

_SIZES = (227, 227, 227, 235, 375, 375)  # of the header, by minor version; 1.5 has 393 bytes, of which 375 are read
_LEAST, _FARTHEST = 1e-12, 1e15
"""Smallest step and farthest coordinate that are accepted; beyond it float64 cannot hold centimeters."""


@dataclass(frozen=True)
class Record:
    """A variable length record: user id, record id, the bytes of its head, and offset and length of its body."""

    user: str
    number: int
    head: bytes
    start: int
    length: int

    @property
    def is_description(self) -> bool:
        """Return whether it describes the extra columns of a point."""
        return (self.user, self.number) == ("LASF_Spec", 4)

    def body(self, stream: IO[bytes]) -> bytes:
        """Return the body from the file ``stream``."""
        stream.seek(self.start)
        return stream.read(self.length)


@dataclass(frozen=True)
class LasFile:
    """The checked header of a LAS file.

    ``header``: its bytes; ``kind``: the point format; ``extras``: the columns after the standard ones; ``dtype``: of a
    point; ``start``: the offset of the first point.
    """

    path: Path
    size: int
    header: bytes
    minor: int
    kind: int
    compressed: bool
    count: int
    start: int
    scale: np.ndarray
    offset: np.ndarray
    records: tuple[Record, ...]
    extended: tuple[Record, ...]
    extras: tuple[Extra, ...]
    dtype: np.dtype
    defects: tuple[Defect, ...]

    @property
    def bounds(self) -> np.ndarray:
        """Smallest and largest coordinates (2, 3) that the header declares."""
        return np.array(struct.unpack_from("<6d", self.header, 179)).reshape(3, 2).T[::-1]


def read_header(path: Path) -> LasFile:
    """Return all of a LAS file except its points; raises InputError if it is not LAS or does not hold what it
    declares.
    """
    size = path.stat().st_size
    with open(path, "rb") as stream:
        head = stream.read(1 << 16)  # no header is longer
        if head[:4] != b"LASF" or len(head) < 227:
            raise InputError(f"{path}: not a LAS file (it does not begin with a LAS header); check the file")
        major, minor = head[24], head[25]
        length, start, records = struct.unpack_from("<HII", head, 94)
        kind, width = struct.unpack_from("<BH", head, 104)
        if major != 1 or minor > 5:
            raise InputError(f"{path}: LAS version {major}.{minor}, but only 1.0 to 1.5 exist; export it again")
        if length < _SIZES[minor] or not length <= start <= size or len(head) < _SIZES[minor]:
            raise InputError(
                f"{path}: a header of {length} bytes and points from byte {start} do not fit in a LAS 1.{minor} file "
                "of "
                f"{size} bytes; it is cut off or damaged, copy it again"
            )
        compressed, kind = bool(kind & 0x80), kind & 0x7F
        if kind > 10:
            raise InputError(f"{path}: point format {kind}, but only 0 to 10 exist; export it again")
        listed = _records(stream, path, length, start, records, False)
        defects: list[Defect] = []
        extended, waves = _extended(stream, path, head, minor, size, defects)
        bodies = [r.body(stream) for r in listed if r.is_description]
    scale, offset = _steps(path, head)
    dtype = point_type(kind, ())
    if width < dtype.itemsize:
        raise InputError(
            f"{path}: points of {width} bytes, but format {kind} has {dtype.itemsize}; it is damaged, copy it again"
        )
    extras = described_extras(str(path), kind, b"".join(bodies), width - dtype.itemsize, defects)
    end = min([size, *(at for at in (*(r.start - 60 for r in extended), waves) if at > start)])
    count = _count(path, head, minor, kind, None if compressed else (width, start, end, size), defects)
    return LasFile(
        path, size, head[:length], minor, kind, compressed, count, start, scale, offset, listed, extended, extras,
        point_type(kind, extras), tuple(defects),
    )  # fmt: skip


def _records(stream: IO[bytes], path: Path, start: int, end: int, count: int, extended: bool) -> tuple[Record, ...]:
    """Return ``count`` records between ``start`` and ``end``; raises InputError if they do not fit."""
    least, name = (60, "extended records (EVLRs)") if extended else (54, "records (VLRs)")
    at, found = start, []
    if count * least <= end - start:
        for _ in range(count):
            stream.seek(at)
            head = stream.read(least)
            if len(head) < least:
                break
            user = head[2:18].split(b"\0")[0].decode("latin-1")
            number, length = struct.unpack_from("<HQ" if extended else "<HH", head, 18)
            if at + least + length > end:
                break
            found.append(Record(user, number, head, at + least, length))
            at += least + length
    if len(found) < count:
        raise InputError(
            f"{path}: its header says {count} {name}, but only {len(found)} fit in bytes {start} to {end}; it is cut "
            "off "
            "or damaged, copy it again"
        )
    return tuple(found)


def _extended(
    stream: IO[bytes], path: Path, head: bytes, minor: int, size: int, defects: list[Defect]
) -> tuple[tuple[Record, ...], int]:
    """Return the records after the points, and the offset of the waveforms (0 for none)."""
    (waves,) = struct.unpack_from("<Q", head, 227) if minor >= 3 else (0,)
    first, count = struct.unpack_from("<QI", head, 235) if minor >= 4 else (waves, int(0 < waves < size))
    if not count:
        return (), waves
    try:
        return _records(stream, path, first, size, count, True), waves
    except InputError as error:
        defects.append(Defect(str(path), None, str(error).removeprefix(f"{path}: ").partition(";")[0], "left out"))
        return (), waves


def _steps(path: Path, head: bytes) -> tuple[np.ndarray, np.ndarray]:
    values = np.array(struct.unpack_from("<6d", head, 131))
    scale, offset = values[:3], values[3:]
    with np.errstate(over="ignore", invalid="ignore"):
        good = (np.abs(scale) >= _LEAST) & (np.abs(offset) + 2.0**31 * np.abs(scale) <= _FARTHEST)  # False for NaN
    for axis in range(3):
        if not good[axis]:
            raise InputError(
                f"{path}: {'xyz'[axis]} has the scale {scale[axis]:g} and the offset {offset[axis]:g}, which no scan "
                "has; "
                "it is damaged, or export it again"
            )
    return scale, offset


def _count(
    path: Path, head: bytes, minor: int, kind: int, space: tuple[int, int, int, int] | None, defects: list[Defect]
) -> int:
    """Return the number of points; without compression it is checked against ``space``, (bytes a point, start, end,
    size).
    """
    (count,) = struct.unpack_from("<I", head, 107)
    if minor >= 4:
        legacy, (count,) = count, struct.unpack_from("<Q", head, 247)
        if legacy and legacy != count:
            found = f"its header says {count} points, but {legacy} in the field for older versions"
            held = (space[2] - space[1]) // space[0] if space else 0
            count = legacy if count == 0 or held == legacy else count
            defects.append(Defect(str(path), None, found, f"read as {count}"))
    if space is None:
        return int(count)
    width, start, end, size = space
    if count > (size - start) // width:
        raise InputError(
            f"{path}: {(size - start) // width} points, but its header says {count}; it is cut off, copy it again"
        )
    check_surplus(path, count, (end - start) // width, defects)
    return int(count)


def check_surplus(path: Path, count: int, held: int, defects: list[Defect]) -> None:
    """Report points beyond the number in the header; raises InputError if that is 0."""
    if held > count == 0:
        raise InputError(
            f"{path}: its header says 0 points, but it holds {held}; the program that wrote it did not finish, export "
            "it "
            "again (or repair it with lasinfo -repair)"
        )
    if held > count:
        defects.append(
            Defect(str(path), None, f"its header says {count} points, but it holds {held}", "the others left out")
        )
