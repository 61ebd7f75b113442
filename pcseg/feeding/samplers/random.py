"""Scenes in turn, with rare classes more often and with Mix3D."""

from __future__ import annotations

import numpy as np

from pcseg.errors import InputError
from pcseg.feeding.samplers.base import Item, Plan, Rarity, Scenes, StepSampler


class RandomSampler(StepSampler):
    """Each step: ``batch_size`` scenes in turn. With probability ``mix`` another scene is merged into a sample (Mix3D).

    With probability ``rare`` a sample is centered on a point of a class that is labeled in its scene: of class c with a
    probability proportional to ``1 / freq(c)**0.5``, freq(c) its labeled points in all scenes. With ``labeled`` only
    scenes that have a label are drawn, where others have none. Raises InputError where ``mix`` or ``rare`` is no
    probability.
    """

    def __init__(self, scenes: Scenes, plan: Plan, mix: float = 0.0, labeled: bool = False, rare: float = 0.0) -> None:
        super().__init__(scenes, plan)
        for name, value in {"mix": mix, "rare": rare}.items():
            if not 0 <= value <= 1:
                raise InputError(f"{name}={value:g}: must be a probability, 0 to 1")
        self.mix, self.rare = mix, rare
        self._classes = Rarity(scenes) if rare else None
        self._drawn = np.flatnonzero(scenes.labeled()) if labeled else np.arange(len(scenes))
        if not len(self._drawn):
            raise InputError("sampler: no scene has a label; draw labels for some")

    def global_batch(self, step: int) -> list[Item]:
        rng = self.generator(step)
        items = []
        for turn in self.in_turn(step, self.plan.batch_size, len(self._drawn)):
            scene = int(self._drawn[turn])
            seed, other, lot = int(rng.integers(2**62)), self.other(rng, scene), rng.random()
            anchor = None
            if self._classes is not None and rng.random() < self.rare:
                anchor = self._classes.draw(rng, self._classes.has[scene])
            items.append(Item(scene, seed, anchor, mix=other if lot < self.mix else None))
        return items
