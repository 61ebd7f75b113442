"""What tags say about labels that are spread: which classes are not there, and which are somewhere."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pcseg.classes import IGNORE
from pcseg.pseudo.graph import SurfaceGraph

PLACES = (0.0005, 0.001)
"""Of the nodes of a sub-cloud, the surest of a class first, the places of those taken for it: not too much alike."""

DRAWN = 800
"""Nodes of a scene that are drawn to begin from where nothing is labeled."""

LEAST = 1e-3
"""Smaller probabilities say nothing: random walks are found to 1e-4 (:func:`pcseg.ops.random_walk`)."""


def allowed_nodes(graph: SurfaceGraph, allowed: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the classes (N, K) bool that nodes may have: those of any of their points, ``allowed`` (P, K) bool.

    Nodes with one of the ``labels`` (N,) may have it.
    """
    found = np.zeros((len(graph), allowed.shape[1]), dtype=bool)
    for k, column in enumerate(allowed.T):
        found[graph.node[column], k] = True
    known = np.flatnonzero(labels != IGNORE)
    found[known, labels[known]] = True
    return found


def among(share: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return the ``share`` (N, K) of ``allowed`` classes (N, K), scaled to a sum of 1; 0 where it is below LEAST.

    The only class that is allowed somewhere has the share 1.
    """
    share = np.where(allowed.sum(axis=1, keepdims=True) == 1, 1, share) * allowed
    total = share.sum(axis=1, keepdims=True)
    return np.divide(share, total, out=np.zeros_like(share), where=total >= LEAST)


def surest_of_tags(
    share: np.ndarray, labels: np.ndarray, parts: Iterable[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes (n,) and the classes (n,) to take them for: for each class of each part, those of PLACES.

    ``share`` (N, K): probabilities of the nodes, ``labels`` (N,) those they have; ``parts``: nodes (m,) of a sub-cloud,
    and the classes (K,) bool in it. Each class is somewhere in its part, so what is likeliest there stands for it, even
    where another class is likelier: so a classifier learns from classes that it finds too rarely. Nodes of a
    probability below LEAST are left out, as where a class is labeled nowhere, and all are as likely.
    """
    nodes, classes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for near, inside in parts:
        near = near[labels[near] == IGNORE]
        if not len(near):
            continue
        places = np.unique([round(place * len(near)) for place in PLACES])
        for k in np.flatnonzero(inside):
            chosen = near[np.argsort(-share[near, k], kind="stable")[places]]
            chosen = chosen[share[chosen, k] >= LEAST]
            nodes.append(chosen)
            classes.append(np.full(len(chosen), k))
    return np.concatenate(nodes), np.concatenate(classes)


def drawn_of_tags(allowed: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes (n,), up to DRAWN, and for each one of its ``allowed`` (N, K) classes.

    Classes are drawn on equal terms. Most are wrong; but where a class may be, it is drawn, and where not, never: a
    classifier that divides by how often each was drawn tells what is met where a class is allowed. Nodes that may have
    all classes say nothing, and are left out.
    """
    rng = np.random.default_rng(seed)
    some = np.flatnonzero(allowed.any(axis=1) & ~allowed.all(axis=1))
    nodes = np.sort(rng.choice(some, min(DRAWN, len(some)), replace=False))
    share = allowed[nodes].cumsum(axis=1) / allowed[nodes].sum(axis=1, keepdims=True)
    return nodes, (share > rng.random((len(nodes), 1))).argmax(axis=1)
