"""A wall with a board before it, as points and as pictures whose rays are intersected with both, for tests."""

from __future__ import annotations

import numpy as np

from pcseg.pseudo.camera import Camera

INTRINSIC = np.array([[90.0, 0, 47.5], [0, 90, 35.5], [0, 0, 1]])
SIZE = (72, 96)
WALL, BOARD = 0, 1
HALF = np.array([0.5, 0.4])
"""Half the width and height of the board, which is at y = 2 in front of the wall at y = 3."""


def pose(x: float = 0.0, turn: float = 0.0) -> np.ndarray:
    """Return a camera at (x, 0, 0) that looks along y, turned by ``turn`` radians to the left."""
    found = np.eye(4)
    right = np.array([np.cos(turn), np.sin(turn), 0])
    ahead = np.array([-np.sin(turn), np.cos(turn), 0])
    found[:3, :3] = np.column_stack([right, [0, 0, -1], ahead])
    found[0, 3] = x
    return found


def camera(x: float = 0.0, turn: float = 0.0) -> Camera:
    return Camera(INTRINSIC, pose(x, turn), SIZE)


def picture(view: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return depths (H, W) and labels (H, W) of a camera, by the crossing of each ray with the two planes."""
    row, column = np.indices(view.size)
    local = np.stack([(column - 47.5) / 90, (row - 35.5) / 90, np.ones(view.size)], axis=-1)
    ray = local @ view.pose[:3, :3].T
    depth, label = (3 - view.pose[1, 3]) / ray[..., 1], np.full(view.size, WALL)
    near = (2 - view.pose[1, 3]) / ray[..., 1]
    on_board = (np.abs((view.pose[:3, 3] + near[..., None] * ray)[..., [0, 2]]) <= HALF).all(axis=-1)
    return np.where(on_board, near, depth), np.where(on_board, BOARD, label)


def cloud(count: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return points (P, 3) at random on the board and on all of the wall, also behind the board, and their labels."""
    rng = np.random.default_rng(seed)
    wall = np.column_stack([rng.uniform(-3, 3, count), np.full(count, 3.0), rng.uniform(-2, 2, count)])
    board = rng.uniform(-1, 1, (count // 10, 2)) * HALF
    board = np.column_stack([board[:, 0], np.full(len(board), 2.0), board[:, 1]])
    return np.concatenate([wall, board]), np.repeat([WALL, BOARD], [len(wall), len(board)])


def hidden(view: Camera, points: np.ndarray, margin: float = 0.0) -> np.ndarray:
    """Return which points (P,) of the wall the board hides; ``margin``: meters that it is larger, or smaller."""
    eye = view.pose[:3, 3]
    share = (2 - eye[1]) / (points[:, 1] - eye[1])
    crossing = eye + share[:, None] * (points - eye)
    return (points[:, 1] > 2.5) & (np.abs(crossing[:, [0, 2]]) <= HALF + margin).all(axis=1)
