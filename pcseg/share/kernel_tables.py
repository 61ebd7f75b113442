"""Make the inputs of an exported network from points, with NumPy alone; a copy of this file lies beside each export.

import json, numpy as np, onnxruntime, kernel_tables
about = json.load(open("model.json"))
session = onnxruntime.InferenceSession("model.onnx")
coords, rows, inverse = kernel_tables.voxelize(xyz, about["voxel_size"])
inputs = {"feats": kernel_tables.features(about["features"], xyz, color)[rows]}
inputs |= kernel_tables.tables(coords, about["tables"])
(logits,) = session.run(None, inputs)
labels = logits.argmax(axis=1)[inverse]  # of each point, an index into about["classes"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def voxelize(xyz: np.ndarray, voxel_size: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return voxels (N, 4) int32, rows (sample, x, y, z), of points (P, 3) in meters that are one sample, number 0.

    Also the point (N,) that stands for each voxel and the voxel (P,) of each point. The scan is moved so that its
    corner and its floor are at zero, as in training: heights matter.
    """
    place = near_zero(xyz)
    cells = np.floor(place / np.float32(voxel_size)).astype(np.int32)
    coords, rows, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    return np.pad(coords, ((0, 0), (1, 0))), rows, inverse.reshape(-1)


def near_zero(xyz: np.ndarray) -> np.ndarray:
    """Return points (P, 3) float32 moved so that x and y begin at zero and the floor, percentile 1 of z, is at zero."""
    xyz = np.asarray(xyz, dtype=np.float64)
    rank = len(xyz) // 100
    floor = np.partition(xyz[:, 2], rank)[rank]
    return np.asarray(xyz - [xyz[:, 0].min(), xyz[:, 1].min(), floor], dtype=np.float32)


def features(names: Sequence[str], xyz: np.ndarray, color: np.ndarray | None = None) -> np.ndarray:
    """Return features (P, F) float32 of points (P, 3), with ``color`` (P, 3) of 0 to 255, in the order of ``names``.

    Known are color, optional_color, height and ones; raises ValueError for others, which you compute as in training.
    """
    columns: list[np.ndarray] = []
    for name in names:
        if name in ("color", "optional_color"):
            if color is None and name == "color":
                raise ValueError("the network needs color")
            shown = np.full((len(xyz), 3), 127.5) if color is None else np.asarray(color)
            columns.append(shown.astype(np.float32) / np.float32(255) - np.float32(0.5))
        elif name == "height":
            columns.append(near_zero(xyz)[:, 2:])
        elif name == "ones":
            columns.append(np.ones((len(xyz), 1)))
        else:
            raise ValueError(f"feature {name}: compute it as in training, and stack the columns yourself")
    return np.concatenate(columns, axis=1, dtype=np.float32)


def tables(coords: np.ndarray, specs: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Return the table (M, K) int64 of each convolution's neighbors, by the name of its input.

    ``coords`` (N, 4) int32, each voxel once, in any order. ``specs``: name, in_stride, out_stride, kernel_size and
    dilation of each. A table holds, for output voxel m and kernel weight k, the row of the input voxel there, or the
    number of input voxels where there is none.
    """
    levels = {1: np.asarray(coords, dtype=np.int64)}
    found = {}
    for spec in specs:
        strides = int(spec["in_stride"]), int(spec["out_stride"])
        for stride in strides:
            if stride not in levels:
                levels[stride] = _downsample(levels[1], stride)
        reach = _offsets(int(spec["kernel_size"])) * (min(strides) * int(spec["dilation"]))
        inputs, outputs = levels[strides[0]], levels[strides[1]]
        found[str(spec["name"])] = _neighbors(inputs, outputs, reach if strides[0] <= strides[1] else -reach)
    return found


def _downsample(coords: np.ndarray, stride: int) -> np.ndarray:
    """Return voxels (N, 4) rounded down to multiples of ``stride``, each once, sorted by (sample, x, y, z)."""
    position = np.floor_divide(coords[:, 1:], stride) * stride
    return np.unique(np.concatenate([coords[:, :1], position], axis=1), axis=0)


def _offsets(size: int) -> np.ndarray:
    """Return offsets (size ** 3, 3), the first axis fastest; odd kernels are centered, even ones begin at 0."""
    steps = np.arange(size) - (size // 2 if size % 2 else 0)
    z, y, x = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack([x, y, z], axis=-1).reshape(-1, 3)


def _neighbors(inputs: np.ndarray, outputs: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the row (M, K) int64 of ``inputs`` at ``outputs`` (M, 4) plus each offset, len(inputs) where none is."""
    reach = np.abs(offsets).max(axis=0)
    low = np.minimum(inputs[:, 1:].min(axis=0), outputs[:, 1:].min(axis=0)) - reach
    high = np.maximum(inputs[:, 1:].max(axis=0), outputs[:, 1:].max(axis=0)) + reach
    _, y, z = (int(size) for size in high - low + 1)
    samples = int(max(inputs[:, 0].max(), outputs[:, 0].max())) + 1
    if samples * float(np.prod((high - low + 1).astype(np.float64))) > 2**62:
        raise ValueError("the voxels extend too far to be numbered; cut the scan into tiles")
    weights = np.array([int(high[0] - low[0] + 1) * y * z, y * z, z, 1])
    corner = np.concatenate([[0], low])
    keys = (inputs - corner) @ weights
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    wanted = ((outputs - corner) @ weights)[:, None] + offsets @ weights[1:]
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, order[at], len(inputs))
