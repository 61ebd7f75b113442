"""Sparse convolution by other means: dictionaries for voxels and maps, torch's dense conv3d for the sums."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor


def offsets(kernel_size: int, stride: int = 1, dilation: int = 1) -> Tensor:
    """(K, 3) int32, first axis fastest; odd kernels centered, even ones from 0."""
    first = -(kernel_size // 2) if kernel_size % 2 else 0
    steps = [stride * dilation * (first + i) for i in range(kernel_size)]
    return torch.tensor([[x, y, z] for z, y, x in itertools.product(steps, repeat=3)], dtype=torch.int32)


def voxels(coords: Tensor, keep: Tensor | None) -> tuple[list[int], list[int], list[int]]:
    """rows, inverse, counts of the distinct coordinates in sorted order."""
    points: dict[tuple[int, ...], list[int]] = {}
    for point, coord in enumerate(coords.tolist()):
        points.setdefault(tuple(coord), []).append(point)
    order = sorted(points)
    number = {coord: n for n, coord in enumerate(order)}
    kept = [] if keep is None else keep.tolist()
    rows = [next((p for p in points[c] if kept and kept[p]), points[c][0]) for c in order]
    return rows, [number[tuple(c)] for c in coords.tolist()], [len(points[c]) for c in order]


def kernel_map(in_coords: Tensor, out_coords: Tensor, offsets: Tensor) -> tuple[list[tuple[int, int]], list[int]]:
    """All pairs (input row, output row), offset by offset, and where each offset's begin."""
    row = {tuple(coord): n for n, coord in enumerate(in_coords.tolist())}
    pairs: list[tuple[int, int]] = []
    starts = [0]
    for dx, dy, dz in offsets.tolist():
        for m, (sample, x, y, z) in enumerate(out_coords.tolist()):
            n = row.get((sample, x + dx, y + dy, z + dz))
            if n is not None:
                pairs.append((n, m))
        starts.append(len(pairs))
    return pairs, starts


def transposed(pairs: Tensor, starts: Tensor) -> Tensor:
    """The pairs of the opposite direction, ascending in their new output row."""
    groups = []
    for first, last in itertools.pairwise(starts.tolist()):
        group = sorted((m, n) for n, m in pairs[:, first:last].t().tolist())
        groups += sorted(group, key=lambda pair: pair[1])
    return torch.tensor(groups, dtype=torch.int32).reshape(-1, 2).t().contiguous()


def _cells(position: Tensor) -> tuple[slice | Tensor, ...]:
    """Index of these cells of a (C, x, y, z) grid."""
    return (slice(None), *position.long().unbind(1))


def _dense_kernel(weight: Tensor, kernel_size: int) -> Tensor:
    """(K, Cin, Cout), first axis fastest -> (Cout, Cin, x, y, z)."""
    size = (kernel_size,) * 3
    return weight.reshape(*size, *weight.shape[1:]).permute(4, 3, 2, 1, 0)


def dense_conv(
    coords: Tensor,
    feats: Tensor,
    weight: Tensor,
    out_coords: Tensor,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
) -> Tensor:
    """conv3d on one sample's dense grid, read at ``out_coords`` (multiples of ``stride``)."""
    margin = stride * dilation * kernel_size
    low = (coords.amin(0)[1:] // stride - dilation * kernel_size) * stride
    size = (coords.amax(0)[1:] - low + 2 * margin).tolist()
    grid = feats.new_zeros(feats.shape[1], *size)
    grid[_cells(coords[:, 1:] - low)] = feats.t()
    reach = dilation * (kernel_size // 2) if kernel_size % 2 else 0
    out = F.conv3d(grid[None], _dense_kernel(weight, kernel_size), stride=stride, dilation=dilation, padding=reach)[0]
    return out[_cells((out_coords[:, 1:] - low) // stride)].t()


def dense_conv_transpose(
    coords: Tensor, feats: Tensor, weight: Tensor, out_coords: Tensor, kernel_size: int, stride: int
) -> Tensor:
    """conv_transpose3d from the coarse voxels ``coords`` (multiples of ``stride``) to ``out_coords``; even kernels."""
    low = torch.minimum(coords.amin(0)[1:], out_coords.amin(0)[1:] // stride * stride)
    size = ((torch.maximum(coords.amax(0)[1:], out_coords.amax(0)[1:]) - low) // stride + 1).tolist()
    grid = feats.new_zeros(feats.shape[1], *size)
    grid[_cells((coords[:, 1:] - low) // stride)] = feats.t()
    out = F.conv_transpose3d(grid[None], _dense_kernel(weight, kernel_size).transpose(0, 1), stride=stride)[0]
    return out[_cells(out_coords[:, 1:] - low)].t()
