"""Find the bulk of a scan, which decides about its corner and its floor, so that strays do not."""

from __future__ import annotations

import numpy as np

from pcseg.scenes.places import floor_level
from pcseg.spool import copied, pieces

GAP = 1024
"""Width, in voxels, of an empty space that separates strays, or another scan in the file, from the bulk of a scan."""

ROUNDS = 16
"""Largest number of passes over the axes: each settles what the one before cut off, and two or three do."""


def bulk(coord: np.ndarray, gap: float) -> np.ndarray:
    """Return the mask (P,) of the bulk of a scan with finite coordinates (P, 3): most points, without wide gaps.

    Along one axis after the other, and again until nothing changes, the longest run of points stays that no empty
    slab wider than ``gap`` meters cuts. So all other points are farther than ``gap`` from the bulk, and whether they
    are there or not changes nothing about it. An ordinary scan is all bulk. Points that are all in one place, as the
    (0, 0, 0) that scanners write for no return, are no bulk, however many, where others are.
    """
    inside = first = _run(coord, gap, np.ones(len(coord), dtype=bool))
    free = ~inside
    for _ in range(ROUNDS):
        if not free.any() or not _in_one_place(coord, inside):
            break
        inside = _run(coord, gap, free)
        free &= ~inside
    return first if _in_one_place(coord, inside) else inside


def bulk_and_floor(coord: np.ndarray, gap: float) -> tuple[np.ndarray, float]:
    """Return the mask (P,) of the bulk of a scan (P, 3), and its floor_level.

    Training and prediction both put that floor on z = 0.
    """
    inside = bulk(coord, gap)
    return inside, floor_level(coord if inside.all() else coord[inside])


def _in_one_place(coord: np.ndarray, inside: np.ndarray) -> bool:
    place = coord[inside.argmax()]
    columns = zip(coord.T, place, strict=True)
    return all(
        bool((piece[inside[rows]] == value).all()) for column, value in columns for rows, piece in pieces(column)
    )


def _run(coord: np.ndarray, gap: float, inside: np.ndarray) -> np.ndarray:
    """Return the mask of the points of ``inside`` (P,) that no gap separates from most of them, axis after axis."""
    inside = inside.copy()
    for _ in range(ROUNDS):
        before = int(inside.sum())
        for axis in range(coord.shape[1]):
            column = coord[:, axis]
            low, high = _longest(copied(column, inside), gap)
            for rows, piece in pieces(column):
                inside[rows] &= (piece >= low) & (piece <= high)
        if inside.sum() == before:
            break
    return inside


def _longest(values: np.ndarray, gap: float) -> tuple[float, float]:
    """Return the ends of the run of most values without a gap over ``gap``; of the first where several are as long.

    Sorts ``values`` in place.
    """
    low, high = values.min(), values.max()
    if high - low <= gap:
        return low, high
    values.sort()
    start = np.concatenate([[0], np.flatnonzero(values[1:] - values[:-1] > gap) + 1])
    end = np.append(start[1:], len(values))
    run = int(np.argmax(end - start))
    return values[start[run]], values[end[run] - 1]
