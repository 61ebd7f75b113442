"""Base of the samplers. A step is a function of (seed, step) alone, so that resuming is starting at a step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch.utils.data import Sampler

from pcseg.errors import InputError


@dataclass(frozen=True)
class Item:
    """One sample to make: of scene number ``scene``, all randomness from ``seed``.

    ``anchor``: the sample is centered on a point labeled with this class (None: on any point). ``mix``: number of a
    second scene merged into the sample (None: none). ``view``: items of one view number show the same part of one
    scene: the part is drawn from that number, and only the transforms from ``seed``. ``domain``: 0 for a labeled, 1 for
    an unlabeled sample (None: samples of one kind). ``strong``: the strong transforms of the data set instead of the
    usual.
    """

    scene: int
    seed: int
    anchor: int | None = None
    mix: int | None = None
    view: int | None = None
    domain: int | None = None
    strong: bool = False


class Scenes(Protocol):
    """The part of a training set that samplers read: its length, the labels of the budget per scene, and the strong
    transforms (None: there are none)."""

    strong: Any

    def __len__(self) -> int: ...

    def counts(self) -> np.ndarray:
        """Labeled points (S, K) int64 of each scene and class."""

    def labeled(self) -> np.ndarray:
        """Scenes (S,) bool that have a label."""


@dataclass(frozen=True)
class Plan:
    """Steps to sample for: ``batch_size`` samples a step over all ``world`` processes, steps ``start`` to ``steps``."""

    batch_size: int
    steps: int
    seed: int = 0
    start: int = 0
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.seed < 0 or not 0 <= self.rank < self.world:
            raise InputError(
                f"seed={self.seed}, rank={self.rank} of {self.world}: must not be negative, and the rank below the "
                "number of processes"
            )


class Rarity:
    """Draws labeled classes, class c with a probability proportional to ``1 / freq(c)**0.5`` (2107.11267).

    freq(c) are its labeled points in all scenes. ``has`` (S, K) bool: which classes are labeled in each scene.
    """

    def __init__(self, scenes: Scenes) -> None:
        counts = scenes.counts()
        self.has = counts > 0
        self._weight = 1 / np.sqrt(np.maximum(counts.sum(axis=0), 1))

    def draw(self, rng: np.random.Generator, among: np.ndarray) -> int | None:
        """Return a class ``among`` (K,) bool, None where there is none."""
        classes = np.flatnonzero(among)
        weight = self._weight[classes]
        return int(rng.choice(classes, p=weight / weight.sum())) if len(classes) else None


class StepSampler(Sampler[list[Item]]):
    """Base of all samplers: a process takes its part of every global batch, which is a function of (seed, step).

    Scenes come in rounds: each round is a new random order of all of them, so that all are drawn equally often. Samples
    come in groups of ``unit``, which are never split between processes. ``offers`` names what the batches hold beyond
    labels, for methods that need it. Raises InputError where the batch size is no multiple of unit * processes.
    """

    offers: frozenset[str] = frozenset()
    unit = 1

    def __init__(self, scenes: Scenes, plan: Plan) -> None:
        if len(scenes) < 1:
            raise InputError("no scene to draw from; name splits that hold scenes")
        if plan.batch_size < 1 or plan.batch_size % (self.unit * plan.world):
            kind = {1: "samples", 2: "pairs"}.get(self.unit, f"groups of {self.unit}")
            raise InputError(
                f"batch_size={plan.batch_size}: cannot be shared out evenly as {kind} among {plan.world} process(es); "
                f"use a multiple of {self.unit * plan.world}"
            )
        self.n_scenes, self.plan = len(scenes), plan
        share = plan.batch_size // plan.world
        self._share = slice(plan.rank * share, (plan.rank + 1) * share)

    def __len__(self) -> int:
        return max(0, self.plan.steps - self.plan.start)

    def __iter__(self) -> Iterator[list[Item]]:
        """The batches of this process, from step ``start`` to the last."""
        for step in range(self.plan.start, self.plan.steps):
            yield self.global_batch(step)[self._share]

    def global_batch(self, step: int) -> list[Item]:
        """The samples of a step over all processes."""
        raise NotImplementedError

    def in_turn(self, step: int, count: int, size: int | None = None, stream: int = 0) -> list[int]:
        """Return the ``count`` numbers below ``size`` (default: all scenes) whose turn it is at ``step``.

        Every step must ask for as many. Give each of several orders a ``stream`` of its own, none of them 1.
        """
        size = self.n_scenes if size is None else size
        turns = range(step * count, (step + 1) * count)
        rounds = range(turns[0] // size, turns[-1] // size + 1) if count else range(0)
        order = {r: np.random.default_rng([self.plan.seed, stream, r]).permutation(size) for r in rounds}
        return [int(order[turn // size][turn % size]) for turn in turns]

    def generator(self, step: int) -> np.random.Generator:
        """Return the random generator of a step."""
        return np.random.default_rng([self.plan.seed, 1, step])

    def need_strong(self, scenes: Scenes) -> None:
        """Raise InputError where there are no strong transforms."""
        if scenes.strong is None:
            raise InputError("augment.strong: the sampler asks for strongly augmented views; name their transforms")

    def other(self, rng: np.random.Generator, scene: int) -> int:
        """Return any scene but ``scene``, if there is another."""
        return scene if self.n_scenes == 1 else int((scene + rng.integers(1, self.n_scenes)) % self.n_scenes)
