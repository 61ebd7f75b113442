"""Training samples of clouds from scene folders and a label budget."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pcseg.budgets.tags import Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.collate import collate
from pcseg.feeding.computed import measured, with_computed
from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.feeding.sample import Sample, make_sample
from pcseg.feeding.samplers import Item
from pcseg.feeding.training_set import TrainingSet
from pcseg.feeding.transforms import mix3d
from pcseg.ops import COORDINATE_LIMIT
from pcseg.scenes.bulk import GAP, bulk_and_floor
from pcseg.scenes.listing import check_kind
from pcseg.scenes.points import Points
from pcseg.scenes.scene import Scene, list_columns, read_scene

OPEN_SCENES = 64
"""Number of scenes kept open in each process; each holds a few file handles, of which a process often has 1024."""


@dataclass(frozen=True)
class _Known:
    """Points of a scene with the ``labels`` of the budget and no others, and the height of its ``floor`` in meters."""

    points: Points
    floor: float
    origin: np.ndarray


class TrainDataset(TrainingSet[Sample]):
    """Samples of clouds; ``labels``, ``strong``, ``tags`` and ``some_classes`` as in TrainingSet.

    ``crop`` takes coordinates (P, 3) and a center (3,) and gives a mask or indices of the points to
    keep; ``transform`` is applied to what is left, with the item's own random generator. ``max_voxels`` bounds a
    sample: the voxels nearest to its center stay. ``strong`` takes the place of ``transform`` for items that ask for
    it. In a scene with tagged sub-clouds each sample is one of these, or the part of it that is cropped.

    A sample is centered on one point, horizontally; its floor, that of the bulk of the scene, is at z = 0. The point
    is one of the item's anchor class if it has one, else any point of the scene. Points too far from it to be
    numbered as voxels are left out of the sample: strays.
    """

    kind = frozenset({"voxels"})

    def __init__(
        self,
        folders: Sequence[Path],
        classes: Classes,
        labels: WeakLabels | None,
        features: Features | Sequence[str],
        voxel_size: float,
        transform: Callable[[Points, np.random.Generator], Points] | None = None,
        crop: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
        max_voxels: int | None = None,
        strong: Callable[[Points, np.random.Generator], Points] | None = None,
        tags: Tags | None = None,
        some_classes: bool = False,
    ) -> None:
        if not voxel_size > 0 or (max_voxels is not None and max_voxels < 1):
            raise InputError(f"voxel_size={voxel_size:g}, max_voxels={max_voxels}: must be positive")
        check_kind(folders, pictures=False)
        features = features if isinstance(features, Features) else Features(features)
        self.features = measured(features, folders, classes, voxel_size)
        self.voxel_size, self.transform, self.crop, self.max_voxels = voxel_size, transform, crop, max_voxels
        self._open: OrderedDict[int, _Known] = OrderedDict()
        super().__init__(folders, classes, labels, strong, tags, some_classes)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        return collate(samples)

    def known(self, index: int) -> np.ndarray:
        return self._known(index).points.labels

    def __getitem__(self, item: Item) -> Sample:
        rng = np.random.default_rng(item.seed)
        part = rng if item.view is None else np.random.default_rng(item.view)
        points, center, middle = self._part(item.scene, item.anchor, part, numbered=item.mix is None)
        points = self._transformed(points, item, rng)
        name = self.names[item.scene]
        tags = self._tags(item.scene, center)
        if item.mix is not None:
            other, its_center, _ = self._part(item.mix, None, rng)
            points = mix3d(points, self._transformed(other, item, rng))
            name += f"+{self.names[item.mix]}"
            its_tags = self._tags(item.mix, its_center)
            tags = None if tags is None or its_tags is None else tags | its_tags
        sample = _nearest(make_sample(points, self.features, self.voxel_size, name), middle, self.max_voxels)
        row = sample.row if item.view is not None else None  # of no use but to match views
        return replace(sample, tags=tags, domain=item.domain, view=item.view, row=row)

    def _transformed(self, points: Points, item: Item, rng: np.random.Generator) -> Points:
        if item.strong and self.strong is None:
            raise InputError("augment.strong: the sampler asks for strongly augmented views; name their transforms")
        transform = self.strong if item.strong else self.transform
        return points if transform is None else transform(points, rng)

    def _part(
        self, index: int, anchor: int | None, rng: np.random.Generator, numbered: bool = False
    ) -> tuple[Points, np.ndarray, np.ndarray]:
        """Return a part of a scene, its points ``numbered`` as in the scene or not, and the center (3,) of its crop."""
        known = self._known(index)
        points = known.points
        choice = None if anchor is None else np.flatnonzero(points.labels == anchor)
        if choice is not None and not len(choice):
            name = self.names[index]
            raise InputError(f"{name}: has no label of class {anchor} to center on; sample by these labels")
        tags = None if self._tagged is None or choice is not None else self._tagged.scene(self.names[index])
        radius = np.inf
        if tags is not None and len(tags.radius):
            number = rng.integers(len(tags.radius))
            center, radius = (tags.center[number] - known.origin).astype(np.float32), tags.radius[number]
        else:
            center = points.coord[rng.integers(len(points)) if choice is None else rng.choice(choice)]
        origin = np.array([center[0], center[1], known.floor], dtype=np.float32)
        kept = slice(None) if self.crop is None else self.crop(points.coord, center)
        coord = points.coord[kept] - origin
        # Half of what voxels can number, so that a transform may still turn and stretch them.
        near = np.logical_and.reduce([np.abs(column) <= COORDINATE_LIMIT / 2 * self.voxel_size for column in coord.T])
        if radius < np.inf:  # beyond it the tags of the sub-cloud say nothing
            near &= np.square(coord - (center - origin)).sum(axis=1) <= radius**2
            if not near.any():
                raise InputError(f"{self.names[index]}: a tagged sub-cloud holds no point; correct the tag file")
        if not near.all():
            kept, coord = np.arange(len(points))[kept][near], coord[near]
        chosen = replace(points[kept], coord=coord)
        if numbered:
            chosen = chosen.having(row=np.arange(len(points), dtype=np.int32)[kept])
        return make_points(chosen, floor=0.0), center, center - origin

    def _known(self, index: int) -> _Known:
        if index in self._open:
            self._open.move_to_end(index)
            return self._open[index]
        folder = self.folders[index]
        scene = read_scene(folder, self.classes, with_labels=self.labels is None, columns=self.features.columns)
        self.features.check(scene.name, [*scene.attributes, *list_columns(folder)])
        scene = with_computed(self.features, scene, folder, self.voxel_size)
        _, floor = bulk_and_floor(scene.coord, GAP * self.voxel_size)
        # What is kept of a scene are its memory maps and two bytes a point.
        self._open[index] = _Known(self._seen(scene), floor, scene.origin)
        if len(self._open) > OPEN_SCENES:
            self._open.popitem(last=False)
        return self._open[index]

    def _tags(self, index: int, center: np.ndarray) -> torch.Tensor | None:
        """Return the tags (K,) bool of the sample at ``center`` (3,) of a scene."""
        return None if self.tags is None else self.tags_at(index, center + self._known(index).origin)

    def _seen(self, scene: Scene) -> Points:
        """Return what the network sees of a scene, and as ``labels`` (P,) int16 what it is trained on."""
        labels, weights = self.labels_of(scene)
        used = {"color", *(feature.attribute for feature in self.features.each)}
        seen = {name: array for name, array in scene.attributes.items() if name in used}
        seen |= {} if weights is None else {"weight": weights}
        return Points(scene.coord, {**seen, "labels": labels})


def _nearest(sample: Sample, center: np.ndarray, count: int | None) -> Sample:
    """Return the ``count`` voxels nearest to ``center``, in their order; points of the others get ``inverse`` -1."""
    if count is None or len(sample.coords) <= count:
        return sample
    distance = (sample.position - torch.from_numpy(center)).square().sum(dim=1)
    kept = distance.topk(count, largest=False, sorted=False).indices.sort().values
    number = torch.full((len(sample.coords),), -1)
    number[kept] = torch.arange(count)
    rows: dict[str, Any] = {
        name: _rows(getattr(sample, name), kept)
        for name in ("coords", "feats", "position", "color", "labels", "weights", "point")
    }
    return replace(sample, **rows, inverse=number[sample.inverse])


def _rows(values: torch.Tensor | None, kept: torch.Tensor) -> torch.Tensor | None:
    return None if values is None else values[kept]
