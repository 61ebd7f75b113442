"""Training samples of pictures from scene folders and a label budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from pcseg.budgets.tags import NO_BALLS, Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.pictures.augment import Augment
from pcseg.feeding.pictures.sample import PictureSample, collate_pictures
from pcseg.feeding.pictures.window import WindowCrop
from pcseg.feeding.samplers import Item
from pcseg.feeding.training_set import TrainingSet
from pcseg.scenes.listing import check_kind
from pcseg.scenes.scene import Scene, read_scene

if TYPE_CHECKING:
    from PIL import Image

OPEN_PICTURES = 64
"""Number of pictures kept open in each process, as memory maps."""


class PictureDataset(TrainingSet[PictureSample]):
    """Samples of pictures; ``labels``, ``strong``, ``tags`` and ``some_classes`` as in TrainingSet.

    Networks see a picture at ``scale`` of its resolution, its colors minus ``mean`` divided by ``std``. ``crop`` draws
    the window of each sample; views of one part have the same window. ``transforms`` change its colors, ``strong`` take
    their place for items that ask for them.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        classes: Classes,
        labels: WeakLabels | None,
        mean: Sequence[float],
        std: Sequence[float],
        scale: float = 1.0,
        crop: WindowCrop | None = None,
        transforms: Sequence[Augment] = (),
        strong: Sequence[Augment] | None = None,
        tags: Tags | None = None,
        some_classes: bool = False,
    ) -> None:
        check_kind(folders, pictures=True)
        if tags is not None and (balls := next((scene.name for scene in tags.scenes if len(scene.radius)), None)):
            raise InputError(f"tags of {balls}: {NO_BALLS}")
        self.mean, self.std, self.scale = (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]), scale
        self.crop, self.transforms = crop or WindowCrop(), tuple(transforms)
        self._open: Callable[[int], tuple[Scene, np.ndarray, np.ndarray | None]] = lru_cache(OPEN_PICTURES)(self._read)
        super().__init__(folders, classes, labels, None if strong is None else _Chain(strong), tags, some_classes)

    def collate(self, samples: Sequence[PictureSample]) -> Batch:
        return collate_pictures(samples, self.mean, self.std)

    def known(self, index: int) -> np.ndarray:
        return self._open(index)[1]

    def __getitem__(self, item: Item) -> PictureSample:
        if item.mix is not None:
            raise InputError("augment.mix: merges point clouds; pictures are mixed by methods, set it to 0")
        rng = np.random.default_rng(item.seed)
        part = rng if item.view is None else np.random.default_rng(item.view)
        scene, labels, weights = self._open(item.scene)
        assert scene.size is not None
        window = self.crop(scene.size, self.scale, part, self._anchor(item, labels, scene.size[1], part))
        seen = window.colors(scene.image)
        if item.strong and self.strong is None:
            raise InputError("augment.strong: the sampler asks for strongly augmented views; name their transforms")
        seen = self.strong(seen, rng) if item.strong and self.strong else _Chain(self.transforms)(seen, rng)
        row = window.rows(scene.size[1], labels, weights)
        return PictureSample(
            image=torch.from_numpy(np.array(seen, dtype=np.float32).transpose(2, 0, 1) / 255),
            labels=torch.from_numpy(labels[row].astype(np.int64)),
            point=torch.from_numpy(row.copy()),
            name=scene.name,
            weights=None if weights is None else torch.from_numpy(np.asarray(weights[row], dtype=np.float32)),
            tags=self.tags_at(item.scene),
            domain=item.domain,
            view=item.view,
        )

    def _anchor(self, item: Item, labels: np.ndarray, width: int, rng: np.random.Generator) -> tuple[int, int] | None:
        """Return a pixel (row, column) of the item's anchor class; None where it has none."""
        if item.anchor is None:
            return None
        choice = np.flatnonzero(labels == item.anchor)
        if not len(choice):
            name = self.names[item.scene]
            raise InputError(f"{name}: has no label of class {item.anchor} to center on; sample by these labels")
        row, column = divmod(int(rng.choice(choice)), width)
        return row, column

    def _read(self, index: int) -> tuple[Scene, np.ndarray, np.ndarray | None]:
        scene = read_scene(self.folders[index], self.classes, with_labels=self.labels is None)
        return (scene, *self.labels_of(scene))


class _Chain:
    """Transforms, one after the other."""

    def __init__(self, transforms: Sequence[Augment]) -> None:
        self.transforms = tuple(transforms)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        for transform in self.transforms:
            image = transform(image, rng)
        return image
