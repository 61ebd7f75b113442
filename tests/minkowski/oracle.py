"""Sparse layers as loops over dictionaries {coordinate: features}; imports nothing of pcseg.

A coordinate is (sample, first axis, ...). All kernels are lists of (offset, matrix).
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

Voxels = dict[tuple[int, ...], Tensor]


def cloud(dimension: int, count: int, samples: int = 2, span: int = 5, seed: int = 0) -> Tensor:
    """Distinct coordinates, (N, 1 + D) int32, some negative, in random order; every sample is there."""
    generator = torch.Generator().manual_seed(seed)
    columns = [torch.randint(0, samples, (count,), generator=generator)]
    columns += [torch.randint(-span, span, (count,), generator=generator) for _ in range(dimension)]
    found = list(dict.fromkeys(map(tuple, torch.stack(columns, 1).tolist())))
    assert {coord[0] for coord in found} == set(range(samples))
    return torch.tensor(found, dtype=torch.int32)


def voxels(coords: Tensor, feats: Tensor) -> Voxels:
    """Rows as a dictionary; no coordinate may be there twice."""
    listed = list(map(tuple, coords.tolist()))
    assert len(set(listed)) == len(listed) == len(feats)
    return dict(zip(listed, feats, strict=True))


def equal(found: Voxels, wanted: Voxels, tolerance: float = 1e-9) -> bool:
    """Whether both have the same coordinates and features."""
    if found.keys() != wanted.keys():
        return False
    return all((found[c] - wanted[c]).abs().max() <= tolerance for c in wanted)


def cube(size: list[int]) -> list[tuple[int, ...]]:
    """Offsets of a cube, counted like an odometer whose first wheel turns fastest."""
    offsets = []
    for number in range(math.prod(size)):
        offset = []
        for k in size:
            offset.append(number % k - (k // 2 if k % 2 == 1 else 0))
            number //= k
        offsets.append(tuple(offset))
    return offsets


def cross(size: list[int]) -> list[tuple[int, ...]]:
    """Center, then along each axis 1 to r and -r to -1."""
    offsets = [tuple(0 for _ in size)]
    for axis, k in enumerate(size):
        steps = list(range(1, k // 2 + 1)) + list(range(-(k // 2), 0))
        offsets.extend(tuple(step if a == axis else 0 for a in range(len(size))) for step in steps)
    return offsets


def moved(coord: tuple[int, ...], offset: tuple[int, ...], stride: list[int], dilation: list[int]) -> tuple[int, ...]:
    """The coordinate at an offset in units of stride times dilation."""
    steps = zip(coord[1:], offset, stride, dilation, strict=True)
    return (coord[0], *(c + o * s * d for c, o, s, d in steps))


def floor_to(coord: tuple[int, ...], stride: list[int]) -> tuple[int, ...]:
    """The cell that a coordinate lies in."""
    return (coord[0], *(math.floor(c / s) * s for c, s in zip(coord[1:], stride, strict=True)))


def strided(coords: list[tuple[int, ...]], stride: list[int]) -> list[tuple[int, ...]]:
    """The cells of coordinates."""
    return sorted({floor_to(coord, stride) for coord in coords})


def convolution(
    x: Voxels, kernel: list[tuple[tuple[int, ...], Tensor]], out: list[tuple[int, ...]], in_stride: list[int],
    dilation: list[int],
) -> Voxels:  # fmt: skip
    """out[m] = sum of x[m + offset * stride of x * dilation] @ matrix."""
    result = {}
    for m in out:
        total = torch.zeros(kernel[0][1].shape[1], dtype=torch.float64)
        for offset, matrix in kernel:
            n = moved(m, offset, in_stride, dilation)
            if n in x:
                total = total + x[n] @ matrix
        result[m] = total
    return result


def transposed(
    x: Voxels, kernel: list[tuple[tuple[int, ...], Tensor]], out: list[tuple[int, ...]] | None,
    out_stride: list[int], dilation: list[int],
) -> Voxels:  # fmt: skip
    """x[n] @ matrix is added at n + offset * stride of the output * dilation; ``out`` None: wherever that is."""
    width = kernel[0][1].shape[1]
    result = {} if out is None else {m: torch.zeros(width, dtype=torch.float64) for m in out}
    for n, feats in x.items():
        for offset, matrix in kernel:
            m = moved(n, offset, out_stride, dilation)
            if out is None:
                result.setdefault(m, torch.zeros(width, dtype=torch.float64))
            if m in result:
                result[m] = result[m] + feats @ matrix
    return result


def pooled(
    x: Voxels, offsets: list[tuple[int, ...]], out: list[tuple[int, ...]], in_stride: list[int], dilation: list[int],
    how: str,
) -> Voxels:  # fmt: skip
    """Sum, mean or maximum of the voxels that are there; 0 where none is."""
    result = {}
    for m in out:
        there = [x[n] for n in (moved(m, o, in_stride, dilation) for o in offsets) if n in x]
        result[m] = reduced(there, how, next(iter(x.values())))
    return result


def pooled_cells(x: Voxels, stride: list[int], how: str) -> Voxels:
    """The same over the voxels of each cell."""
    cells: dict[tuple[int, ...], list[Tensor]] = {}
    for coord, feats in x.items():
        cells.setdefault(floor_to(coord, stride), []).append(feats)
    return {cell: reduced(there, how, there[0]) for cell, there in cells.items()}


def reduced(there: list[Tensor], how: str, like: Tensor) -> Tensor:
    """One row from several."""
    if not there:
        return torch.zeros_like(like)
    total = there[0]
    for row in there[1:]:
        total = torch.maximum(total, row) if how == "max" else total + row
    return total / len(there) if how == "avg" else total


def samples(x: Voxels) -> dict[int, list[Tensor]]:
    """The rows of each sample."""
    found: dict[int, list[Tensor]] = {}
    for coord, feats in x.items():
        found.setdefault(coord[0], []).append(feats)
    return found


def interpolated(x: Voxels, position: list[float], stride: list[int]) -> Tensor:
    """Multilinear between the corners of the cell of a position; corners that are absent count as 0."""
    total = torch.zeros_like(next(iter(x.values())))
    base = [math.floor(p / s) * s for p, s in zip(position[1:], stride, strict=True)]
    for corner in itertools.product((0, 1), repeat=len(stride)):
        weight, coord = 1.0, [round(position[0])]
        for p, b, s, upper in zip(position[1:], base, stride, corner, strict=True):
            share = (p - b) / s
            weight *= share if upper else 1 - share
            coord.append(b + s * upper)
        total = total + weight * x.get(tuple(coord), torch.zeros_like(total))
    return total
