"""Define convex solids (boxes, cylinders, ellipsoids) and intersect rays with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pcseg.simulation.materials import Material

BOX, CYLINDER, ELLIPSOID = 0, 1, 2
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
"""Corners (8, 3) of the cube [-1, 1]^3, into which each solid is mapped."""


@dataclass(frozen=True)
class Part:
    """One solid: the box, elliptic cylinder (along its third axis) or ellipsoid inscribed in an oriented box.

    ``center`` (3,) and ``half`` (3,) extents in meters; ``rotation`` (3, 3) maps its own axes to those outside.
    """

    kind: int
    center: np.ndarray
    half: np.ndarray
    rotation: np.ndarray
    material: Material

    def moved(self, rotation: np.ndarray, shift: np.ndarray) -> Part:
        """Return the same solid rotated about the origin, then shifted."""
        return Part(
            self.kind, rotate(rotation, self.center) + shift, self.half, rotation @ self.rotation, self.material
        )


def turn(yaw: float, pitch: float = 0.0) -> np.ndarray:
    """Return the rotation (3, 3) by ``pitch`` about x, then by ``yaw`` about z, both in radians."""
    c, s, p, q = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    return np.array([[c, -s * p, s * q], [s, c * p, -c * q], [0.0, q, p]])


def rotate(rotation: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return ``rotation`` (3, 3) applied to vectors (..., 3); elementwise sums, so that the bits never depend on
    BLAS.
    """
    return np.asarray((rotation * vectors[..., None, :]).sum(axis=-1))


def box(center: Sequence[float], size: Sequence[float], material: Material, yaw: float = 0, pitch: float = 0) -> Part:
    """Return a box with the given full ``size`` (x, y, z) in meters."""
    return _part(BOX, center, size, material, yaw, pitch)


def cylinder(
    center: Sequence[float], size: Sequence[float], material: Material, yaw: float = 0, pitch: float = 0
) -> Part:
    """Return a cylinder with diameters ``size[:2]`` and height ``size[2]``."""
    return _part(CYLINDER, center, size, material, yaw, pitch)


def ball(center: Sequence[float], size: Sequence[float], material: Material, yaw: float = 0, pitch: float = 0) -> Part:
    """Return an ellipsoid with diameters ``size``."""
    return _part(ELLIPSOID, center, size, material, yaw, pitch)


def _part(
    kind: int, center: Sequence[float], size: Sequence[float], material: Material, yaw: float, pitch: float
) -> Part:
    half = np.maximum(np.asarray(size, dtype=np.float64), 1e-3) / 2
    return Part(kind, np.asarray(center, dtype=np.float64), half, turn(yaw, pitch), material)


@dataclass(frozen=True)
class Solids:
    """S solids as arrays: ``kind`` (S,), ``center`` and ``half`` (S, 3), ``rotation`` (S, 3, 3).

    ``inward`` (S, 3, 3) float32 maps an offset from the center into the cube [-1, 1]^3 of the solid.
    """

    kind: np.ndarray
    center: np.ndarray
    half: np.ndarray
    rotation: np.ndarray
    inward: np.ndarray

    def corners(self) -> np.ndarray:
        """Return the corners (S, 8, 3) of the oriented boxes."""
        local = CORNERS[None] * self.half[:, None, :]
        return self.center[:, None, :] + (self.rotation[:, None] * local[:, :, None, :]).sum(axis=-1)

    def local(self, solid: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return points (P, 3) in the cubes of the solids ``solid`` (P,)."""
        offset = points - self.center[solid].astype(np.float32)
        return np.asarray((self.inward[solid] * offset[:, None, :]).sum(axis=-1))

    def normals(self, solid: np.ndarray, local: np.ndarray) -> np.ndarray:
        """Return outward unit normals (P, 3) at points of the surface given in the cubes, ``local`` (P, 3)."""
        kind = self.kind[solid]
        gradient = local.copy()
        face = np.abs(local).argmax(axis=1)
        rim = (kind == CYLINDER) & (np.hypot(local[:, 0], local[:, 1]) >= np.abs(local[:, 2]))
        flat = ((kind == BOX) | (kind == CYLINDER)) & ~rim
        face[kind == CYLINDER] = 2
        rows = np.flatnonzero(flat)
        gradient[rows] = 0
        gradient[rows, face[rows]] = np.sign(local[rows, face[rows]])
        gradient[rim, 2] = 0
        normal = (self.inward[solid] * gradient[:, :, None]).sum(axis=1)
        return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12))

    def contain(self, points: np.ndarray, margin: float) -> np.ndarray:
        """Return whether points (P, 3) lie in the oriented box of any solid grown by ``margin`` meters: (P,) bool."""
        offset = points[:, None, :] - self.center[None]
        local = (self.rotation.transpose(0, 2, 1)[None] * offset[:, :, None, :]).sum(axis=-1)
        return np.asarray((np.abs(local) <= self.half + margin).all(axis=-1).any(axis=1))


def pack(parts: Sequence[Part]) -> Solids:
    """Return the arrays of a list of parts."""
    half = np.stack([p.half for p in parts])
    rotation = np.stack([p.rotation for p in parts])
    inward = (rotation.transpose(0, 2, 1) / half[:, :, None]).astype(np.float32)
    return Solids(np.array([p.kind for p in parts]), np.stack([p.center for p in parts]), half, rotation, inward)


def entry(
    kind: int, inward: np.ndarray, origin: np.ndarray, rays: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return the distance, in lengths of the direction, at which rays enter a solid from outside; inf if they do not.

    ``origin`` (3,) and ``inward`` are float32 with the origin already in the cube; ``rays`` are the x, y and z of the
    directions, any shape. A convex solid is an intersection of slabs and a quadric, each of which a ray crosses in one
    interval: it enters at the latest start if that comes before the earliest end.
    """
    u, v, w = (row[0] * rays[0] + row[1] * rays[1] + row[2] * rays[2] for row in inward)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == BOX:
            start, end = _slab(u, origin[0])
            for direction, position in ((v, origin[1]), (w, origin[2])):
                first, last = _slab(direction, position)
                start, end = np.maximum(start, first), np.minimum(end, last)
        else:
            a, b = u * u + v * v, u * origin[0] + v * origin[1]
            c = origin[0] * origin[0] + origin[1] * origin[1] - np.float32(1)
            if kind == ELLIPSOID:
                a, b, c = a + w * w, b + w * origin[2], c + origin[2] * origin[2]
            root = np.sqrt(b * b - a * c)
            start, end = (-b - root) / a, (-b + root) / a
            if kind == CYLINDER:
                first, last = _slab(w, origin[2])
                start, end = np.maximum(start, first), np.minimum(end, last)
        return np.where((start <= end) & (start > 1e-3), start, np.float32(np.inf))


def _slab(direction: np.ndarray, position: np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval in which a ray is between -1 and 1 along one axis."""
    inverse = np.float32(1) / direction
    first, last = (np.float32(-1) - position) * inverse, (np.float32(1) - position) * inverse
    return np.minimum(first, last), np.maximum(first, last)
