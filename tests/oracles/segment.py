"""Segment reductions, one element at a time."""

from __future__ import annotations

import numpy as np


def weighted_sum(values: np.ndarray, row: np.ndarray, weight: np.ndarray, segment: np.ndarray, n: int) -> np.ndarray:
    out = np.zeros((n, values.shape[1]))
    for r, w, s in zip(row, weight, segment, strict=True):
        out[s] += w * values[r]
    return out


def reduce(values: np.ndarray, segment: np.ndarray, n: int, how: str) -> np.ndarray:
    """``how``: sum, mean or max, 0 for an empty segment; or softmax, as large as ``values``."""
    out = np.zeros_like(values) if how == "softmax" else np.zeros((n, values.shape[1]))
    for s in range(n):
        rows = values[segment == s]
        if len(rows) == 0:
            continue
        if how == "softmax":
            power = np.exp(rows - rows.max(axis=0))
            out[segment == s] = power / power.sum(axis=0)
        else:
            out[s] = {"sum": rows.sum, "mean": rows.mean, "max": rows.max}[how](axis=0)
    return out
