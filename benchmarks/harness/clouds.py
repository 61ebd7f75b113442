"""Clouds to run on: a synthetic room of any number of voxels, or a prepared scene."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pcseg.classes import S3DIS
from pcseg.errors import InputError
from pcseg.ops import kernel_map, quantize, voxelize
from pcseg.scenes.scene import read_scene
from pcseg.sparse import kernel_offsets

VOXEL = 0.02
SPACING = 0.01
"""Mean distance of points (m): four points for each face of a voxel."""
NOISE = 0.003
"""Standard deviation of points about their surface (m)."""
YAW = math.radians(17)
CELL, DROPPED = 0.1, 0.12
"""The scanner misses the share DROPPED of the cubes of side CELL (m)."""
HEIGHT = 2.6
ALIGNMENT = 64
"""Coordinates are shifted by a multiple of this, so that strides of 2, 4, ... group voxels as before."""


@dataclass(frozen=True)
class Cloud:
    """N voxels and the P points in them, as NumPy arrays that can be sent to another process.

    ``coords`` (N, 4) int32 [0, x, y, z], unique, not negative, in lexicographic order. ``points`` (P, 3) float32 in
    units of a voxel, in any order; ``voxel`` (P,) int64 is each point's row of ``coords``.
    """

    name: str
    coords: np.ndarray
    points: np.ndarray
    voxel: np.ndarray

    def __len__(self) -> int:
        return len(self.coords)

    def pairs(self) -> float:
        """Return the mean number of occupied voxels among the 27 around a voxel, itself included."""
        coords = torch.from_numpy(self.coords)
        return kernel_map(coords, coords, kernel_offsets(3))[0].shape[1] / len(coords)


def room(voxels: int) -> Cloud:
    """Return a room of exactly ``voxels`` voxels of 2 cm: floor, walls with holes, boxes, clutter; about 11 pairs each.

    The room grows with the number; a plane cuts off the surplus. The same number gives the same room.
    """
    length, found = max(0.3, math.sqrt(voxels / 9000)), 0
    while found < voxels:
        whole = _cloud("room", _points(np.random.default_rng(0), length) / VOXEL)
        found = len(whole)
        length *= max(1.02, math.sqrt(voxels / found))
    inside = whole.voxel < voxels
    return Cloud(whole.name, whole.coords[:voxels], whole.points[inside], whole.voxel[inside])


def scene(folder: str, voxel_size: float) -> Cloud:
    """Read a scene folder of tools/prepare.py, in voxels of ``voxel_size`` meters; raises InputError for bad input."""
    if not voxel_size > 0:
        raise InputError(f"voxel_size={voxel_size}: give a length above 0, in meters")
    found = read_scene(Path(folder), S3DIS, with_labels=False)
    return _cloud(found.name, np.asarray(found.coord, dtype=np.float64) / voxel_size)


def _cloud(name: str, position: np.ndarray) -> Cloud:
    """Return the cloud of ``position`` (P, 3) float64 in units of a voxel."""
    points = (position - np.floor(position.min(axis=0) / ALIGNMENT) * ALIGNMENT).astype(np.float32)
    grid = quantize(torch.from_numpy(points), 1.0)
    coords = torch.cat([torch.zeros(len(grid), 1, dtype=torch.int32), grid], dim=1)
    rows, voxel, _ = voxelize(coords)
    return Cloud(name, coords[rows].numpy(), points, voxel.numpy())


def _points(rng: np.random.Generator, length: float) -> np.ndarray:
    """Return points (P, 3) in meters on the surfaces of a room of ``length`` by 0.75 ``length`` meters."""
    width, height = 0.75 * length, min(HEIGHT, 0.6 * length)
    parts = [_patch(rng, (0, 0, 0.01), (length, 0, 0), (0, width, 0))]
    for start, along, extent in (
        ((0, 0, 0), (1, 0, 0), length),
        ((0, width, 0), (1, 0, 0), length),
        ((0, 0, 0), (0, 1, 0), width),
        ((length, 0, 0), (0, 1, 0), width),
    ):
        parts.append(_wall(rng, np.array(start), np.array(along), extent, height))
    floor = length * width
    parts += [_box(rng, length, width, height) for _ in range(max(1, round(floor / 4)))]
    parts += [_clutter(rng, length, width, height) for _ in range(max(1, round(floor * 4)))]
    position = np.concatenate(parts)
    position += rng.normal(0, NOISE, position.shape)
    position = position[rng.permutation(len(position))]
    cell = np.floor(position / CELL).astype(np.int64)
    unseen = rng.random(2**16) < DROPPED
    position = position[~unseen[cell @ np.array([73856093, 19349663, 83492791]) % 2**16]]
    cos, sin = math.cos(YAW), math.sin(YAW)
    return np.asarray(position @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]))


def _patch(rng: np.random.Generator, corner: object, u: object, v: object) -> np.ndarray:
    """Return uniform points (P, 3) on the parallelogram at ``corner`` (3,) with the sides ``u`` and ``v`` (3,)."""
    sides = np.array([u, v], dtype=np.float64)
    area = float(np.linalg.norm(np.cross(sides[0], sides[1])))
    return np.asarray(rng.random((max(1, round(area / SPACING**2)), 2)) @ sides + np.asarray(corner))


def _wall(rng: np.random.Generator, start: np.ndarray, along: np.ndarray, extent: float, height: float) -> np.ndarray:
    """Return points (P, 3) of a wall with a hole (door or window) for every four meters."""
    points = _patch(rng, start, along * extent, (0, 0, height))
    distance = (points - start) @ along
    for _ in range(max(1, round(extent / 4))):
        left, sill = rng.uniform(0, 0.8 * extent), rng.choice([0.0, 0.35 * height])
        inside = (distance > left) & (distance < left + 0.25 * height + 0.4)
        inside &= (points[:, 2] >= sill) & (points[:, 2] < 0.8 * height)
        points, distance = points[~inside], distance[~inside]
    return points


def _box(rng: np.random.Generator, length: float, width: float, height: float) -> np.ndarray:
    """Return points (P, 3) on the five visible faces of a box (cupboard, table top) turned about the vertical."""
    size = rng.uniform((0.15, 0.1, 0.15), (0.5, 0.3, 0.6)) * height
    corner = np.array([rng.uniform(0, 0.9) * length, rng.uniform(0, 0.9) * width, 0])
    angle = rng.uniform(0, math.pi)
    u, v = np.array([math.cos(angle), math.sin(angle), 0]), np.array([-math.sin(angle), math.cos(angle), 0])
    u, v, up = u * size[0], v * size[1], np.array([0, 0, size[2]])
    sides = [(corner + up, u, v), (corner, u, up), (corner + v, u, up), (corner, v, up), (corner + u, v, up)]
    return np.concatenate([_patch(rng, *side) for side in sides])


def _clutter(rng: np.random.Generator, length: float, width: float, height: float) -> np.ndarray:
    """Return points (P, 3) on a small surface of random direction (book, leaf, monitor)."""
    corner = rng.uniform(0, 1, 3) * (length, width, 0.6 * height)
    sides = rng.normal(0, 0.12, (2, 3))
    return _patch(rng, corner, sides[0], sides[1])
