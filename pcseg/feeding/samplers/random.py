"""Scenes in turn, with Mix3D."""

from __future__ import annotations

import numpy as np

from pcseg.errors import InputError
from pcseg.feeding.samplers.base import Item, Plan, Scenes, StepSampler


class RandomSampler(StepSampler):
    """Each step: ``batch_size`` scenes in turn. With probability ``mix`` another scene is merged into a sample (Mix3D).

    With ``labeled`` only scenes that have a label are drawn, where others have none. Raises InputError where ``mix`` is
    no probability.
    """

    def __init__(self, scenes: Scenes, plan: Plan, mix: float = 0.0, labeled: bool = False) -> None:
        super().__init__(scenes, plan)
        if not 0 <= mix <= 1:
            raise InputError(f"mix={mix:g}: must be a probability, 0 to 1")
        self.mix = mix
        self._drawn = np.flatnonzero(scenes.labeled()) if labeled else np.arange(len(scenes))
        if not len(self._drawn):
            raise InputError("sampler: no scene has a label; draw labels for some")

    def global_batch(self, step: int) -> list[Item]:
        rng = self.generator(step)
        items = []
        for turn in self.in_turn(step, self.plan.batch_size, len(self._drawn)):
            scene = int(self._drawn[turn])
            seed, other, lot = int(rng.integers(2**62)), self.other(rng, scene), rng.random()
            items.append(Item(scene, seed, mix=other if lot < self.mix else None))
        return items
