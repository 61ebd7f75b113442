"""Cut pictures into parts, so that labels of whole scenes, such as tags, can be given to parts of pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from pcseg.classes import Classes
from pcseg.datasets.contract import SceneReader
from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.scene import Scene


@dataclass(frozen=True)
class CropReader:
    """The pictures of ``whole``, and each of them cut into ``crops`` rows and as many columns of equal parts.

    Of a picture ``train/a`` and 4 rows the parts are ``train_4x4/a_r0_c0`` (top left) to ``train_4x4/a_r3_c3``. Sizes
    differ by a pixel where the picture cannot be cut evenly. Raises InputError for fewer than 2 rows.
    """

    whole: SceneReader
    crops: int

    def __post_init__(self) -> None:
        if self.crops < 2:
            raise InputError(f"crops={self.crops}: give 2 or more rows and columns, or leave it out")

    @property
    def classes(self) -> Classes:
        return self.whole.classes

    def scenes(self) -> list[str]:
        return [*self.whole.scenes(), *self._parts]

    def remarks(self) -> list[Defect]:
        return self.whole.remarks()

    def sources(self, name: str) -> list[Path]:
        return self.whole.sources(self._parts[name][0] if name in self._parts else name)

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        if name not in self._parts:
            return self.whole.read(name)
        picture, row, column = self._parts[name]
        scene, defects = self.whole.read(picture)
        assert scene.size is not None
        if min(scene.size) < self.crops:
            raise InputError(
                f"{picture}: {scene.size[1]} x {scene.size[0]} pixels cannot be cut into {self.crops} x {self.crops}; "
                "leave out the picture, or choose a smaller crops="
            )
        (top, bottom), (left, right) = (
            (size * place // self.crops, size * (place + 1) // self.crops)
            for size, place in zip(scene.size, (row, column), strict=True)
        )
        kept = np.zeros(scene.size, dtype=bool)
        kept[top:bottom, left:right] = True
        part = replace(
            scene,
            coord=pixel_places(bottom - top, right - left),
            attributes={key: values[kept.reshape(-1)] for key, values in scene.attributes.items()},
            name=name,
            size=(bottom - top, right - left),
        )
        return part, defects

    @cached_property
    def _parts(self) -> dict[str, tuple[str, int, int]]:
        """The picture, row and column of each part, by its name."""
        found: dict[str, tuple[str, int, int]] = {}
        pictures = self.whole.scenes()
        for picture in pictures:
            split, _, stem = picture.partition("/")
            for row in range(self.crops):
                for column in range(self.crops):
                    name = f"{split}_{self.crops}x{self.crops}/{stem}_r{row}_c{column}"
                    found[name] = picture, row, column
        if both := sorted(found.keys() & set(pictures)):
            raise InputError(f"{both[0]}: is a picture, and a part of {found[both[0]][0]}; rename the split")
        return found
