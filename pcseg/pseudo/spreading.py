"""Spread few labels over a graph: shortest paths for each class, or a random walker with or without a prior."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array, dia_array

from pcseg.classes import IGNORE
from pcseg.ops import class_paths
from pcseg.pseudo.graph import SurfaceGraph

_ITERATIONS = 300
"""Largest number of steps of the conjugate gradient method."""


def class_distances(graph: SurfaceGraph, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the cost (N, K) float32 of the cheapest path from each node to one that is labeled with each class.

    ``labels`` (N,): IGNORE where unknown. Infinite where no path leads there.
    """
    return class_paths(*graph.edges(), _whole(labels), n_classes).numpy()


def left_out_distances(graph: SurfaceGraph, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return what ``class_distances`` would be at each labeled node (n, K), in order, if its own label were unknown.

    Exact, with one search a class (:func:`pcseg.ops.class_paths`).
    """
    return class_paths(*graph.edges(), _whole(labels), n_classes, left_out=True).numpy()


def _whole(labels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(labels, dtype=np.int64))


def path_probabilities(
    distances: np.ndarray, labels: np.ndarray, offset: float = 0.3, power: float = 2.0
) -> np.ndarray:
    """Return for each node the probability (N, K) float32 of each class, from ``distances`` (N, K) to its labels.

    Proportional to (distance + ``offset``) ** -``power``: the margin between the nearest classes decides, not how near
    they are. Nodes with a label (``labels`` (N,)) have it for sure; where no class can be reached all are 0.
    """
    share = (np.float32(offset) + distances) ** -np.float32(power)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-30)
    known = labels != IGNORE
    share[known] = 0
    share[known, labels[known]] = 1
    return share


def random_walk(
    graph: SurfaceGraph,
    labels: np.ndarray,
    n_classes: int,
    beta: float = 0.4,
    leak: float = 1e-3,
    prior: np.ndarray | None = None,
) -> np.ndarray:
    """Return for each node the probabilities (N, K) float32 that a walk from it ends at a label of each class.

    A step goes to a neighbor with probability proportional to exp(-``beta`` * cost); before each, the walk is given up
    with probability leak / (1 + leak). Walks given up end at the ``prior`` (N, K), such as a network's probabilities,
    or nowhere: rows then sum to less than 1, the less the farther the labels are. Nodes with a label (``labels`` (N,),
    IGNORE where unknown) keep it. Source: Grady, "Random walks for image segmentation" (PAMI 2006); the prior is that
    of "Multilabel random walker image segmentation using prior models" (CVPR 2005). Solved by conjugate gradients,
    whose time grows linearly with N for a fixed leak.
    """
    known = labels != IGNORE
    truth = np.zeros((len(graph), n_classes), dtype=np.float32)
    truth[known, labels[known]] = 1
    weight = csr_array((np.exp(-beta * graph.cost.data), graph.cost.indices, graph.cost.indptr), graph.cost.shape)
    degree = np.maximum(weight.sum(axis=1), 1e-12).astype(np.float32)
    scale = 1 / np.sqrt(degree)
    # Symmetric: (1 + leak - D^-1/2 W D^-1/2) y = b for the free nodes, x = D^-1/2 y.
    free = (~known).astype(np.float32)
    step = dia_array((scale * free, 0), shape=weight.shape) @ weight @ dia_array((scale * free, 0), shape=weight.shape)
    right = free[:, None] * scale[:, None] * (weight @ truth)
    if prior is not None:
        right += leak * free[:, None] / scale[:, None] * prior
    start = np.zeros_like(right) if prior is None else free[:, None] / scale[:, None] * prior
    found = _conjugate_gradients(step.tocsr(), 1 + leak, right, start) * scale[:, None]
    return np.clip(np.where(known[:, None], truth, found), 0, 1)


def _conjugate_gradients(step: csr_array, diagonal: float, right: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return x (N, K) of (diagonal - step) x = right, column by column at once."""
    x = start
    residual = right - diagonal * x + step @ x
    direction = residual.copy()
    square = (residual * residual).sum(axis=0)
    goal = 1e-9 * np.maximum((right * right).sum(axis=0), 1e-20)
    for _ in range(_ITERATIONS):
        if (square <= goal).all():
            break
        image = diagonal * direction - step @ direction
        length = square / np.maximum((direction * image).sum(axis=0), 1e-30)
        x += length * direction
        residual -= length * image
        new = (residual * residual).sum(axis=0)
        direction = residual + new / np.maximum(square, 1e-30) * direction
        square = new
    return x
