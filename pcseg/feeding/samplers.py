"""Which scenes make up each step. A step is a function of (seed, step) alone, so that resuming is starting at a step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Sampler

from pcseg.errors import InputError


@dataclass(frozen=True)
class Item:
    """One sample to make: of scene number ``scene``, all randomness from ``seed``.

    ``anchor``: the sample is centered on a point labeled with this class (None: on any point). ``mix``: number of a
    second scene merged into the sample (None: none).
    """

    scene: int
    seed: int
    anchor: int | None = None
    mix: int | None = None


class StepSampler(Sampler[list[Item]]):
    """What both samplers share: ``rank`` of ``world`` processes takes its part of every global batch.

    Scenes come in rounds: each round is a new random order of all of them, so that all are drawn equally often.
    """

    def __init__(
        self, n_scenes: int, batch_size: int, steps: int, seed: int, start: int, rank: int, world: int, unit: int
    ) -> None:
        if n_scenes < 1:
            raise InputError("no scene to draw from; name splits that hold scenes")
        if batch_size < 1 or batch_size % (unit * world):
            kind = "pairs" if unit == 2 else "samples"
            raise InputError(
                f"batch_size={batch_size}: cannot be shared out evenly as {kind} among {world} process(es); "
                f"use a multiple of {unit * world}"
            )
        if seed < 0 or not 0 <= rank < world:
            raise InputError(f"seed={seed}, rank={rank} of {world}: must not be negative, nor the rank reach the world")
        self.n_scenes, self.batch_size, self.steps, self.seed, self.start = n_scenes, batch_size, steps, seed, start
        share = batch_size // world
        self._share = slice(rank * share, (rank + 1) * share)

    def __len__(self) -> int:
        return max(0, self.steps - self.start)

    def __iter__(self) -> Iterator[list[Item]]:
        """The batches of this process, from step ``start`` to the last."""
        for step in range(self.start, self.steps):
            yield self.global_batch(step)[self._share]

    def global_batch(self, step: int) -> list[Item]:
        """The samples of a step over all processes."""
        raise NotImplementedError

    def _scenes(self, step: int, count: int) -> list[int]:
        """The ``count`` scenes whose turn it is at ``step``, if every step takes as many."""
        turns = range(step * count, (step + 1) * count)
        rounds = range(turns[0] // self.n_scenes, turns[-1] // self.n_scenes + 1)
        order = {r: np.random.default_rng([self.seed, 0, r]).permutation(self.n_scenes) for r in rounds}
        return [int(order[turn // self.n_scenes][turn % self.n_scenes]) for turn in turns]

    def _generator(self, step: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, 1, step])


class RandomSampler(StepSampler):
    """Each step: ``batch_size`` scenes in turn. With probability ``mix`` another scene is merged into a sample (Mix3D).

    Yields ``steps - start`` lists of Items, ``batch_size / world`` in each. Raises InputError if that is not whole.
    """

    def __init__(
        self,
        n_scenes: int,
        batch_size: int,
        steps: int,
        seed: int = 0,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        mix: float = 0.0,
    ) -> None:
        super().__init__(n_scenes, batch_size, steps, seed, start, rank, world, unit=1)
        if not 0 <= mix <= 1:
            raise InputError(f"mix={mix:g}: must be a probability, 0 to 1")
        self.mix = mix

    def global_batch(self, step: int) -> list[Item]:
        rng = self._generator(step)
        items = []
        for scene in self._scenes(step, self.batch_size):
            seed, other, lot = int(rng.integers(2**62)), _other(rng, self.n_scenes, scene), rng.random()
            items.append(Item(scene, seed, mix=other if lot < self.mix else None))
        return items


class PairSampler(StepSampler):
    """Each step: ``batch_size / 2`` pairs of scenes that share a labeled class (2107.11267).

    ``counts`` (S, K): labeled points of each scene and class, from the label budget alone. The first of a pair comes
    in turn, as in RandomSampler. A class c of it that some other scene has too is drawn with probability proportional to
    ``1 / freq(c)**0.5``, freq(c) its labeled points in all scenes; the second is any other scene that has c; both are
    centered on a point of c. A scene whose classes no other has is paired with itself (another view of it). A scene
    without any label is paired with any other one, both centered anywhere: its geometry still takes part.
    Pairs are never mixed and never split between processes.
    """

    def __init__(
        self,
        counts: np.ndarray,
        batch_size: int,
        steps: int,
        seed: int = 0,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(len(counts), batch_size, steps, seed, start, rank, world, unit=2)
        self._has = counts > 0
        self._shared = self._has & (self._has.sum(axis=0) > 1)
        self._weight = 1 / np.sqrt(np.maximum(counts.sum(axis=0), 1))

    def global_batch(self, step: int) -> list[Item]:
        rng = self._generator(step)
        items = []
        for scene in self._scenes(step, self.batch_size // 2):
            partner, anchor = self._partner(rng, scene)
            items += [Item(scene, int(rng.integers(2**62)), anchor), Item(partner, int(rng.integers(2**62)), anchor)]
        return items

    def _partner(self, rng: np.random.Generator, scene: int) -> tuple[int, int | None]:
        """Another scene, and the class it shares with ``scene`` (None: ``scene`` has no label)."""
        if not self._has[scene].any():
            return _other(rng, self.n_scenes, scene), None
        alone = not self._shared[scene].any()
        classes = np.flatnonzero(self._has[scene] if alone else self._shared[scene])
        weight = self._weight[classes]
        anchor = int(rng.choice(classes, p=weight / weight.sum()))
        partners = np.flatnonzero(self._has[:, anchor])
        return (scene if alone else int(rng.choice(partners[partners != scene]))), anchor


def _other(rng: np.random.Generator, count: int, scene: int) -> int:
    """Any scene but ``scene``, if there is another."""
    return scene if count == 1 else int((scene + rng.integers(1, count)) % count)
