"""Read ScanNet's .sens files, streams of RGB-D frames, of version 4 (Dai et al., ScanNet, CVPR 2017).

All numbers are little-endian. Head: u32 version, u64 length and text of the sensor's name, four matrices of 16 f32
(intrinsic and extrinsic of the color camera, then of the depth camera), i32 compression of color and of depth, u32
width and height of color and of depth, f32 steps of depth a meter, u64 number of frames. A frame: 16 f32 pose, camera
to world, two u64 times, u64 bytes of color and of depth, and these. What follows the frames is not read.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.formats.frame import Frame, Sensor
from pcseg.formats.intrinsics import check_intrinsic, check_pose, check_still
from pcseg.formats.parsing import parsing

VERSION = 4
COLOR = {-1: "unknown", 0: "raw", 1: "png", 2: "jpeg"}
DEPTH = {-1: "unknown", 0: "raw_ushort", 1: "zlib_ushort", 2: "occi_ushort"}
"""Names of the compressions; of color jpeg is read, of depth zlib_ushort, as in all released files."""

MOST_PIXELS = 1 << 27
"""Pixels of the largest picture that is read."""

_FRAME = struct.Struct("<16f4Q")


@dataclass(frozen=True)
class SensFile:
    """The frames of a .sens file, of which only the numbers are in memory.

    ``names``: the numbers of the frames, from 0. ``color`` and ``depth``: the two cameras. ``steps``: of depth, a
    meter. ``poses`` (n, 4, 4) float32. ``place`` (n, 3) int64: offset of each frame's pictures, bytes of the color
    picture and of the depths. ``remarks``: what is not used.
    """

    path: Path
    color: Sensor
    depth: Sensor
    steps: float
    poses: np.ndarray
    place: np.ndarray
    remarks: tuple[Defect, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._numbers)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {str(number): number for number in range(len(self.poses))}

    def frame(self, name: str) -> Frame:
        """Return the frame ``name``; its pictures are read and decoded one by one, as they are asked for."""
        if name not in self._numbers:
            raise InputError(f"{self.path}: no frame {name}; it has 0 to {len(self.poses) - 1}")
        number = self._numbers[name]
        where = f"{self.path}: frame {number}"
        pose = check_pose(self.poses[number], where)
        color, depth = partial(self._color, number, where), partial(self._depth, number, where)
        return Frame(name, where, pose, self.color, self.depth, color, depth)

    def _color(self, number: int, where: str) -> np.ndarray:
        assert self.color.size is not None
        raw, (height, width) = self._bytes(number, 1), self.color.size
        with parsing(self.path, ".sens"), Image.open(io.BytesIO(raw), formats=("JPEG",)) as image:
            if image.size != (width, height):
                raise InputError(
                    f"{where}: a color picture of {image.width} x {image.height}, but the head of the file says "
                    f"{width} x {height}; copy or export it again"
                )
            return np.array(image.convert("RGB"), dtype=np.uint8)

    def _depth(self, number: int, where: str) -> np.ndarray:
        assert self.depth.size is not None
        raw, (height, width) = self._bytes(number, 2), self.depth.size
        with parsing(self.path, ".sens"):
            unpacked = zlib.decompressobj()
            found = unpacked.decompress(raw, 2 * height * width + 1)
            if len(found) != 2 * height * width or not unpacked.eof:
                raise InputError(
                    f"{where}: its depths are not the {height * width} of a picture of {width} x {height}; copy or "
                    "export the file again"
                )
        return (np.frombuffer(found, "<u2").reshape(height, width) / np.float32(self.steps)).astype(np.float32)

    def _bytes(self, number: int, kind: int) -> bytes:
        start, color, depth = self.place[number].tolist()
        with open(self.path, "rb") as stream:
            stream.seek(start if kind == 1 else start + color)
            return stream.read(color if kind == 1 else depth)


def read_sens(path: Path) -> SensFile:
    """Return the frames of a .sens file; every count is checked against the size of the file before it is used.

    Raises InputError for another file, version or compression, and for one that is cut off anywhere.
    """
    size = path.stat().st_size if path.is_file() else 0
    with parsing(path, ".sens"), open(path, "rb") as stream:
        (version,) = _values(stream, path, "<I")
        if version != VERSION:
            raise InputError(f"{path}: not a .sens file of version {VERSION} (its version would be {version})")
        (length,) = _values(stream, path, "<Q")
        if length > size - stream.tell():
            raise InputError(f"{path}: a name of {length} bytes in a file of {size}; it is damaged, copy it again")
        stream.seek(length, 1)
        matrices = np.array(_values(stream, path, "<64f"), dtype=np.float64).reshape(4, 4, 4)
        for kind, names, wanted in (("color", COLOR, 2), ("depth", DEPTH, 1)):
            (number,) = _values(stream, path, "<i")
            if number != wanted:
                found = names.get(number, f"number {number}")
                raise InputError(f"{path}: {kind} in compression {found}; only {names[wanted]} is read, export it so")
        width, height, wide, high = _values(stream, path, "<4I")
        if not 0 < width * height <= MOST_PIXELS or not 0 < wide * high <= MOST_PIXELS:
            raise InputError(
                f"{path}: pictures of {width} x {height} and {wide} x {high}; it is damaged, copy it again"
            )
        (steps,) = _values(stream, path, "<f")
        if not 0 < steps < np.inf:
            raise InputError(f"{path}: {steps:g} steps of depth a meter; it is damaged, copy it again")
        (count,) = _values(stream, path, "<Q")
        poses, place = _index(stream, path, count, size)
    color = Sensor(check_intrinsic(matrices[0], f"{path}: color"), (height, width))
    depth = Sensor(check_intrinsic(matrices[2], f"{path}: depth"), (high, wide))
    remarks = check_still(matrices[1], path, "color") + check_still(matrices[3], path, "depth")
    return SensFile(path, color, depth, float(steps), poses, place, tuple(remarks))


def _index(stream: IO[bytes], path: Path, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the poses (n, 4, 4) and places (n, 3) of all frames."""
    if count > (size - stream.tell()) // _FRAME.size:
        raise InputError(f"{path}: {count} frames do not fit in its {size} bytes; it is cut off, copy it again")
    poses, place = np.empty((count, 16), dtype=np.float32), np.empty((count, 3), dtype=np.int64)
    for number in range(count):
        head = stream.read(_FRAME.size)
        start, sizes = stream.tell(), _FRAME.unpack(head)[18:] if len(head) == _FRAME.size else (size, size)
        if sum(sizes) > size - start:
            raise InputError(f"{path}: ends within frame {number} of {count}; it is cut off, copy it again")
        poses[number] = _FRAME.unpack(head)[:16]
        place[number] = start, *sizes
        stream.seek(sum(sizes), 1)
    return poses.reshape(-1, 4, 4), place


def _values(stream: IO[bytes], path: Path, form: str) -> tuple[Any, ...]:
    raw = stream.read(struct.calcsize(form))
    if len(raw) < struct.calcsize(form):
        raise InputError(f"{path}: ends within its head; it is cut off, copy it again")
    return struct.unpack(form, raw)
