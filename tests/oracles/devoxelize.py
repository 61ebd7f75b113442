"""Trilinear interpolation between voxel centers, with a dictionary of the occupied voxels."""

from __future__ import annotations

import itertools

import numpy as np


def trilinear(values: np.ndarray, coords: np.ndarray, position: np.ndarray) -> np.ndarray:
    row = {tuple(c): n for n, c in enumerate(coords.tolist())}
    out = np.zeros((len(position), values.shape[1]))
    for p, (sample, *at) in enumerate(position.tolist()):
        total = 0.0
        around = [(int(np.floor(a - 0.5)), int(np.floor(a - 0.5)) + 1) for a in at]
        for voxel in itertools.product(*around):
            n = row.get((int(sample), *voxel))
            if n is None:
                continue
            weight = np.prod([1 - abs(a - (v + 0.5)) for a, v in zip(at, voxel, strict=True)])
            out[p] += weight * values[n]
            total += weight
        if total:
            out[p] /= total
    return out
