"""Reductions by index, one element at a time, in Python's own numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

START = {"sum": 0, "add": 0, "mean": 0, "mul": 1}
KINDS = ("sum", "add", "mean", "mul", "min", "max")


def spread(index: np.ndarray, shape: tuple[int, ...], dim: int) -> np.ndarray:
    """Return ``index`` in full: of one dimension along ``dim``, of several from the first on."""
    if index.ndim == 1:
        index = index.reshape([1] * (dim % len(shape)) + [-1])
    return np.broadcast_to(index.reshape(index.shape + (1,) * (len(shape) - index.ndim)), shape)


def members(src: np.ndarray, index: np.ndarray, dim: int, size: int) -> tuple[tuple[int, ...], dict[Any, list[Any]]]:
    """Return the shape of the result and, for each place in it, the (position along dim, value) of its elements."""
    dim %= src.ndim
    shape = (*src.shape[:dim], size, *src.shape[dim + 1 :])
    found: dict[Any, list[Any]] = {place: [] for place in np.ndindex(shape)}
    full = spread(index, src.shape, dim)
    for place in np.ndindex(src.shape):
        found[(*place[:dim], int(full[place]), *place[dim + 1 :])].append((place[dim], src[place].item()))
    return shape, found


def reduce(
    src: np.ndarray, index: np.ndarray, dim: int, size: int, how: str, out: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return results and the places of extremes; ``out`` is where each reduction starts."""
    shape, found = members(src, index, dim, size)
    result, arg = np.zeros(shape, src.dtype), np.full(shape, src.shape[dim])
    for place, elements in found.items():
        if how in ("min", "max"):
            best = None if out is None else out[place].item()
            for at, value in elements:
                if best is None or (value < best if how == "min" else value > best):
                    best, arg[place] = value, at
            result[place] = 0 if best is None else best
            continue
        value = START[how] if out is None else out[place].item()
        for _, element in elements:
            value = value * element if how == "mul" else value + element
        if how == "mean":
            count = max(1, len(elements))
            value = value // count if src.dtype.kind in "iu" else value / count
        result[place] = value
    return result, arg


def composite(src: np.ndarray, index: np.ndarray, dim: int, size: int, how: str, **options: Any) -> np.ndarray:
    """``how``: logsumexp or std, of the reduced shape; softmax or log_softmax, of the shape of ``src``."""
    shape, found = members(src, index, dim, size)
    dim %= src.ndim
    result = np.zeros(shape if how in ("logsumexp", "std") else src.shape)
    for place, elements in found.items():
        values = [value for _, value in elements]
        if not values:
            continue
        mean, exponentials = sum(values) / len(values), sum(math.exp(value) for value in values)
        if how == "logsumexp":
            result[place] = math.log(exponentials)
        elif how == "std":
            count = max(1, len(values) - (1 if options.get("unbiased", True) else 0))
            result[place] = math.sqrt(sum((value - mean) ** 2 for value in values) / (count + 1e-6))
        else:
            for at, value in elements:
                share = math.exp(value) / exponentials
                result[(*place[:dim], at, *place[dim + 1 :])] = share if how == "softmax" else math.log(share)
    return result


def ranges(src: np.ndarray, indptr: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    """Return results and places of extremes over the ranges of ``indptr``, along its last dimension."""
    dim = indptr.ndim - 1
    full = np.broadcast_to(indptr, (*src.shape[:dim], indptr.shape[-1]))
    shape = (*src.shape[:dim], indptr.shape[-1] - 1, *src.shape[dim + 1 :])
    result, arg = np.zeros(shape, src.dtype), np.full(shape, src.shape[dim])
    for place in np.ndindex(shape):
        before, after = place[:dim], place[dim + 1 :]
        first, last = full[(*before, place[dim])], full[(*before, place[dim] + 1)]
        one = reduce(src[(*before, slice(first, last), *after)], np.zeros(last - first, int), 0, 1, how)
        result[place] = one[0][0]
        arg[place] = one[1][0] + first if last > first else src.shape[dim]
    return result, arg


def repeat(src: np.ndarray, indptr: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return ``out`` with each slice of ``src`` written over its range."""
    dim, out = indptr.ndim - 1, out.copy()
    full = np.broadcast_to(indptr, (*src.shape[:dim], indptr.shape[-1]))
    for place in np.ndindex(src.shape[: dim + 1]):
        for at in range(full[place], full[(*place[:dim], place[dim] + 1)]):
            out[(*place[:dim], at)] = src[place]
    return out
