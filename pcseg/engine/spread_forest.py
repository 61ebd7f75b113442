"""Learn the forest by which labels are spread, from the labels and the tags of all scenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from pcseg.engine.spread_scenes import SceneSpreading
from pcseg.errors import InputError
from pcseg.pseudo import Forest

Examples: TypeAlias = dict[str, np.ndarray]
"""What a forest learns from in a scene: arrays by name."""

Learn: TypeAlias = Callable[[Path, np.ndarray], Examples]
"""Function that returns that of the scene in a folder, of whose points the labels (P,) are given."""

ROUNDS = 8
"""Rounds of guesses that begin from tags alone."""

LABELED_ROUNDS = 1
"""Rounds that begin from labels: more bring nothing (20 points a room: mIoU 78.3, after three 78.0)."""

FEW = 3
"""Labels of each tagged class with which a forest can begin, however many tags there are."""

FOLDS = 5
"""Groups of scenes: what is guessed in those of one teaches the forests that guess in the others."""


def learned_forest(
    spreading: SceneSpreading, each: Callable[[str, Learn], list[Examples]], folders: Sequence[Path]
) -> Forest | None:
    """Return the forest that learned from the scenes in ``folders``; None where ``spreading`` has no features for one.

    ``each(title, learn)`` returns what ``learn`` finds in each scene, in order. With tags rounds follow, in each of
    which a forest guesses nodes that it would take for each tag, and the next learns from these, beside the labels.
    Where there are fewer labels than tags, and of a tagged class fewer than FEW, the first one learns not from labels
    but from nodes with classes drawn among those that tags allow, if these tell classes apart. The forest that guesses
    in a scene has learned from no guess in that scene, nor in the others of its FOLDS-th part, but of classes that are
    guessed nowhere else: it would find the same nodes again and again. So it takes several scenes. Raises InputError
    where there is neither a label nor a tag to learn from.
    """
    if spreading.features is None:
        return None
    examples = each("learn", spreading.examples)
    n_classes = len(spreading.classes)
    count = sum((np.bincount(found["labels"], minlength=n_classes) for found in examples), np.zeros(n_classes))
    if spreading.tags is None:
        if not count.any():
            raise InputError("labels: there is none to spread; label points first, or draw tags (rule=tags)")
        return spreading.forest(examples)
    tagged = np.any([spreading.tagged(folder) for folder in folders], axis=0)
    if not count.any() and not tagged.any():
        raise InputError("tags: name no class in these scenes, and no point has a label; give other tags")
    few = bool((count[tagged] < FEW).any()) and count.sum() < spreading.tags.count
    guesses = each("begin", spreading.drawn) if few else []
    if not any(len(found["labels"]) for found in guesses):
        if not count.any():
            raise InputError("tags: allow each class everywhere, and no point has a label; give tags of balls")
        few, guesses = False, []
    rounds, folds = ROUNDS if few else LABELED_ROUNDS, min(FOLDS, len(folders))
    fold = {folder: number % folds for number, folder in enumerate(folders)}
    for number in range(rounds):
        first = few and number == 0
        if guesses:
            learned = [] if first else examples
            taught = [[*learned, *others(guesses, k, folds)] for k in range(folds)]
            forests = [spreading.forest(found, even=first, guessed=True) for found in taught]
        else:
            forests = [spreading.forest(examples)] * folds

        def guess(folder: Path, labels: np.ndarray, forests: list[Forest] = forests) -> Examples:
            return spreading.guesses(folder, labels, forests[fold[folder]])

        guesses = each(f"learn tags {number + 1} of {rounds}", guess)
    return spreading.forest([*examples, *guesses], guessed=few)


def others(guesses: list[Examples], fold: int, folds: int) -> list[Examples]:
    """Return the guesses in scenes of all folds but one, and of that one those of classes that no other has."""
    found = [each for number, each in enumerate(guesses) if number % folds != fold]
    there = np.concatenate([np.zeros(0, np.int64), *(each["labels"] for each in found)])
    for each in guesses[fold::folds]:
        alone = ~np.isin(each["labels"], there)
        found.append({name: values[alone] for name, values in each.items()})
    return found
