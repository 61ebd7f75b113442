"""Labeled and unlabeled scenes in given shares, as semi-supervised methods take them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pcseg.errors import InputError
from pcseg.feeding.samplers.base import Item, Plan, Scenes, StepSampler

MOST = 10_000
"""Number of samples of a process up to which a batch size that fits is looked for."""


def check_shares(plan: Plan, labeled: float, views: int, unlabeled: Callable[[int], int]) -> None:
    """Raise InputError where a process has no labeled or no unlabeled sample, or the latter not in whole ``views``.

    ``unlabeled`` gives their number from that of all samples of a process.
    """

    def fits(share: int) -> bool:
        rest = unlabeled(share)
        return views <= rest < share and rest % views == 0

    share, world = plan.batch_size // plan.world, plan.world
    if fits(share):
        return
    least = next((size for size in range(1, MOST) if fits(size)), None)
    if least is None:
        raise InputError(f"labeled={labeled:g}, views={views}: fit no batch; give a share nearer to 0.5")
    kind = "is too small for" if share < least else "cannot be shared out as"
    each = f", {least} in each of {world} processes" if world > 1 else ""
    raise InputError(
        f"batch_size={plan.batch_size}: {kind} labeled scenes beside {views} view(s) of each unlabeled one at "
        f"labeled={labeled:g}; give batch_size={least * world}{each}"
    )


class MixedSampler(StepSampler):
    """Each step: a share ``labeled`` of the batch from scenes with labels, the rest from scenes without any.

    Both kinds come in turns of their own; ``Batch.domain`` is 0 for the labeled and 1 for the unlabeled samples. With
    ``views`` above 1 each unlabeled scene comes as that many views of one part, with ``Batch.matches`` (FixMatch takes
    2): the first is augmented as usual, the others strongly). Each process gets both kinds, labeled ones first. Raises
    InputError where all scenes are of one kind, the shares of a process are not whole, or the data set has no strong
    transforms for the views.
    """

    def __init__(self, scenes: Scenes, plan: Plan, labeled: float = 0.5, views: int = 1) -> None:
        super().__init__(scenes, plan)
        if not 0 < labeled < 1 or views < 1:
            raise InputError(f"labeled={labeled:g}, views={views}: give a share between 0 and 1, and 1 view or more")
        check_shares(plan, labeled, views, lambda share: share - round(labeled * share))
        self.n_labeled, self.views = round(labeled * (plan.batch_size // plan.world)), views
        if views > 1:
            self.need_strong(scenes)
        self.kinds = self._kinds(scenes.labeled())
        self.offers = frozenset({"domain", "matches"} if views > 1 else {"domain"})

    def _kinds(self, has: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the scenes for the first share of a batch, and for the rest."""
        kinds = np.flatnonzero(has), np.flatnonzero(~has)
        for kind, name in zip(kinds, ("labeled", "unlabeled"), strict=True):
            if not len(kind):
                raise InputError(
                    f"sampler: none of the {len(has)} scenes is {name}; draw labels for some (rule=scenes), not for all"
                )
        return kinds

    def global_batch(self, step: int) -> list[Item]:
        rng, world = self.generator(step), self.plan.world
        n_unlabeled = (self.plan.batch_size // world - self.n_labeled) // self.views
        sources = self._turn(step, self.n_labeled * world, 0)
        targets = self._turn(step, n_unlabeled * world, 1)
        labeled = [[Item(scene, int(rng.integers(2**62)), domain=0)] for scene in sources]
        unlabeled = [self._unlabeled(scene, rng) for scene in targets]
        parts: list[list[Item]] = []
        for rank in range(world):
            parts += labeled[rank * self.n_labeled : (rank + 1) * self.n_labeled]
            parts += unlabeled[rank * n_unlabeled : (rank + 1) * n_unlabeled]
        return [item for part in parts for item in part]

    def _unlabeled(self, scene: int, rng: np.random.Generator) -> list[Item]:
        view = int(rng.integers(2**62)) if self.views > 1 else None
        seeds = rng.integers(2**62, size=self.views)
        return [Item(scene, int(seed), view=view, domain=1, strong=i > 0) for i, seed in enumerate(seeds)]

    def _turn(self, step: int, count: int, kind: int) -> list[int]:
        scenes = self.kinds[kind]
        return [int(scenes[i]) for i in self.in_turn(step, count, len(scenes), stream=2 + kind)]
