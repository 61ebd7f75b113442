"""Samplers: each step from (seed, step) alone, all scenes equally often, pairs that share a class."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.feeding.samplers import Item, MixedSampler, PairSampler, Plan, RandomSampler, StepSampler, ViewSampler

COUNTS = np.array(
    [
        [900, 50, 0, 0],
        [800, 60, 3, 0],
        [0, 0, 0, 0],
        [700, 0, 4, 0],
        [0, 0, 0, 7],
    ]
)
"""Labeled points of five scenes: the third has none, the last a class of its own."""


class Labels:
    """Scenes as samplers see them: labeled points (S, K)."""

    strong: Any = "transforms"

    def __init__(self, counts: np.ndarray) -> None:
        self._counts = counts

    def __len__(self) -> int:
        return len(self._counts)

    def counts(self) -> np.ndarray:
        return self._counts

    def labeled(self) -> np.ndarray:
        return self._counts.sum(axis=1) > 0


def unlabeled(count: int) -> Labels:
    return Labels(np.zeros((count, 4), dtype=int))


def random(steps: int = 6, seed: int = 3, start: int = 0, rank: int = 0, world: int = 1) -> RandomSampler:
    return RandomSampler(unlabeled(7), Plan(4, steps, seed, start, rank, world), mix=0.5)


def pairs(steps: int = 6, seed: int = 3, start: int = 0, rank: int = 0, world: int = 1) -> PairSampler:
    return PairSampler(Labels(COUNTS), Plan(4, steps, seed, start, rank, world))


def views(steps: int = 6, seed: int = 3, start: int = 0, rank: int = 0, world: int = 1) -> ViewSampler:
    return ViewSampler(unlabeled(7), Plan(4, steps, seed, start, rank, world), views=2, strong=1)


def mixed(steps: int = 6, seed: int = 3, start: int = 0, rank: int = 0, world: int = 1) -> MixedSampler:
    plan = Plan(12, steps, seed, start, rank, world)
    return MixedSampler(Labels(COUNTS), plan, labeled=1 / 3, views=2)


both = pytest.mark.parametrize("make", [random, pairs, views, mixed])


@both
def test_starting_later_is_skipping(make: type[StepSampler]) -> None:
    whole = list(make(9))  # type: ignore[call-arg]
    for start in range(10):
        rest = make(9, start=start)  # type: ignore[call-arg]
        assert list(rest) == whole[start:]
        assert len(rest) == 9 - start


@both
def test_steps_and_seeds_differ(make: type[StepSampler]) -> None:
    seeds = [item.seed for batch in make(50) for item in batch]  # type: ignore[call-arg]
    assert len(set(seeds)) == len(seeds)
    assert list(make(6, seed=4)) != list(make(6, seed=3))  # type: ignore[call-arg]
    assert list(make(6, seed=3)) == list(make(6, seed=3))  # type: ignore[call-arg]


@both
def test_processes_share_out_the_batch_of_one(make: type[StepSampler]) -> None:
    whole = list(make(8))  # type: ignore[call-arg]
    parts = [list(make(8, rank=rank, world=2)) for rank in (0, 1)]  # type: ignore[call-arg]
    found = [first + second for first, second in zip(*parts, strict=True)]
    if make is mixed:  # there each process has labeled scenes first
        found, whole = ([sorted(batch, key=str) for batch in batches] for batches in (found, whole))
    assert found == whole


@given(scenes=st.integers(1, 9), batch=st.integers(1, 7), rounds=st.integers(1, 4), seed=st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_scenes_are_drawn_equally_often(scenes: int, batch: int, rounds: int, seed: int) -> None:
    """After any number of steps no scene is more than one turn ahead of another."""
    drawn: Counter[int] = Counter(dict.fromkeys(range(scenes), 0))
    for items in RandomSampler(unlabeled(scenes), Plan(batch, rounds * scenes, seed)):
        drawn.update(item.scene for item in items)
        assert max(drawn.values()) - min(drawn.values()) <= 1


def test_rounds_come_in_different_orders() -> None:
    orders = {tuple(item.scene for item in batch) for batch in RandomSampler(unlabeled(7), Plan(7, 20))}
    assert len(orders) > 15


def test_mixing_takes_another_scene_as_often_as_asked() -> None:
    items = [item for batch in RandomSampler(unlabeled(7), Plan(4, 500), mix=0.3) for item in batch]
    mixed = [item for item in items if item.mix is not None]
    assert 0.25 < len(mixed) / len(items) < 0.35
    assert all(item.mix != item.scene for item in mixed)
    assert {item.mix for item in mixed} == set(range(7))
    plain = [item for batch in RandomSampler(unlabeled(7), Plan(4, 500), mix=0.0) for item in batch]
    assert [(i.scene, i.seed) for i in plain] == [(i.scene, i.seed) for i in items]
    assert {item.mix for item in plain} == {None}


def drawn_pairs(steps: int = 2000) -> list[tuple[Item, Item]]:
    return [pair for batch in pairs(steps) for pair in zip(batch[::2], batch[1::2], strict=True)]


def test_rare_classes_are_centered_on_as_often_as_asked() -> None:
    sampler = RandomSampler(Labels(COUNTS), Plan(5, 2000, 0), rare=0.5)
    drawn = [item for step in range(2000) for item in sampler.global_batch(step)]
    with_label = [item for item in drawn if item.scene != 2]
    assert all(item.anchor is None for item in drawn if item.scene == 2)
    assert all(COUNTS[item.scene, item.anchor] > 0 for item in drawn if item.anchor is not None)
    assert np.mean([item.anchor is not None for item in with_label]) == pytest.approx(0.5, abs=0.02)
    plain = RandomSampler(Labels(COUNTS), Plan(5, 20, 0))
    assert [i.scene for i in plain.global_batch(3)] == [i.scene for i in sampler.global_batch(3)]


def test_pairs_share_the_class_they_are_centered_on() -> None:
    for first, second in drawn_pairs():
        assert first.anchor == second.anchor
        assert first.mix is None
        assert second.mix is None
        if first.anchor is not None:
            assert COUNTS[first.scene, first.anchor] > 0
            assert COUNTS[second.scene, first.anchor] > 0
        if first.scene != 4:
            assert first.scene != second.scene


def test_first_scenes_come_in_turn_and_lonely_ones_are_still_drawn() -> None:
    found = drawn_pairs(500)
    assert set(Counter(first.scene for first, _ in found).values()) == {200}
    unlabeled = [second.scene for first, second in found if first.scene == 2]
    assert set(unlabeled) == {0, 1, 3, 4}
    assert all(first.anchor is None for first, _ in found if first.scene == 2)
    assert all((second.scene, second.anchor) == (4, 3) for first, second in found if first.scene == 4)


def test_classes_are_drawn_by_the_root_of_their_rarity() -> None:
    found = Counter(first.anchor for first, _ in drawn_pairs() if first.scene == 1)
    weight = 1 / np.sqrt(COUNTS.sum(axis=0)[:3])
    share = np.array([found[c] for c in range(3)]) / sum(found.values())
    assert np.allclose(share, weight / weight.sum(), atol=0.05)


def test_one_scene_and_no_label_at_all_still_make_batches() -> None:
    assert all(item.mix == 0 for batch in RandomSampler(unlabeled(1), Plan(2, 3), mix=1.0) for item in batch)
    for counts in (np.zeros((1, 4), dtype=int), np.zeros((3, 4), dtype=int)):
        items = [item for batch in PairSampler(Labels(counts), Plan(2, 5)) for item in batch]
        assert len(items) == 10
        assert all(item.anchor is None for item in items)
    assert [item.anchor for item in next(iter(PairSampler(Labels(np.array([[0, 5]])), Plan(2, 1))))] == [1, 1]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: RandomSampler(unlabeled(7), Plan(5, 1, world=2)), "batch_size=5.*multiple of 2"),
        (lambda: RandomSampler(unlabeled(7), Plan(0, 1)), "batch_size=0"),
        (lambda: RandomSampler(unlabeled(0), Plan(1, 1)), "no scene"),
        (lambda: RandomSampler(unlabeled(7), Plan(1, 1), mix=1.5), "mix=1.5"),
        (lambda: RandomSampler(unlabeled(7), Plan(1, 1, seed=-1)), "seed=-1"),
        (lambda: RandomSampler(unlabeled(7), Plan(2, 1, rank=2, world=2)), "rank=2"),
        (lambda: PairSampler(Labels(COUNTS), Plan(3, 1)), "batch_size=3.*multiple of 2"),
        (lambda: PairSampler(Labels(COUNTS), Plan(6, 1, world=2)), "batch_size=6.*multiple of 4"),
    ],
)
def test_settings_that_cannot_work_are_named(make: object, named: str) -> None:
    with pytest.raises(InputError, match=named):
        make()  # type: ignore[operator]


def test_scenes_without_a_label_are_left_out_where_asked() -> None:
    drawn = Counter(item.scene for batch in RandomSampler(Labels(COUNTS), Plan(4, 20), labeled=True) for item in batch)
    assert set(drawn) == {0, 1, 3, 4}
    assert set(drawn.values()) == {20}
    every = Labels(np.ones((7, 4), dtype=int))
    assert list(RandomSampler(every, Plan(4, 20), mix=0.5, labeled=True)) == list(random(20, seed=0))
    with pytest.raises(InputError, match="no scene has a label"):
        RandomSampler(unlabeled(3), Plan(1, 1), labeled=True)


def test_strong_views_are_refused_where_there_are_no_strong_transforms() -> None:
    scenes = Labels(COUNTS)
    scenes.strong = None
    ViewSampler(scenes, Plan(4, 1))
    MixedSampler(scenes, Plan(4, 1))
    with pytest.raises(InputError, match=r"augment\.strong: the sampler asks for strongly augmented views"):
        ViewSampler(scenes, Plan(4, 1), strong=1)
    with pytest.raises(InputError, match=r"augment\.strong: the sampler asks for strongly augmented views"):
        MixedSampler(scenes, Plan(4, 1), views=2)


def test_views_show_one_part_of_a_scene_and_the_last_is_strong() -> None:
    for batch in views(20):
        for weak, strong in zip(batch[::2], batch[1::2], strict=True):
            assert weak.view == strong.view is not None
            assert weak.scene == strong.scene
            assert weak.seed != strong.seed
            assert (weak.strong, strong.strong) == (False, True)
        assert len({item.view for item in batch}) == 2


def test_labeled_and_unlabeled_scenes_come_in_their_shares_in_every_process() -> None:
    has = COUNTS.sum(axis=1) > 0
    for world in (1, 2):
        for rank in range(world):
            for batch in mixed(20, rank=rank, world=world):
                assert [item.domain for item in batch] == [0] * (4 // world) + [1] * (8 // world)
                assert all(has[item.scene] == (item.domain == 0) for item in batch)
                strong = [item.strong for item in batch if item.domain == 1]
                assert strong == [False, True] * (len(strong) // 2)
    labeled = Counter(item.scene for batch in mixed(50) for item in batch if item.domain == 0)
    assert set(labeled) == {0, 1, 3, 4}
    assert set(labeled.values()) == {50}


@pytest.mark.parametrize(
    ("counts", "options", "named"),
    [
        (COUNTS, {"labeled": 0.0}, "labeled=0"),
        (COUNTS, {"labeled": 0.75, "views": 2}, "batch_size=4: is too small .* give batch_size=6"),
        (np.ones((3, 4), dtype=int), {}, "none of the 3 scenes is unlabeled"),
        (np.zeros((3, 4), dtype=int), {}, "none of the 3 scenes is labeled"),
    ],
)
def test_mixtures_that_cannot_be_are_named(counts: np.ndarray, options: dict, named: str) -> None:
    with pytest.raises(InputError, match=named):
        MixedSampler(Labels(counts), Plan(4, 1), **options)
