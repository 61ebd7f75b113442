"""Weights of guessed labels add up to the shares of the classes, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg.budgets.balance import MOST, balanced, joined_shares, label_shares
from pcseg.budgets.draw import draw_clicks, draw_per_class, draw_points, draw_uniform
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.classes import IGNORE
from tests.scenes.rooms import CLASSES, room

K = 3


def scene(name: str, seed: int) -> SceneLabels:
    """Return 200 labels of 3 classes, weighed in 0.3 to 1; every tenth is given, every 13th is of no class."""
    random = np.random.default_rng(seed)
    label = random.choice(K, 200, p=[0.7, 0.25, 0.05]).astype(np.int16)
    label[::13] = IGNORE
    weight = np.where(np.arange(200) % 10 == 0, 1, random.uniform(0.3, 0.99, 200)).astype(np.float16)
    return SceneLabels(name, 300, "0" * 64, np.sort(random.permutation(300)[:200]), label, weight)


def mass_of(scenes: tuple[SceneLabels, ...]) -> np.ndarray:
    label, weight = (np.concatenate([getattr(each, of) for each in scenes]) for of in ("label", "weight"))
    return np.array([weight[(label == k) & (weight < 1)].sum(dtype=np.float64) for k in range(K)])


@given(seed=st.integers(0, 10**6), raw=st.lists(st.floats(0.3, 1), min_size=K, max_size=K))
def test_weights_add_up_to_the_shares(seed: int, raw: list[float]) -> None:
    shares = np.array(raw) * [0.7, 0.25, 0.05]
    shares /= shares.sum()
    before = (scene("a", seed), scene("b", seed + 1))
    after = balanced(before, shares)
    assert np.allclose(mass_of(after) / mass_of(after).sum(), shares, rtol=2e-3)
    for old, new in zip(before, after, strict=True):
        assert old.weight is not None
        assert new.weight is not None
        assert np.array_equal(old.label, new.label)
        assert np.array_equal(old.index, new.index)
        kept = (old.weight == 1) | (old.label == IGNORE)
        assert np.array_equal(old.weight[kept], new.weight[kept])
        assert (new.weight[~kept] <= old.weight[~kept]).all()


def test_more_is_kept_of_a_class_that_spreads_badly() -> None:
    before = scene("a", 0)
    (after,) = balanced((before,), np.array([0.3, 0.2, 0.5]), keep=0.6)
    assert before.weight is not None
    part = mass_of((before,)) / mass_of((before,)).sum() / np.array([0.3, 0.2, 0.5])
    assert part[2] < 0.5 < 1 < part[0]  # the last class spread badly
    guessed = (before.label != IGNORE) & (before.weight < 1)
    for k, least in enumerate(0.6 * np.minimum(part, 1)):
        expected = ~guessed & (before.label == k) | guessed & (before.label == k) & (before.weight >= least)
        assert np.array_equal(before.index[expected], after.index[after.label == k])


def test_a_class_that_was_never_given_takes_no_weight_from_others() -> None:
    before = scene("a", 0)
    (after,) = balanced((before,), np.array([0.7, 0.3, 0.0]))
    before_mass, after_mass = mass_of((before,)), mass_of((after,))
    assert after_mass[2] / before_mass[2] <= (after_mass / before_mass)[:2].min() * 1.01


def test_few_guesses_of_a_class_do_not_silence_the_others() -> None:
    label = np.zeros(1000, np.int16)
    label[0] = 2
    before = SceneLabels("a", 1000, "0" * 64, np.arange(1000), label, np.full(1000, 0.5, np.float16))
    (after,) = balanced((before,), np.array([0.5, 0.0, 0.5]), keep=0.9)
    assert after.weight is not None
    assert len(after.index) == 1000  # the surest of each class stay
    assert after.weight[1:] == pytest.approx(0.5 / MOST, rel=1e-3)


def test_labels_without_a_guess_stay() -> None:
    before = SceneLabels("a", 4, "0" * 64, np.arange(4), np.arange(4, dtype=np.int16) % K, np.ones(4, np.float16))
    assert balanced((before,), np.full(K, 1 / K)) == (before,)


def test_only_a_fair_draw_tells_the_shares() -> None:
    rooms = [room("Area_1/a", 400), room("Area_1/b", 300)]
    fair = draw_uniform(rooms, CLASSES, 0.5, seed=1)
    names = [each.name for each in rooms]
    shares = fair.shares(names, CLASSES)
    assert shares is not None
    known = np.concatenate([fair.labels(each) for each in rooms])
    assert np.allclose(shares, np.bincount(known[known != IGNORE], minlength=len(CLASSES)) / (known != IGNORE).sum())
    assert shares.sum() == pytest.approx(1)
    assert draw_points(rooms, CLASSES, 20).shares(names, CLASSES) is not None
    assert draw_per_class(rooms, CLASSES, 0.1).shares(names, CLASSES) is None  # at least one of each class
    assert draw_clicks(rooms, CLASSES).shares(names, CLASSES) is None


def test_shares_are_those_of_the_points_of_the_scenes_asked_for() -> None:
    """Twenty points of each of two scenes: the larger counts for more; a third scene, held back, for nothing."""
    rooms = [room("Area_1/a", 4000, (0,)), room("Area_1/b", 1000, (1,)), room("Area_5/c", 1000, (2,))]
    labels = draw_points(rooms, CLASSES, 20)
    shares = labels.shares(["Area_1/a", "Area_1/b"], CLASSES)
    assert shares == pytest.approx([0.8, 0.2, 0, 0])


def test_shares_of_labels_count_all_but_those_of_no_class() -> None:
    scenes = (scene("a", 0), scene("b", 1))
    label = np.concatenate([each.label for each in scenes])
    np.testing.assert_allclose(
        label_shares(scenes, K + 1), [*((label == k).sum() / (label >= 0).sum() for k in range(K)), 0]
    )
    assert not label_shares((), K).any()


def spread(labels: np.ndarray, drawn: int) -> SceneLabels:
    """Return a scene of these labels, of which the last ``drawn`` were drawn."""
    weight = np.full(len(labels), 0.5, np.float16)
    weight[len(labels) - drawn :] = 1
    return SceneLabels("a", len(labels), "0" * 64, np.arange(len(labels)), labels.astype(np.int16), weight)


@given(seed=st.integers(0, 10**6), count=st.integers(0, 100_000))
def test_joined_shares_lie_between_those_drawn_and_those_spread(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    drawn, labels = random.dirichlet(np.ones(K)), random.choice(K, 100_000, p=[0.6, 0.3, 0.1])
    drawn = np.maximum(drawn, 0.5 / max(count, 1))
    drawn /= drawn.sum()
    found = joined_shares(drawn, (spread(labels, count),))
    assert found.sum() == pytest.approx(1)
    told = np.bincount(labels, minlength=K) / len(labels)
    assert np.ptp(np.log(found / told)) <= np.ptp(np.log(drawn / told)) + 0.01


def test_a_few_labels_move_the_shares_little_and_many_decide_them() -> None:
    drawn, labels = np.array([0.5, 0.3, 0.2]), np.repeat([0, 1, 2], [60_000, 30_000, 10_000])
    few, many = (joined_shares(drawn, (spread(labels, count),)) for count in (2, 90_000))
    assert few == pytest.approx([0.6, 0.3, 0.1], rel=0.1)
    assert many == pytest.approx(drawn, rel=0.02)
    assert not joined_shares(drawn, (spread(labels[:0], 0),)).any()
    assert joined_shares(np.array([1.0, 0, 0]), (spread(labels, 2),))[2] > 0.05  # that none was drawn says little


def test_many_labels_decide_though_spreading_has_all_but_lost_a_class() -> None:
    """A class of 5 % that is a tenth or a thirtieth of that among spread labels, and has 100 of the 2,000 drawn."""
    for lost in (10, 30):
        labels = np.repeat([0, 1], [100_000 - 5000 // lost, 5000 // lost])
        found = joined_shares(np.array([0.95, 0.05, 0]), (spread(labels, 2000),))
        assert 0.025 < found[1] < 0.05


def test_scenes_of_unequal_size_count_as_fewer_labels() -> None:
    """Twenty labels of each of 40 small scenes and a large one: nearly all that is known is of the large one."""
    drawn, label = np.array([0.6, 0.3, 0.1]), np.repeat([0, 1, 2], [400, 400, 200])
    weight = np.where(np.arange(1000) % 50 == 0, 1, 0.5).astype(np.float16)
    found = []
    for large in (1000, 100_000):
        scenes = tuple(
            SceneLabels(f"a/{n}", 1000 if n else large, "0" * 64, np.arange(1000), label.astype(np.int16), weight)
            for n in range(41)
        )
        found.append(joined_shares(drawn, scenes))
    told, off = np.array([0.4, 0.4, 0.2]), [np.abs(np.log(each / drawn)).max() for each in found]
    assert off[0] < 0.2 * np.abs(np.log(told / drawn)).max()
    assert off[1] > 0.4 * np.abs(np.log(told / drawn)).max()


def test_joined_shares_are_nearer_the_truth_than_either() -> None:
    """Of 500 labels drawn and of labels spread with classes a sixth too many or too few; mean over 200 draws."""
    random, true = np.random.default_rng(0), np.array([0.8, 0.15, 0.05])
    off = np.zeros((200, 3))
    for row in off:
        drawn = random.multinomial(500, true) / 500
        wrong = true * np.exp(random.normal(0, 1 / 6, K))
        labels = random.choice(K, 20_000, p=wrong / wrong.sum())
        told = np.bincount(labels, minlength=K) / len(labels)
        each = (drawn, told, joined_shares(drawn, (spread(labels, 500),)))
        row[:] = [np.square(np.log(np.maximum(found, 1e-3) / true)).mean() for found in each]
    assert off.mean(axis=0)[2] < 0.8 * off.mean(axis=0)[:2].min()
