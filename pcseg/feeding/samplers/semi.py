"""Labeled scenes in a given share, beside unlabeled ones; where every scene has labels, scenes in turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pcseg.checks import above_zero, from_zero_to_one
from pcseg.feeding.samplers.base import Item, Plan, Scenes, StepSampler
from pcseg.feeding.samplers.mixed import MixedSampler, check_shares
from pcseg.feeding.samplers.random import RandomSampler


class SemiSampler(StepSampler):
    """Batches for methods that learn from unlabeled scenes, or from the unlabeled rest of labeled ones.

    Where some scenes have no label: those of MixedSampler, a share ``labeled`` of the batch from scenes with labels.
    Where all have some, or a process has one sample a step: scenes in turn. With ``views`` above 1 what is unlabeled,
    or the rest of the batch where all scenes have labels, comes as that many views of one part, the first augmented as
    usual, the others strongly. Views that do not fill a batch are left out: labeled samples take their place. Raises
    InputError as these samplers do.
    """

    def __init__(self, scenes: Scenes, plan: Plan, labeled: float = 0.5, views: int = 1) -> None:
        super().__init__(scenes, plan)
        from_zero_to_one(labeled=labeled)
        above_zero(views=views)

        def unlabeled(share: int) -> int:
            return max(1, round((1 - labeled) * share) // views) * views

        self._inner: StepSampler
        everywhere, share = bool(scenes.labeled().all()), plan.batch_size // plan.world
        if views == 1 and (everywhere or share == 1):
            self._inner = RandomSampler(scenes, plan)
        else:
            check_shares(plan, labeled, views, unlabeled)
            kind = _Everywhere if everywhere else MixedSampler
            self._inner = kind(scenes, plan, 1 - unlabeled(share) / share, views)
        self.offers = self._inner.offers

    def global_batch(self, step: int) -> list[Item]:
        return self._inner.global_batch(step)


class _Everywhere(MixedSampler):
    """The batches of MixedSampler where every scene has labels: scenes in turn, beside views of others."""

    def __init__(self, scenes: Scenes, plan: Plan, labeled: float, views: int) -> None:
        super().__init__(scenes, plan, labeled, views)
        self.offers = frozenset({"matches"})

    def _kinds(self, has: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(len(has)), np.arange(len(has))

    def global_batch(self, step: int) -> list[Item]:
        return [replace(item, domain=None) for item in super().global_batch(step)]
