"""Nearest neighbors within a sample: the k nearest, or those within a radius."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops._sort import hash_workspace, sort_keys


def knn(
    query: Tensor, points: Tensor, k: int, query_sample: Tensor | None = None, point_sample: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the ``k`` nearest of ``points`` (P, 3) to each ``query`` (Q, 3) within its sample, nearest first.

    ``query_sample`` (Q,) and ``point_sample`` (P,) int64 are the sample of each row, in any order; without them all
    rows are one sample. Returns ``index`` (Q, k) int64 into ``points`` and ``distance`` (Q, k) of the type of
    ``query``; -1 and infinity where there are fewer than k. Among equal distances the smaller index comes first.
    Distances are computed in float64 for any type. There is no gradient. Raises InputError for NaN and infinite
    coordinates.
    """
    return _find(query, points, k, math.inf, query_sample, point_sample)


def radius(
    query: Tensor,
    points: Tensor,
    r: float,
    max_neighbors: int,
    query_sample: Tensor | None = None,
    point_sample: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the same as :func:`knn` with k = ``max_neighbors``, without neighbors farther away than ``r``."""
    if not r >= 0:
        raise InputError(f"radius: r={r}; give a distance of 0 or more")
    return _find(query, points, max_neighbors, float(r), query_sample, point_sample)


def _find(
    query: Tensor, points: Tensor, k: int, r: float, query_sample: Tensor | None, point_sample: Tensor | None
) -> tuple[Tensor, Tensor]:
    if k < 1:
        raise InputError(f"neighbors: k={k}; give 1 or more")
    if (query_sample is None) != (point_sample is None):
        raise InputError("neighbors: samples given for query or points only; give them for both or for neither")
    return torch.ops.pcseg.neighbors(query.detach(), points.detach(), k, r, query_sample, point_sample)


def _check(query: Tensor, points: Tensor, query_sample: Tensor | None, point_sample: Tensor | None) -> None:
    native.check_devices(query=query, points=points, query_sample=query_sample, point_sample=point_sample)
    for name, position, sample in (("query", query, query_sample), ("points", points, point_sample)):
        if position.dim() != 2 or position.shape[1] != 3 or position.dtype not in native.DTYPES:
            raise InputError(f"{name}: {tuple(position.shape)} {position.dtype} given; give (P, 3) of a floating type")
        if sample is not None and (sample.shape != position.shape[:1] or sample.dtype != torch.int64):
            raise InputError(
                f"{name}: sample {tuple(sample.shape)} {sample.dtype}; give ({len(position)},) torch.int64"
            )
        if not position.isfinite().all():
            raise InputError(f"{name}: some coordinates are NaN or infinite; remove those points")


PAIRS_AT_ONCE = 2**21
"""Number of distances that the reference holds at a time; bounds its memory to about 100 MB."""


def _reference(
    query: Tensor, points: Tensor, k: int, r: float, query_sample: Tensor | None, point_sample: Tensor | None
) -> tuple[Tensor, Tensor]:
    _check(query, points, query_sample, point_sample)
    index = torch.full((len(query), k), -1, dtype=torch.int64, device=query.device)
    square = torch.full((len(query), k), math.inf, dtype=torch.float64, device=query.device)
    everything = torch.zeros(1, dtype=torch.int64, device=query.device)
    for sample in everything if query_sample is None else query_sample.unique():
        rows = torch.arange(len(query), device=query.device)
        there = torch.arange(len(points), device=query.device)
        if query_sample is not None and point_sample is not None:
            rows, there = (query_sample == sample).nonzero()[:, 0], (point_sample == sample).nonzero()[:, 0]
        for some in rows.split(max(1, PAIRS_AT_ONCE // max(1, len(there)))) if len(there) else ():
            row, rank, column, found = _nearest(query[some].double(), points[there].double(), k, r)
            index[some[row], rank], square[some[row], rank] = there[column], found
    return index, square.sqrt().to(query.dtype)


def _nearest(query: Tensor, points: Tensor, k: int, r: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return row of the query, rank, row of the point and squared distance (float64) of each neighbor found."""
    squares = (query[:, None] - points[None]).square_()
    square = squares[..., 0] + squares[..., 1] + squares[..., 2]
    farthest = square.topk(min(k, len(points)), dim=1, largest=False).values[:, -1:].clamp(max=r * r)
    row, column = (square <= farthest).nonzero(as_tuple=True)  # more than k where the last distances are equal
    square = square[row, column]
    order = square.argsort(stable=True)  # stable: the smaller column first among equal distances
    order = order[row[order].argsort(stable=True)]
    row, column, square = row[order], column[order], square[order]
    count = torch.bincount(row, minlength=len(query))
    rank = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
    kept = rank < k
    return row[kept], rank[kept], column[kept], square[kept]


def _fake(
    query: Tensor, points: Tensor, k: int, r: float, query_sample: Tensor | None, point_sample: Tensor | None
) -> tuple[Tensor, Tensor]:
    return query.new_empty(query.shape[0], k, dtype=torch.int64), query.new_empty(query.shape[0], k)


def _cpu(
    query: Tensor, points: Tensor, k: int, r: float, query_sample: Tensor | None, point_sample: Tensor | None
) -> tuple[Tensor, Tensor]:
    _check(query, points, query_sample, point_sample)
    index = torch.empty(len(query), k, dtype=torch.int64)
    distance = torch.empty(len(query), k, dtype=torch.float64)
    native.call(
        "pcseg_neighbors", query.double().contiguous(), len(query), points.double().contiguous(), len(points), k, r,
        None if query_sample is None else query_sample.contiguous(),
        None if point_sample is None else point_sample.contiguous(), index, distance, torch.get_num_threads(),
    )  # fmt: skip
    return index, distance.to(query.dtype)


def _cuda(
    query: Tensor, points: Tensor, k: int, r: float, query_sample: Tensor | None, point_sample: Tensor | None
) -> tuple[Tensor, Tensor]:
    _check(query, points, query_sample, point_sample)
    index = torch.full((len(query), k), -1, dtype=torch.int64, device=query.device)
    distance = torch.full((len(query), k), math.inf, dtype=torch.float64, device=query.device)
    if len(query) == 0 or len(points) == 0:
        return index, distance.to(query.dtype)
    samples, gpu = 1, native.cuda_place(query)
    if query_sample is not None and point_sample is not None:
        numbers, point_sample = point_sample.unique(return_inverse=True)
        samples, place = len(numbers), torch.searchsorted(numbers, query_sample).clamp_(max=len(numbers) - 1)
        query_sample = place.where(numbers[place] == query_sample, -1)
    query64, points64 = query.double().contiguous(), points.double().contiguous()
    grid, cells = _grid(points64, samples, k, r)
    keys = torch.empty(len(points), dtype=torch.int64, device=query.device)
    native.call("pcseg_cuda_neighbors_keys", points64, point_sample, len(points), grid, cells, keys, *gpu)
    ordered, order = sort_keys(keys, samples * int(cells.prod()))
    native.call(
        "pcseg_cuda_neighbors", query64, query_sample, len(query), points64.index_select(0, order), ordered, order,
        len(points), grid, cells, *hash_workspace(len(points), query.device), k, r, index, distance, *gpu,
    )  # fmt: skip
    return index, distance.to(query.dtype)


def _grid(points: Tensor, samples: int, k: int, r: float) -> tuple[Tensor, Tensor]:
    """Return lowest corner and cell side (4,) float64 of a grid over all points, and its cells per axis (3,) int64.

    Both on the CPU. The side is ``r``, bounded such that evenly spread points would number between 1 and ``k`` of one
    sample in a cell.
    """
    low, high = torch.stack(points.aminmax(dim=0)).tolist()
    extent = [b - a for a, b in zip(low, high, strict=True)]
    volume = math.prod(max(e, 1e-3 * max(extent)) for e in extent)
    narrowest = (volume * samples / len(points)) ** (1 / 3)
    side = min(max(r, narrowest), narrowest * k ** (1 / 3))
    if not 0 < side < math.inf:  # all points in one place, or overflow of float64: one cell
        return torch.tensor([*low, math.inf], dtype=torch.float64), torch.ones(3, dtype=torch.int64)
    cells = [int(e / side) + 1 for e in extent]
    return torch.tensor([*low, side], dtype=torch.float64), torch.tensor(cells)


native.define(
    "neighbors(Tensor query, Tensor points, SymInt k, float r, Tensor? query_sample, Tensor? point_sample) "
    "-> (Tensor, Tensor)",
    reference=_reference,
    fake=_fake,
    cpu=_cpu,
    cuda=_cuda,
)
