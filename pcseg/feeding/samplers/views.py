"""Several views of each scene: one part of it, augmented differently each time."""

from __future__ import annotations

from pcseg.errors import InputError
from pcseg.feeding.samplers.base import Item, Plan, Scenes, StepSampler


class ViewSampler(StepSampler):
    """Each step: ``batch_size / views`` scenes in turn, each as ``views`` samples of the same part of the scene.

    Samples ``views * m`` to ``views * (m + 1) - 1`` show one part; ``Batch.matches`` says which of their voxels hold
    the same point. The last ``strong`` views of each are augmented strongly. Raises InputError for fewer than 2 views,
    and for strong ones where the data set has no strong transforms.
    """

    offers = frozenset({"matches"})

    def __init__(self, scenes: Scenes, plan: Plan, views: int = 2, strong: int = 0) -> None:
        if views < 2 or not 0 <= strong <= views:
            raise InputError(f"views={views}, strong={strong}: give 2 or more views, of which some are strong")
        self.unit, self.weak = views, views - strong
        super().__init__(scenes, plan)
        if strong:
            self.need_strong(scenes)

    def global_batch(self, step: int) -> list[Item]:
        rng = self.generator(step)
        items = []
        for scene in self.in_turn(step, self.plan.batch_size // self.unit):
            view = int(rng.integers(2**62))
            seeds = rng.integers(2**62, size=self.unit)
            items += [Item(scene, int(s), view=view, strong=i >= self.weak) for i, s in enumerate(seeds)]
        return items
