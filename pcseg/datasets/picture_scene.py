"""Make a scene of a picture and its label mask, whose numbers must all have a meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pcseg.classes import IGNORE
from pcseg.datasets.pairs import Pair
from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.formats.masks import Color, read_mask
from pcseg.formats.pictures import read_picture
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.scene import Scene


@dataclass(frozen=True)
class MaskMeaning:
    """The label of each number in masks: an index into ``classes``, or IGNORE.

    ``colors``: the number that each color of masks of colors stands for, where they have such; ``remedy``: what a user
    can do about a number without a meaning.
    """

    classes: tuple[str, ...]
    labels: Mapping[int, int]
    remedy: str
    colors: Mapping[Color, int] = field(default_factory=dict)

    def segment(self, mask: np.ndarray, where: str) -> np.ndarray:
        """Return the labels (H, W) int16 of ``mask`` (H, W), read from ``where``.

        Raises InputError that names the first pixel of a number without a meaning.
        """
        known, labels = np.array(sorted(self.labels.items()), dtype=np.int64).T
        at = np.searchsorted(known, mask).clip(max=len(known) - 1)
        wrong = known[at] != mask
        if wrong.any():
            row, column = np.argwhere(wrong)[0].tolist()
            number = int(mask[row, column])
            found = f"{number} at row {row}, column {column} ({int((mask == number).sum())} pixels)"
            raise InputError(f"{where}: number {found} means no class; {self.remedy}")
        return np.asarray(labels[at], dtype=np.int16)


def read_pair(name: str, pair: Pair, meaning: MaskMeaning, labels_from: str = "masks") -> tuple[Scene, list[Defect]]:
    """Return the scene of a picture, and the defects of its files; without labels where it has no mask.

    ``labels_from`` says where the labels come from. Raises InputError if a file cannot be read, if the two differ in
    size, and for a number without a meaning.
    """
    image, defects = read_picture(pair.picture)
    height, width = image.shape[:2]
    attributes: dict[str, np.ndarray] = {"color": image.reshape(-1, 3)}
    if pair.mask is not None:
        mask, wrong = read_mask(pair.mask, meaning.colors)
        defects += wrong
        if mask.shape != (height, width):
            found = f"{mask.shape[1]} x {mask.shape[0]} pixels, but {pair.picture.name} has {width} x {height}"
            turned = ", turned as its EXIF says" if any("EXIF" in defect.found for defect in defects) else ""
            raise InputError(f"{pair.mask}: {found}{turned}; save the mask in the size of its picture")
        attributes["segment"] = meaning.segment(mask, str(pair.mask)).reshape(-1)
    scene = Scene(
        pixel_places(height, width),
        attributes,
        name,
        classes=meaning.classes,
        labels_from=labels_from if pair.mask else "",
        size=(height, width),
    )
    return scene, defects


def all_known(count: int, ignore: int) -> dict[int, int]:
    """Return the meaning of masks that number ``count`` classes from 0 and write ``ignore`` for none."""
    return {number: number for number in range(count)} | {ignore: IGNORE}
