"""A forest that tells the classes of nodes by their surroundings, learned from the few labels of all scans."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import torch

from pcseg.errors import InputError

TREES = 100

MOST = 30_000
"""Largest number of labels that the forest learns from; of more, so many are drawn."""

_CHUNK = 10_000
"""Nodes that are told apart at a time."""


class Forest:
    """Extremely randomized trees (Geurts et al., "Extremely randomized trees", 2006; scikit-learn's) on descriptors.

    All descriptors are tried at each split: that serves the few labels of rare classes. ``descriptors`` (n, D),
    ``labels`` (n,) of ``n_classes``; ``paths`` (n, K): what paths from all other labels say of each, None if that is
    not to be learned from. The same each time, for any number of threads. Raises InputError for no label.
    """

    def __init__(
        self,
        descriptors: np.ndarray,
        labels: np.ndarray,
        n_classes: int,
        paths: np.ndarray | None = None,
        seed: int = 0,
    ) -> None:
        if not len(labels):
            raise InputError("labels: there is none to spread; label points first")
        rows = np.arange(len(labels))
        if len(labels) > MOST:
            rows = np.sort(np.random.default_rng(seed).choice(len(labels), MOST, replace=False))
        self.n_classes, self.seed = n_classes, seed
        paths = np.zeros((len(labels), 0), np.float32) if paths is None else paths
        self._descriptors, self._paths, self._labels = descriptors[rows], paths[rows], labels[rows]
        self.learned_paths = bool(self._paths.any())

    def __call__(self, descriptors: np.ndarray, paths: np.ndarray | None = None) -> np.ndarray:
        """Return the probabilities (N, K) float32 of nodes with ``descriptors`` (N, D) and ``paths`` (N, K).

        Where ``paths`` are 0, no label is within reach, and the descriptors decide alone.
        """
        found = np.zeros((len(descriptors), self.n_classes), dtype=np.float32)
        reached = np.zeros(len(descriptors), dtype=bool) if paths is None else paths.any(axis=1)
        if not reached.all():
            found[~reached] = self._told(self._alone, descriptors[~reached])
        if paths is not None and reached.any():
            found[reached] = self._told(self._with_paths, np.concatenate([descriptors, paths], axis=1)[reached])
        return found

    @cached_property
    def _alone(self) -> Any:
        return self._fitted(self._descriptors, self._labels)

    @cached_property
    def _with_paths(self) -> Any:
        reached = self._paths.any(axis=1)
        both = np.concatenate([self._descriptors, self._paths], axis=1)
        return self._fitted(both[reached], self._labels[reached])

    def _fitted(self, descriptors: np.ndarray, labels: np.ndarray) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier  # slow to import

        trees = ExtraTreesClassifier(
            TREES, max_features=None, random_state=self.seed, n_jobs=torch.get_num_threads()
        ).fit(descriptors, labels)
        trees.n_jobs = 1  # threads would add up the trees in any order, and so in other bits each time
        return trees

    def _told(self, trees: Any, descriptors: np.ndarray) -> np.ndarray:
        found = np.zeros((len(descriptors), self.n_classes), dtype=np.float32)
        parts = [slice(start, start + _CHUNK) for start in range(0, len(descriptors), _CHUNK)]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            shares = pool.map(lambda part: trees.predict_proba(descriptors[part]), parts)
            for part, share in zip(parts, shares, strict=True):
                found[part, trees.classes_] = share
        return found
