"""Scenes with given labels in a given share, beside scenes whose labels were all guessed."""

from __future__ import annotations

from typing import Any

import numpy as np

from pcseg.feeding.samplers.base import Plan, Scenes
from pcseg.feeding.samplers.semi import SemiSampler


class GivenSampler(SemiSampler):
    """Batches for rounds of pseudo labels: those of SemiSampler, in which guessed labels do not count.

    A share ``labeled`` of each batch is of scenes with a given label, one of weight 1; the rest of scenes whose labels
    were guessed, or that have none. Where all scenes have given ones: scenes in turn; where none has, as with boxes,
    all labels count. Raises InputError as SemiSampler does.
    """

    def __init__(self, scenes: Scenes, plan: Plan, labeled: float = 0.5) -> None:
        super().__init__(_Given(scenes), plan, labeled)


class _Given:
    """A training set of which only the scenes with given labels count as labeled."""

    def __init__(self, scenes: Any) -> None:
        self.scenes, self.strong = scenes, scenes.strong

    def __len__(self) -> int:
        return len(self.scenes)

    def counts(self) -> np.ndarray:
        found: np.ndarray = self.scenes.counts()
        return found

    def labeled(self) -> np.ndarray:
        budget = getattr(self.scenes, "labels", None)
        has: np.ndarray = self.scenes.labeled()
        if budget is None:
            return has
        guessed = [s.name for s in budget.scenes if s.weight is not None and not (s.weight[s.label >= 0] == 1).any()]
        given = has & ~np.isin(self.scenes.names, guessed)
        return given if given.any() else has
