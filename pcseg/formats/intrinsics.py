"""Read and check the matrices of a camera, and rescale them to pictures of another size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.files import read_text
from pcseg.formats.defects import Defect

ASPECT = 0.02
"""Largest difference of two aspects that count as one, relative: those of ScanNet's two cameras differ by 0.4 %."""

_MIDDLE = 0.1
"""Farthest that the principal point is from the center of a picture, as a share of its size."""

_ASKEW = 1.1
"""Largest ratio of the two places of a principal point, as shares of rows and columns, in pictures of another size."""

_TURN = 1e-2
"""Largest error of a rotation, of files with three digits after the point."""


def read_matrix(path: Path) -> np.ndarray:
    """Return a matrix (3, 3) or (4, 4) float64 of a text file of numbers, which may be NaN or infinite."""
    lines = read_text(path, 2**12).splitlines()
    try:
        values = np.array([[float(value) for value in line.split()] for line in lines if line.strip()])
    except ValueError as error:
        raise InputError(f"{path}: holds no matrix of numbers ({error}); write it again") from error
    if values.shape not in ((3, 3), (4, 4)):
        raise InputError(f"{path}: a matrix of {values.shape}, but (4, 4) is needed; write it again")
    return values


def check_intrinsic(matrix: np.ndarray, where: str) -> np.ndarray:
    """Return the camera matrix (3, 3) float64 of (3, 3) or (4, 4); raises InputError that begins with ``where``."""
    found = np.asarray(matrix, dtype=np.float64)
    if found.shape not in ((3, 3), (4, 4)):
        raise InputError(f"{where}: an intrinsic matrix of {found.shape}; give (3, 3)")
    found = found[:3, :3]
    good = np.isfinite(found).all() and found[0, 0] > 0 and found[1, 1] > 0
    if not good or found[1, 0] or found[2].tolist() != [0, 0, 1]:
        raise InputError(f"{where}: {found.tolist()} is no intrinsic matrix; give fx, skew, cx / 0, fy, cy / 0, 0, 1")
    return found


def check_pose(matrix: np.ndarray, where: str) -> np.ndarray:
    """Return the pose (4, 4) float64; one with NaN or infinity passes, as that of a frame whose tracking was lost.

    Raises InputError, which begins with ``where``, for others that are not a rotation and a shift.
    """
    found = np.asarray(matrix, dtype=np.float64)
    if found.shape != (4, 4):
        raise InputError(f"{where}: a pose of {found.shape}; give (4, 4)")
    if np.isfinite(found).all():
        turn = found[:3, :3]
        right = np.abs(turn @ turn.T - np.eye(3)).max() < _TURN and np.linalg.det(turn) > 0
        if not right or np.abs(found[3] - [0, 0, 0, 1]).max() > _TURN:
            raise InputError(f"{where}: its pose is not a rotation and a shift; write it again, camera to world")
    return found


def check_still(extrinsic: np.ndarray, path: Path, kind: str) -> list[Defect]:
    """Return a report of an ``extrinsic`` matrix (4, 4) that is not the identity: poses are those of both cameras."""
    if extrinsic.shape == (4, 4) and np.abs(extrinsic - np.eye(4)).max() < 1e-3:
        return []
    return [Defect(str(path), None, f"the {kind} camera has a place of its own beside the pose", "not used")]


def rescaled(intrinsic: np.ndarray, old: tuple[int, int], new: tuple[int, int], where: str) -> np.ndarray:
    """Return the camera matrix (3, 3) of pictures of ``new`` size (H, W), given that of ``old`` size.

    The center of a pixel has whole coordinates. Raises InputError, which begins with ``where``, if the aspects differ
    by more than ASPECT: one is a part of the other, or turned.
    """
    if old == new:
        return intrinsic
    rows, columns = new[0] / old[0], new[1] / old[1]
    if abs(rows / columns - 1) > ASPECT:
        raise InputError(
            f"{where}: {new[1]} x {new[0]} pixels, but its camera takes {old[1]} x {old[0]}, of another shape; give "
            "pictures of the whole view"
        )
    scale, half = np.diag([columns, rows, 1.0]), np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    return scale @ (intrinsic + half) - half


def implied_size(intrinsic: np.ndarray, size: tuple[int, int], where: str) -> tuple[int, int]:
    """Return the size (H, W) of the pictures that a camera matrix belongs to, given that of those at hand.

    It is ``size`` where the principal point is near the middle of these, else as much larger or smaller as puts it
    there. Raises InputError, which begins with ``where``, if rows and columns differ in that.
    """
    share = (intrinsic[1::-1, 2] + 0.5) / np.array(size)
    if (np.abs(share - 0.5) <= _MIDDLE).all():
        return size
    if share.min() <= 0 or share.max() > _ASKEW * share.min():
        raise InputError(
            f"{where}: its principal point {intrinsic[0, 2]:g}, {intrinsic[1, 2]:g} is in the middle of no picture of "
            f"the shape {size[1]} x {size[0]}; give the matrix of these pictures"
        )
    height, width = (max(1, round(float(2 * share.mean() * edge))) for edge in size)
    return height, width
