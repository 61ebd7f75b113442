"""The forest that learns from labels and tags of all scenes, or from tags alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.tags import SceneTags, Tags
from pcseg.classes import IGNORE, Classes
from pcseg.engine.spread_forest import Learn, learned_forest
from pcseg.engine.spread_scenes import SceneSpreading
from pcseg.errors import InputError
from pcseg.feeding.features import Features
from pcseg.pseudo import Spreading
from pcseg.scenes.scene import Scene, write_scene


def test_a_forest_learns_from_tags_alone(tmp_path: Path) -> None:
    """Rooms of colored boards, two of four colors each; tags name the two of each room, and no point has a label."""
    classes, pairs, truths, there = Classes(("floor", "red", "green", "blue", "white")), [], [], []
    paint = np.array([[120, 120, 120], [200, 40, 40], [40, 200, 40], [40, 40, 200], [230, 230, 230]])
    twos = list(combinations(range(1, 5), 2))
    for number, two in enumerate([*twos, *reversed(twos), *twos[::2], *twos[1::2]]):
        rng = np.random.default_rng(number)
        truth = np.repeat([0, *two], 300)
        coord = (rng.random((900, 3)) * [2, 2, 0.01] + np.repeat([0, 0.8, 1.6], 300)[:, None] * [0, 0, 1]).astype("f4")
        color = (paint[truth] + rng.integers(-15, 16, (900, 3))).astype(np.uint8)
        scene = Scene(coord, {"color": color}, f"all/{number}", classes=classes.names)
        pairs.append((write_scene(tmp_path, scene), np.full(900, IGNORE)))
        truths.append(truth)
        there.append(SceneTags(f"all/{number}", np.isin(np.arange(5), [0, *two])))
    tags = Tags(classes.names, "file", {}, None, tuple(there))
    spreading = SceneSpreading(Spreading(keep=0.0), classes, Features(["color"]), 0.05, False, tags=tags)

    def each(title: str, learn: Learn) -> list[dict[str, np.ndarray]]:
        return [learn(*pair) for pair in pairs]

    folders = [folder for folder, _ in pairs]
    forest = learned_forest(spreading, each, folders, labeled=False)
    right = [(spreading(*pair, forest)[0] == truth).mean() for pair, truth in zip(pairs, truths, strict=True)]
    assert np.mean(right) > 0.9, right  # by chance 0.33
    with pytest.raises(InputError, match="none to spread"):
        learned_forest(replace(spreading, tags=None), each, folders, labeled=False)
    with pytest.raises(InputError, match="give a tag file"):
        replace(spreading, tags=None).drawn(*pairs[0])
