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
"""Rounds of guesses where tags are all there is."""

LABELED_ROUNDS = 1
"""The same beside labels."""

FOLDS = 5
"""Groups of scenes: what is guessed in those of one teaches the forests that guess in the others."""


def learned_forest(
    spreading: SceneSpreading, each: Callable[[str, Learn], list[Examples]], folders: Sequence[Path], labeled: bool
) -> Forest | None:
    """Return the forest that learned from the scenes in ``folders``; None where ``spreading`` has no features for one.

    ``each(title, learn)`` returns what ``learn`` finds in each scene, in order; ``labeled``: a point has a label. With
    tags, rounds follow, in each of which a forest guesses nodes that it would take for each tag, and the next learns
    from these, beside the labels. Where no point has a label the first learns from nodes with classes drawn among those
    that tags allow. The forest that guesses in a scene has learned from no guess in that scene, nor in the others of
    its FOLDS-th part: it would find the same nodes again and again. Raises InputError where there is neither a label
    nor a tag to learn from.
    """
    if not labeled and (spreading.tags is None or spreading.features is None):
        raise InputError(
            "labels: there is none to spread; label points first, or give tags, which a forest learns from"
        )
    if spreading.features is None:
        return None
    examples = each("learn", spreading.examples) if labeled else []
    if spreading.tags is None:
        return spreading.forest(examples)
    guesses = [] if labeled else each("begin", spreading.drawn)
    rounds = LABELED_ROUNDS if labeled else ROUNDS
    folds = min(FOLDS, len(folders))
    fold = {folder: number % folds for number, folder in enumerate(folders)}
    for number in range(rounds):
        drawn = not labeled and number == 0
        if guesses:
            forests = [spreading.forest([*examples, *others(guesses, k, folds)], even=drawn) for k in range(folds)]
        else:
            forests = [spreading.forest(examples)] * folds

        def guess(folder: Path, labels: np.ndarray, forests: list[Forest] = forests) -> Examples:
            return spreading.guesses(folder, labels, forests[fold[folder]])

        guesses = each(f"learn tags {number + 1} of {rounds}", guess)
    return spreading.forest([*examples, *guesses])


def others(guesses: list[Examples], fold: int, folds: int) -> list[Examples]:
    """Return the guesses in scenes of all folds but one; where there is but one, all."""
    return [found for number, found in enumerate(guesses) if number % folds != fold] or guesses
