"""Spread few labels over a graph: shortest paths for each class, or a random walker with or without a prior."""

from __future__ import annotations

import numpy as np
import torch

from pcseg import ops
from pcseg.classes import IGNORE
from pcseg.pseudo.graph import SurfaceGraph


def class_distances(graph: SurfaceGraph, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the cost (N, K) float32 of the cheapest path from each node to one that is labeled with each class.

    ``labels`` (N,): IGNORE where unknown. Infinite where no path leads there.
    """
    return ops.class_paths(*graph.edges(), _whole(labels), n_classes).numpy()


def left_out_distances(graph: SurfaceGraph, labels: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``class_distances`` (N, K), and what they would be at each labeled node if its own label were unknown.

    The latter are (n, K), in order of the nodes, exact, and need no second search (:func:`pcseg.ops.left_out_paths`).
    """
    distances, alone = ops.left_out_paths(*graph.edges(), _whole(labels), n_classes)
    return distances.numpy(), alone.numpy()


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
    of "Multilabel random walker image segmentation using prior models" (CVPR 2005). To 1e-4
    (:func:`pcseg.ops.random_walk`): the time grows linearly with N for a fixed leak.
    """
    known = labels != IGNORE
    truth = np.zeros((len(graph), n_classes), dtype=np.float32)
    truth[known, labels[known]] = 1
    starts, ends, cost = graph.edges()
    ended = None if prior is None else torch.from_numpy(np.ascontiguousarray(prior, dtype=np.float32))
    begun = truth if prior is None else np.where(known[:, None], truth, prior)
    start = torch.from_numpy(np.ascontiguousarray(begun, dtype=np.float32))
    found = ops.random_walk(starts, ends, (-beta * cost).exp(), start, torch.from_numpy(known), leak, ended)
    return found.clamp(0, 1).numpy()
