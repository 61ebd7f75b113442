"""Labeled scenes in a given share, beside unlabeled ones; where every scene has labels, scenes in turn."""

from __future__ import annotations

from dataclasses import replace

from pcseg.feeding.samplers.base import Item, Plan, Scenes, StepSampler
from pcseg.feeding.samplers.mixed import MixedSampler
from pcseg.feeding.samplers.random import RandomSampler
from pcseg.feeding.samplers.views import ViewSampler


class SemiSampler(StepSampler):
    """Batches for methods that learn from unlabeled scenes, or from the unlabeled rest of labeled ones.

    Where some scenes have no label: those of MixedSampler, a share ``labeled`` of the batch from scenes with labels.
    Where all have some: scenes in turn. With ``views`` above 1 what is unlabeled comes as that many views of one part,
    the first augmented as usual, the others strongly. Views that do not fill a batch are left out: the labeled samples
    of MixedSampler take their place, else the batch is smaller. Raises InputError as these samplers do.
    """

    def __init__(self, scenes: Scenes, plan: Plan, labeled: float = 0.5, views: int = 1) -> None:
        self._inner: StepSampler
        share = plan.batch_size // plan.world
        if not scenes.labeled().all():
            unlabeled = max(1, round((1 - labeled) * share) // max(views, 1)) * views
            self._inner = MixedSampler(scenes, plan, 1 - unlabeled / max(share, 1), views)
        elif views > 1:
            plan = replace(plan, batch_size=share // views * views * plan.world)
            self._inner = ViewSampler(scenes, plan, views, views - 1)
        else:
            self._inner = RandomSampler(scenes, plan)
        self.unit, self.offers = self._inner.unit, self._inner.offers
        super().__init__(scenes, plan)

    def global_batch(self, step: int) -> list[Item]:
        return self._inner.global_batch(step)
