"""Read the posed RGB-D frames of a scene: a folder as exported from ScanNet, or a .sens file.

Layout: ``color/<i>.jpg``, ``depth/<i>.png`` (16 bits, millimeters, 0 for unknown), ``pose/<i>.txt`` (4 x 4, camera to
world) and ``intrinsic/intrinsic_color.txt`` and ``intrinsic_depth.txt``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.formats.frame import Frame, Sensor
from pcseg.formats.intrinsics import check_intrinsic, check_pose, check_still, implied_size, read_matrix
from pcseg.formats.pictures import SUFFIXES, WIDE, opened, read_picture
from pcseg.formats.sens import read_sens

MILLIMETERS = 1000.0
"""Steps of depth a meter."""


class Frames(Protocol):
    """The frames of one scene."""

    @property
    def path(self) -> Path:
        """The folder or file they are in."""

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in order."""

    @property
    def remarks(self) -> tuple[Defect, ...]:
        """What is not used, or is taken otherwise than it is written."""

    def frame(self, name: str) -> Frame:
        """Return one of them; raises InputError where it is damaged."""


@dataclass(frozen=True)
class FrameFolder:
    """The frames in the folder ``path`` of a scene: those that have a pose. Color and depth may be missing.

    A camera matrix belongs to the pictures of the size of the first one, unless its principal point is far from the
    middle of that: then it is rescaled, which ``remarks`` tells. Also ``intrinsic.txt`` or ``intrinsics.txt`` in the
    folder itself is read, for both cameras.
    """

    path: Path

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(in_order(path.stem for path in (self.path / "pose").glob("*.txt")))

    @cached_property
    def remarks(self) -> tuple[Defect, ...]:
        found = [*self._color[1], *self._depth[1]]
        for kind in ("color", "depth"):
            file = self.path / "intrinsic" / f"extrinsic_{kind}.txt"
            if file.is_file():
                found += check_still(read_matrix(file), file, kind)
        return tuple(found)

    def frame(self, name: str) -> Frame:
        file = self.path / "pose" / f"{name}.txt"
        pose = check_pose(read_matrix(file), str(file))
        color, depth = (self._pictures[kind].get(name) for kind in ("color", "depth"))
        return Frame(
            name,
            f"{self.path}: frame {name}",
            pose,
            self._color[0],
            self._depth[0],
            partial(_read_color, color) if color else None,
            partial(read_depth, depth) if depth else None,
        )

    @cached_property
    def _pictures(self) -> dict[str, dict[str, Path]]:
        """Return the files of each kind, by the names of their frames."""
        return {
            kind: {p.stem: p for p in (self.path / kind).glob("*") if p.suffix.lower() in SUFFIXES}
            for kind in ("color", "depth")
        }

    @cached_property
    def _color(self) -> tuple[Sensor | None, list[Defect]]:
        return self._sensor("color")

    @cached_property
    def _depth(self) -> tuple[Sensor | None, list[Defect]]:
        return self._sensor("depth")

    def _sensor(self, kind: str) -> tuple[Sensor | None, list[Defect]]:
        files = self._pictures[kind]
        places = (f"intrinsic/intrinsic_{kind}", f"intrinsic_{kind}", f"intrinsics_{kind}", "intrinsic", "intrinsics")
        candidates = [self.path / f"{place}.txt" for place in places]
        file = next((file for file in candidates if file.is_file()), None)
        if file is None and files:
            raise InputError(f"{candidates[0]}: no such file; write the camera matrix of the {kind} pictures there")
        if file is None:
            return None, []
        matrix = check_intrinsic(read_matrix(file), str(file))
        if not files:
            return Sensor(matrix, None), []
        first = files[in_order(files)[0]]
        with opened(first) as image:
            size = (image.height, image.width)
        own = implied_size(matrix, size, str(file))
        told = f"by its principal point of pictures of {own[1]} x {own[0]}, but {first.name} has {size[1]} x {size[0]}"
        return Sensor(matrix, own), [Defect(str(file), None, told, "rescaled")] * (own != size)


def find_frames(root: Path, scene: str) -> Frames | None:
    """Return the frames of the scene ``split/name`` below ``root``; None where there are none.

    They are in ``root/split/name``, ``root/name`` or a .sens file of that name in one of these or beside them. A folder
    with poses goes before a .sens file in it.
    """
    name = scene.rpartition("/")[2]
    for folder in (root / scene, root / name):
        if (folder / "pose").is_dir():
            return FrameFolder(folder)
        for file in (folder / f"{name}.sens", folder.with_name(f"{name}.sens")):
            if file.is_file():
                return read_sens(file)
    return None


def read_depth(path: Path) -> np.ndarray:
    """Return the depths (H, W) float32 in meters, 0 for unknown, of a picture of 16 bits in millimeters.

    Raises InputError for a picture that is damaged, or not of 16 bits.
    """
    with opened(path) as image:
        if image.mode not in WIDE:
            raise InputError(f"{path}: {image.mode}, but depths are whole numbers of 16 bits, in millimeters; save so")
        values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise InputError(f"{path}: depths of {values.min()} to {values.max()}; save 0 to 65535, in millimeters")
    return values.astype(np.float32) / np.float32(MILLIMETERS)


def in_order(names: Iterable[str]) -> list[str]:
    """Return names of frames sorted, numbers by their value."""
    return sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))


def _read_color(path: Path) -> np.ndarray:
    color, defects = read_picture(path)
    if any("EXIF" in defect.found for defect in defects):
        raise InputError(
            f"{path}: its EXIF says to turn it, but the pose is that of the stored picture; remove the tag"
        )
    return color
