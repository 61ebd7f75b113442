"""The surface around each point of a scan: its normal, sums over neighbors, and the main axes of covariances."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops.neighbors import knn


class Sums(NamedTuple):
    """Sums over the nearest others of N points, float32, each the smaller number of them first."""

    first: Tensor
    """(N, 2, 3): of the offsets to them."""
    second: Tensor
    """(N, 2, 3, 3): of the products of the offsets."""
    mean: Tensor
    """(N, C): of the columns, the mean over the smaller number."""
    total: Tensor
    """(N, C): of the columns."""
    squares: Tensor
    """(N, C): of the squares of the columns."""
    nearest: Tensor
    """(N,): the distance to the nearest."""


# All of these run on the CPU, and have no gradient. The sign of an axis has no meaning.


def normals(position: Tensor, near: Tensor) -> Tensor:
    """Return the direction (N, 3) float32 in which each point and its neighbors spread least.

    ``position`` (N, 3) float64; ``near`` (N, k) int64: numbers of the neighbors, -1 for none. Raises InputError for
    others.
    """
    _check_position(position)
    if near.dtype != torch.int64 or near.dim() != 2 or len(near) != len(position):
        raise InputError(f"near: {tuple(near.shape)} {near.dtype} given; give ({len(position)}, k) int64")
    native.check_devices(position=position, near=near)
    if near.numel() and not -1 <= int(near.min()) <= int(near.max()) < len(position):
        raise InputError(f"near: not all are points; give numbers from 0 to {len(position) - 1}, or -1 for none")
    return torch.ops.pcseg.normals(position, near)


def main_axes(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the eigenvalues (N, 3), ascending, and eigenvectors, columns of (N, 3, 3), of symmetric matrices.

    ``matrix`` (N, 3, 3) float32. Raises InputError for another shape or type.
    """
    if matrix.dtype != torch.float32 or matrix.shape[1:] != (3, 3):
        raise InputError(f"matrix: {tuple(matrix.shape)} {matrix.dtype} given; give (N, 3, 3) float32")
    values, vectors = torch.ops.pcseg.main_axes(matrix)
    return values, vectors


def surroundings(position: Tensor, columns: Tensor, few: int, all_: int) -> Sums:
    """Return sums over the nearest ``few`` and over the ``all_`` nearest other points of each, nearest first.

    ``position`` (N, 3) float64, ``columns`` (N, C) float32. The point itself stands in where there are fewer others.
    Raises InputError for NaN and infinite positions.
    """
    _check_position(position)
    if columns.dtype != torch.float32 or columns.dim() != 2 or len(columns) != len(position):
        raise InputError(f"columns: {tuple(columns.shape)} {columns.dtype} given; give ({len(position)}, C) float32")
    native.check_devices(position=position, columns=columns)
    if not 1 <= few <= all_:
        raise InputError(f"few={few}, all_={all_}: give 1 or more, and no fewer in all")
    if not position.isfinite().all():
        raise InputError("position: some coordinates are NaN or infinite; remove those points")
    return Sums(*torch.ops.pcseg.surroundings(position, columns, few, all_))


def _check_position(position: Tensor) -> None:
    if position.dtype != torch.float64 or position.dim() != 2 or position.shape[1] != 3:
        raise InputError(f"position: {tuple(position.shape)} {position.dtype} given; give (N, 3) float64")


def _normals_reference(position: Tensor, near: Tensor) -> Tensor:
    there = near >= 0
    offset = torch.where(there[..., None], position[near.clamp(min=0)] - position[:, None], 0.0)
    count = 1.0 + there.sum(dim=1, keepdim=True)
    mean = offset.sum(dim=1) / count
    spread = torch.einsum("nki,nkj->nij", offset, offset) / count[..., None]
    return torch.linalg.eigh(spread - mean[:, :, None] * mean[:, None, :])[1][:, :, 0].float()


def _normals_cpu(position: Tensor, near: Tensor) -> Tensor:
    found = torch.empty(len(position), 3)
    native.call(
        "pcseg_normals", position.contiguous(), near.contiguous(), len(near), near.shape[1], found,
        torch.get_num_threads(),
    )  # fmt: skip
    return found


def _axes_cpu(matrix: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = matrix.new_empty(len(matrix), 3), torch.empty(matrix.shape)
    native.call("pcseg_main_axes", matrix.contiguous(), len(matrix), values, vectors, torch.get_num_threads())
    return values, vectors


def _sums_reference(position: Tensor, columns: Tensor, few: int, all_: int) -> tuple[Tensor, ...]:
    place, n = position.float(), len(position)
    near = knn(position, position, all_ + 1)[0][:, 1:]
    near = torch.where(near < 0, torch.arange(n)[:, None], near)
    found = Sums(*(tensor.zero_() for tensor in _sums_empty(position, columns, few, all_)))
    found.nearest.copy_((place[near[:, 0]] - place).norm(dim=1))
    for i in range(all_):
        offset, there = place[near[:, i]] - place, columns[near[:, i]]
        found.first[:, 1] += offset
        found.second[:, 1] += offset[:, :, None] * offset[:, None, :]
        found.total.add_(there)
        found.squares.add_(there * there)
        if i + 1 == few:
            found.first[:, 0], found.second[:, 0] = found.first[:, 1], found.second[:, 1]
            found.mean.copy_(found.total / few)
    return tuple(found)


def _sums_empty(position: Tensor, columns: Tensor, few: int, all_: int) -> tuple[Tensor, ...]:
    n, width = columns.shape
    shapes = ((n, 2, 3), (n, 2, 3, 3), (n, width), (n, width), (n, width), (n,))
    return tuple(columns.new_empty(shape) for shape in shapes)


def _sums_cpu(position: Tensor, columns: Tensor, few: int, all_: int) -> tuple[Tensor, ...]:
    found, columns = _sums_empty(position, columns, few, all_), columns.contiguous()
    native.call(
        "pcseg_surroundings", position.contiguous(), position.float().contiguous(), columns, columns.shape[1],
        len(position), few, all_, *found, torch.get_num_threads(),
    )  # fmt: skip
    return found


native.define(
    "normals(Tensor position, Tensor near) -> Tensor",
    reference=_normals_reference,
    fake=lambda position, near: position.new_empty(position.shape[0], 3, dtype=torch.float32),
    cpu=_normals_cpu,
)
native.define(
    "main_axes(Tensor matrix) -> (Tensor, Tensor)",
    reference=lambda matrix: tuple(each.float() for each in torch.linalg.eigh(matrix.double())),
    fake=lambda matrix: (matrix.new_empty(matrix.shape[0], 3), torch.empty_like(matrix)),
    cpu=_axes_cpu,
)
native.define(
    "surroundings(Tensor position, Tensor columns, SymInt few, SymInt all_)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    reference=_sums_reference,
    fake=_sums_empty,
    cpu=_sums_cpu,
)
