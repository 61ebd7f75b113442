"""A forest that tells the classes of nodes by their surroundings, learned from the few labels of all scans."""

from __future__ import annotations

from threading import Lock

import numpy as np
import torch

from pcseg.errors import InputError
from pcseg.ops import Trees, ask_forest, grow_forest

TREES = 100

MOST = 30_000
"""Largest number of labels that the forest learns from; of more, so many are drawn."""

_CHUNK = 200_000
"""Nodes that are told apart at a time."""


class Forest:
    """Extremely randomized trees (:func:`pcseg.ops.grow_forest`) on descriptors.

    ``tried``: how many descriptors are tried at each node. All, None, serve the few labels of rare classes; a third is
    faster, and as good, where many labels are wrong. ``descriptors`` (n, D),
    ``labels`` (n,) of ``n_classes``; ``paths`` (n, K): what paths from all other labels say of each, None if that is
    not to be learned from. ``even``: probabilities are divided by how often each class is among the labels. The same
    each time, for any number of threads. Raises InputError for no label.
    """

    def __init__(
        self,
        descriptors: np.ndarray,
        labels: np.ndarray,
        n_classes: int,
        paths: np.ndarray | None = None,
        seed: int = 0,
        even: bool = False,
        tried: int | None = None,
    ) -> None:
        if not len(labels):
            raise InputError("labels: there is none to spread; label points first")
        rows = np.arange(len(labels))
        if len(labels) > MOST:
            rows = np.sort(np.random.default_rng(seed).choice(len(labels), MOST, replace=False))
        self.n_classes, self.seed, self.tried = n_classes, seed, tried
        paths = np.zeros((len(labels), 0), np.float32) if paths is None else paths
        self._descriptors, self._paths, self._labels = descriptors[rows], paths[rows], labels[rows]
        self._often = np.maximum(np.bincount(self._labels, minlength=n_classes), 1) if even else None
        self.learned_paths = bool(self._paths.any())
        self._trees: dict[bool, Trees] = {}
        self._lock = Lock()  # two scenes may ask at a time

    def __call__(self, descriptors: np.ndarray, paths: np.ndarray | None = None) -> np.ndarray:
        """Return the probabilities (N, K) float32 of nodes with ``descriptors`` (N, D) and ``paths`` (N, K).

        Where ``paths`` are 0, no label is within reach, and the descriptors decide alone.
        """
        found = np.zeros((len(descriptors), self.n_classes), dtype=np.float32)
        for start in range(0, len(found), _CHUNK):
            some = slice(start, start + _CHUNK)
            found[some] = self._shares(descriptors[some], None if paths is None else paths[some])
        if self._often is not None:
            found /= self._often.astype(np.float32)
            found /= np.maximum(found.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return found

    def _shares(self, descriptors: np.ndarray, paths: np.ndarray | None) -> np.ndarray:
        found = np.zeros((len(descriptors), self.n_classes), dtype=np.float32)
        reached = np.zeros(len(descriptors), dtype=bool) if paths is None else paths.any(axis=1)
        if not reached.all():
            found[~reached] = _told(self._grown(with_paths=False), descriptors[~reached])
        if paths is not None and reached.any():
            found[reached] = _told(self._grown(with_paths=True), np.concatenate([descriptors, paths], axis=1)[reached])
        return found

    def _grown(self, with_paths: bool) -> Trees:
        """Return the trees that know paths or those that do not; they are grown when they are first asked."""
        with self._lock:
            if with_paths not in self._trees:
                seen, labels = self._descriptors, self._labels
                if with_paths:
                    reached = self._paths.any(axis=1)
                    seen, labels = np.concatenate([seen, self._paths], axis=1)[reached], labels[reached]
                rows = torch.from_numpy(np.ascontiguousarray(seen, dtype=np.float32))
                label = torch.from_numpy(labels.astype(np.int64))
                self._trees[with_paths] = grow_forest(rows, label, self.n_classes, TREES, self.seed, self.tried)
            return self._trees[with_paths]


def _told(trees: Trees, descriptors: np.ndarray) -> np.ndarray:
    return ask_forest(torch.from_numpy(np.ascontiguousarray(descriptors, dtype=np.float32)), trees).numpy()
