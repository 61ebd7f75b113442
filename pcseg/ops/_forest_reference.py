"""Extremely randomized trees in NumPy and PyTorch: what the compiled ops of pcseg.ops.forest do."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def _mix(x: np.ndarray) -> np.ndarray:
    """Return the finalizer of the generator splitmix64 for each number, uint64."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def _best_cut(values: np.ndarray, truth: np.ndarray, tried: int, key: np.ndarray) -> tuple[int, np.float32] | None:
    """Return column and threshold of the best random cut of rows (n, D), None where all columns are constant.

    ``truth`` (n, K): 1 at the class of each row. ``key`` (1,) uint64: what is drawn depends on it alone.
    """
    low, high = values.min(axis=0), values.max(axis=0)
    with np.errstate(over="ignore"):
        drawn = _mix(key + np.arange(values.shape[1], dtype=np.uint64))
    threshold = low + (drawn >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24) * (high - low)
    threshold = np.where(threshold < high, threshold, low)
    below = (values <= threshold).T.astype(np.float64) @ truth
    above = truth.sum(axis=0) - below
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = (below**2).sum(axis=1) / below.sum(axis=1) + (above**2).sum(axis=1) / above.sum(axis=1)
    gain[low >= high] = -1.0
    gain[_left_out(low < high, tried, key)] = -1.0
    if not (gain > 0).any():
        return None
    best = np.flatnonzero(gain == gain.max())
    column = int(best[_mix(drawn[best]).argmin()])
    return column, threshold[column]


def _left_out(cuts: np.ndarray, tried: int, key: np.ndarray) -> np.ndarray:
    """Return the columns that are not among the first ``tried`` of those with ``cuts`` (D,), in an order drawn."""
    count = len(cuts)
    if tried >= count:
        return np.zeros(0, dtype=np.int64)
    with np.errstate(over="ignore"):
        drawn = _mix(key - np.uint64(1) - np.arange(count, dtype=np.uint64))
    order = np.arange(count)
    for place in range(count):
        other = place + int(drawn[place] % np.uint64(count - place))
        order[[place, other]] = order[[other, place]]
    return order[cuts[order].cumsum() > tried]


def grow_reference(
    values: Tensor, label: Tensor, n_classes: int, trees: int, tried: int, seed: int
) -> tuple[Tensor, ...]:
    rows, truth = values.numpy(), np.eye(n_classes)[label.numpy()]
    nodes: list[tuple[int, float, int, int, int]] = []
    starts, mixed, leaves = [0], [np.zeros((0, n_classes))], 0
    for tree in range(trees):
        with np.errstate(over="ignore"):
            key = _mix(_mix(np.array([seed % 2**64], dtype=np.uint64)) + np.uint64(tree))
        parts, node = [np.arange(len(rows))], 0
        while node < len(parts):
            part = parts[node]
            share = truth[part].mean(axis=0)
            with np.errstate(over="ignore"):
                drawn = _mix(key + np.uint64(node))
            cut = None if share.max() == 1 else _best_cut(rows[part], truth[part], tried, drawn)
            if cut is not None:
                column, threshold = cut
                nodes.append((column, float(threshold), len(parts), len(parts) + 1, -1))
                below = rows[part, column] <= threshold
                parts += [part[below], part[~below]]
            elif share.max() == 1:
                nodes.append((-1, 0.0, -1, -1, int(share.argmax())))
            else:
                nodes.append((-1, 0.0, -1, -1, n_classes + leaves))
                mixed.append(share[None])
                leaves += 1
            node += 1
        starts.append(len(nodes))
    feature, thresholds, left, right, shares = (np.array(each) for each in zip(*nodes, strict=True))
    return _numbered(starts, feature, thresholds, np.stack([left, right], axis=1), shares, np.concatenate(mixed))


def _numbered(starts: list[int], *arrays: np.ndarray) -> tuple[Tensor, ...]:
    kinds = (np.int32, np.float32, np.int32, np.int32, np.float32)
    tensors = (torch.from_numpy(array.astype(kind)) for array, kind in zip(arrays, kinds, strict=True))
    return (torch.tensor(starts), *tensors)


def ask_reference(
    values: Tensor, starts: Tensor, feature: Tensor, threshold: Tensor, children: Tensor, share: Tensor, mixed: Tensor
) -> Tensor:
    shares = torch.cat([torch.eye(mixed.shape[1]), mixed])
    found = values.new_zeros(len(values), mixed.shape[1])
    for first in starts[:-1].tolist():
        at = torch.full((len(values),), first)
        while bool((inner := feature[at] >= 0).any()):
            some = at[inner]
            above = values[inner, feature[some].long()] > threshold[some]
            at[inner] = first + children[some, above.long()].long()
        found += shares[share[at].long()]
    return found / (len(starts) - 1)
