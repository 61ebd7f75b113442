"""Base of the training sets: the scenes, their labels and tags, and the counts that samplers read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import Dataset

from pcseg.budgets.tags import Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.scenes.scene import Scene, scene_name

S = TypeVar("S")


def given_labels(scene: Scene) -> np.ndarray:
    """Return the labels (P,) in a scene, IGNORE for all of one without labels."""
    return np.full(len(scene), IGNORE, dtype=np.int16) if scene.segment is None else scene.segment


class TrainingSet(Dataset[S]):
    """Samples of scene folders, drawn by Item.

    ``labels``: the budget; the files that hold the ground truth are then never opened. None stands for all labels that
    are in the scenes; those without any are unlabeled. ``strong``: the transforms of items that ask for strong ones.
    ``tags``: the classes known to be in each scene. With ``some_classes`` labels of other classes than ``classes``
    become IGNORE. ``offers``: what batches hold that some methods need.
    """

    kind: frozenset[str] = frozenset()
    """Kind of the elements, as methods may need it."""

    def __init__(
        self,
        folders: Sequence[Path],
        classes: Classes,
        labels: WeakLabels | None,
        strong: Callable[..., Any] | None,
        tags: Tags | None,
        some_classes: bool = False,
    ) -> None:
        self.folders, self.classes, self.labels = tuple(folders), classes, labels
        self.strong, self.tags = strong, tags
        self._tagged = None if tags is None else tags.ordered(classes)
        self.offers = self.kind if tags is None else self.kind | {"tags"}
        self._only = classes.names if some_classes else None
        if self._tagged is not None:
            for name in self.names:
                self._tagged.scene(name)  # so that tags that do not cover it are refused before the first step
        if labels is not None:
            self.counts()  # so that labels that do not fit are refused before the first step

    def collate(self, samples: Sequence[S]) -> Batch:
        """Return one batch of samples."""
        raise NotImplementedError

    def known(self, index: int) -> np.ndarray:
        """Return the labels (P,) int16 that a scene is trained on, IGNORE elsewhere."""
        raise NotImplementedError

    @property
    def names(self) -> list[str]:
        """Names of the scenes, ``split/scene``, in the order of Item.scene."""
        return [scene_name(folder) for folder in self.folders]

    @property
    def colored(self) -> float:
        """Share of the scenes that have colors."""
        has = [any((folder / f"{name}.npy").is_file() for name in ("color", "image")) for folder in self.folders]
        return sum(has) / len(has)

    def __len__(self) -> int:
        return len(self.folders)

    def counts(self) -> np.ndarray:
        """Return the labeled points (S, K) int64 of each scene and class."""
        if self.labels is not None:
            return self.labels.counts(self.names, self.classes, only=self._only)
        each = (self.known(index) for index in range(len(self)))
        return np.stack([np.bincount(k[k != IGNORE], minlength=len(self.classes)) for k in each])

    def labeled(self) -> np.ndarray:
        """Return the scenes (S,) bool that have a label; without a budget those that have labels of their points."""
        if self.labels is None:
            return np.array([(folder / "segment.npy").is_file() for folder in self.folders], dtype=bool)
        return self.labels.labeled(self.names)

    def labels_of(self, scene: Scene) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the labels (P,) int16 that ``scene`` is trained on, and their weights (P,), None where all are 1."""
        if self.labels is not None:
            return self.labels.labels(scene, only=self._only).astype(np.int16), self.labels.weights(scene)
        return given_labels(scene).astype(np.int16), None

    def tags_at(self, index: int, place: np.ndarray | None = None) -> torch.Tensor | None:
        """Return the tags (K,) bool of the sample at ``place`` (3,) of a scene, or of the whole scene."""
        return None if self._tagged is None else torch.from_numpy(self._tagged.of(self.names[index], place))

    def allowed(self, scene: Scene) -> np.ndarray:
        """Return the classes (P, K) bool that tags allow the points of ``scene``; raises InputError without tags."""
        if self._tagged is None:
            raise InputError("labels.tags: are missing; give the file of the classes in each scene")
        found: np.ndarray = self._tagged.scene(scene.name).allowed(scene.coord + scene.origin)
        return found
