"""The header and records of a LAS or LAZ file, every count in them checked against the file before it is believed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.formats.las_points import Extra, described_extras, point_type

_SIZES = (227, 227, 227, 235, 375, 375)  # of the header, by minor version; that of 1.5 is 393, of which 375 are read
_LEAST, _FARTHEST = 1e-12, 1e15
"""Smallest step and farthest coordinate that are believed; beyond it a float64 no longer holds centimeters."""


@dataclass(frozen=True)
class Record:
    """A variable length record: whose it is, which of theirs, its head as it stands, and where its body does."""

    user: str
    number: int
    head: bytes
    start: int
    length: int

    @property
    def is_description(self) -> bool:
        """Does it describe the further columns of a point?"""
        return (self.user, self.number) == ("LASF_Spec", 4)

    def body(self, stream: IO[bytes]) -> bytes:
        """What follows its head in the file ``stream``."""
        stream.seek(self.start)
        return stream.read(self.length)


@dataclass(frozen=True)
class LasFile:
    """What a LAS file says of itself, checked. ``header`` holds its first bytes as they are, ``kind`` is the point format,
    ``extras`` describe what follows the standard columns of a point, ``dtype`` a whole point, ``start`` where the first is."""

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
    """Read all but the points. Raises InputError where the file is no LAS, or does not hold what its header counts."""
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
                f"{path}: a header of {length} bytes and points from byte {start} do not fit in a LAS 1.{minor} file of "
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
            f"{path}: points of {width} bytes, but those of format {kind} have {dtype.itemsize}; it is damaged"
        )
    extras = described_extras(str(path), kind, b"".join(bodies), width - dtype.itemsize, defects)
    end = min([size, *(at for at in (*(r.start - 60 for r in extended), waves) if at > start)])
    count = _count(path, head, minor, kind, None if compressed else (width, start, end, size), defects)
    return LasFile(
        path, size, head[:length], minor, kind, compressed, count, start, scale, offset, listed, extended, extras,
        point_type(kind, extras), tuple(defects),
    )  # fmt: skip


def _records(stream: IO[bytes], path: Path, start: int, end: int, count: int, extended: bool) -> tuple[Record, ...]:
    """``count`` records that lie from ``start`` to ``end``; InputError where they do not fit there."""
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
            f"{path}: its header says {count} {name}, but only {len(found)} fit in bytes {start} to {end}; it is cut off "
            "or damaged, copy it again"
        )
    return tuple(found)


def _extended(
    stream: IO[bytes], path: Path, head: bytes, minor: int, size: int, defects: list[Defect]
) -> tuple[tuple[Record, ...], int]:
    """The records after the points, and where waveforms begin (0 for none)."""
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
                f"{path}: {'xyz'[axis]} has the scale {scale[axis]:g} and the offset {offset[axis]:g}, which no scan has; "
                "it is damaged, or export it again"
            )
    return scale, offset


def _count(
    path: Path, head: bytes, minor: int, kind: int, room: tuple[int, int, int, int] | None, defects: list[Defect]
) -> int:
    """The number of points, of a file without compression compared with the ``room`` that there is for them."""
    (count,) = struct.unpack_from("<I", head, 107)
    if minor >= 4:
        legacy, (count,) = count, struct.unpack_from("<Q", head, 247)
        if legacy and legacy != count:
            found = f"its header says {count} points, and {legacy} where older versions look"
            held = (room[2] - room[1]) // room[0] if room else 0
            count = legacy if count == 0 or held == legacy else count
            defects.append(Defect(str(path), None, found, f"read as {count}"))
    if room is None:
        return int(count)
    width, start, end, size = room
    if count > (size - start) // width:
        raise InputError(
            f"{path}: {(size - start) // width} points, but its header says {count}; it is cut off, copy it again"
        )
    check_surplus(path, count, (end - start) // width, defects)
    return int(count)


def check_surplus(path: Path, count: int, held: int, defects: list[Defect]) -> None:
    """Note it where a file holds more points than its header counts; InputError where that counts none at all."""
    if held > count == 0:
        raise InputError(
            f"{path}: its header says 0 points, but it holds {held}; the program that wrote it did not finish, export it "
            "again (or repair it with lasinfo -repair)"
        )
    if held > count:
        defects.append(
            Defect(str(path), None, f"its header says {count} points, but it holds {held}", "the rest left out")
        )
