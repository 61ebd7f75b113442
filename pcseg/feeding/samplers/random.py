"""Scenes in turn, with Mix3D."""

from __future__ import annotations

from pcseg.errors import InputError
from pcseg.feeding.samplers.base import Item, Plan, Scenes, StepSampler


class RandomSampler(StepSampler):
    """Each step: ``batch_size`` scenes in turn. With probability ``mix`` another scene is merged into a sample (Mix3D).

    Raises InputError where ``mix`` is no probability.
    """

    def __init__(self, scenes: Scenes, plan: Plan, mix: float = 0.0) -> None:
        super().__init__(scenes, plan)
        if not 0 <= mix <= 1:
            raise InputError(f"mix={mix:g}: must be a probability, 0 to 1")
        self.mix = mix

    def global_batch(self, step: int) -> list[Item]:
        rng = self.generator(step)
        items = []
        for scene in self.in_turn(step, self.plan.batch_size):
            seed, other, lot = int(rng.integers(2**62)), self.other(rng, scene), rng.random()
            items.append(Item(scene, seed, mix=other if lot < self.mix else None))
        return items
