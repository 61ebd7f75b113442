"""Pairs of scenes that share a labeled class."""

from __future__ import annotations

import numpy as np

from pcseg.feeding.samplers.base import Item, Plan, Rarity, Scenes, StepSampler


class PairSampler(StepSampler):
    """Each step: ``batch_size / 2`` pairs of scenes that share a labeled class (2107.11267).

    Labeled points are counted in the label budget alone. The first of a pair comes in turn, as in RandomSampler. A
    class c of it that some other scene has too is drawn with probability proportional to ``1 / freq(c)**0.5``, freq(c)
    its labeled points in all scenes; the second is any other scene that has c; both are centered on a point of c. A
    scene whose classes no other has is paired with itself (another view of it). A scene without any label is paired
    with any other one, both centered anywhere: its geometry still takes part. Pairs are never mixed and never split
    between processes.
    """

    offers = frozenset({"pairs"})
    unit = 2

    def __init__(self, scenes: Scenes, plan: Plan) -> None:
        super().__init__(scenes, plan)
        self._classes = Rarity(scenes)
        self._has = self._classes.has
        self._shared = self._has & (self._has.sum(axis=0) > 1)

    def global_batch(self, step: int) -> list[Item]:
        rng = self.generator(step)
        items = []
        for scene in self.in_turn(step, self.plan.batch_size // 2):
            partner, anchor = self._partner(rng, scene)
            items += [Item(scene, int(rng.integers(2**62)), anchor), Item(partner, int(rng.integers(2**62)), anchor)]
        return items

    def _partner(self, rng: np.random.Generator, scene: int) -> tuple[int, int | None]:
        """Another scene, and the class it shares with ``scene`` (None: ``scene`` has no label)."""
        alone = not self._shared[scene].any()
        anchor = self._classes.draw(rng, self._has[scene] if alone else self._shared[scene])
        if anchor is None:
            return self.other(rng, scene), None
        partners = np.flatnonzero(self._has[:, anchor])
        return (scene if alone else int(rng.choice(partners[partners != scene]))), anchor
