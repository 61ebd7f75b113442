"""Scenes with given labels beside scenes whose labels were guessed, in given shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.feeding.samplers import Plan
from pcseg.feeding.samplers.given import GivenSampler


@dataclass
class Labeled:
    """Six scenes with a label file."""

    labels: WeakLabels | None
    strong: Any = None

    @property
    def names(self) -> list[str]:
        return [f"Area_1/{i}" for i in range(6)]

    def __len__(self) -> int:
        return 6

    def counts(self) -> np.ndarray:
        return np.ones((6, 2), dtype=np.int64)

    def labeled(self) -> np.ndarray:
        return np.ones(6, bool) if self.labels is None else self.labels.labeled(self.names)


def budget(*weights: tuple[float, ...]) -> WeakLabels:
    """Labels of the scenes, by their weights; the point of the last label has no class."""
    scenes = []
    for i, each in enumerate(weights):
        index, label = np.arange(len(each) + 1), np.array([0] * len(each) + [-1])
        scenes.append(SceneLabels(f"Area_1/{i}", 9, "", index, label, np.array([*each, 1.0], np.float16)))
    return WeakLabels(("a", "b"), "pseudo", {}, None, tuple(scenes))


def test_guessed_labels_do_not_count() -> None:
    given, guessed = (1.0, 0.5), (0.5, 0.9)
    data = Labeled(budget(given, guessed, guessed, given, guessed, ()))
    sampler = GivenSampler(data, Plan(4, 9), labeled=0.25)
    assert sampler.offers == {"domain"}
    for batch in sampler:
        assert [item.domain for item in batch] == [0, 1, 1, 1]
        assert batch[0].scene in (0, 3)
        assert {item.scene for item in batch[1:]} <= {1, 2, 4, 5}


@pytest.mark.parametrize("labels", [None, budget(*[(1.0, 0.5)] * 6), budget(*[(0.5,)] * 6)], ids=["all", "few", "none"])
def test_scenes_of_one_kind_come_in_turn(labels: WeakLabels | None) -> None:
    batches = list(GivenSampler(Labeled(labels), Plan(3, 4)))
    assert sorted(item.scene for batch in batches for item in batch) == sorted([*range(6)] * 2)
    assert all(item.domain is None for batch in batches for item in batch)
