"""Read PASCAL VOC 2012 segmentation, and its augmented masks where they are there.

Layout: ``JPEGImages/<id>.jpg``, ``SegmentationClass/<id>.png`` (palette, 0 to 20, 255 for unlabeled), lists in
``ImageSets/Segmentation`` (Everingham et al., The PASCAL Visual Object Classes Challenge, IJCV 2015);
``SegmentationClassAug/<id>.png`` of further pictures (Hariharan et al., Semantic contours, ICCV 2011).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pcseg.classes import Classes
from pcseg.datasets.pairs import Pair, alone
from pcseg.datasets.picture_scene import MaskMeaning, all_known, read_pair
from pcseg.datasets.split_lists import read_lists
from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.scenes.scene import Scene


def voc_color(number: int) -> tuple[int, int, int]:
    """Return the color of a number in VOC's palettes: its bits 0, 3, 6 are the upper bits of red, and so on."""
    return tuple(  # type: ignore[return-value]
        sum(((number >> (3 * k + channel)) & 1) << (7 - k) for k in range(3)) for channel in range(3)
    )


VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

VOC = Classes(VOC_NAMES, tuple(voc_color(k) for k in range(len(VOC_NAMES))))
"""The 21 classes in the order of their numbers, with VOC's colors."""

MASKS = ("SegmentationClass", "SegmentationClassAug")
"""Folders of masks; the first that has one of a picture is used, since VOC's own masks leave borders of objects out."""

_MEANING = MaskMeaning(VOC.names, all_known(len(VOC), ignore=255), "VOC has 0 to 20, and 255 for unlabeled")


@dataclass(frozen=True)
class VocReader:
    """Reads ``root``: the folder of JPEGImages, or VOCdevkit above it.

    ``lists``: a folder of lists, each ``<split>.txt`` with an id or the path of a picture a line, such as those of
    semi-supervised protocols (labeled.txt and unlabeled.txt of 1_16); or one such file. Without it train, val and test
    of ImageSets/Segmentation are the splits; of trainval the pictures would be there twice.
    """

    root: str
    lists: str = ""

    @property
    def classes(self) -> Classes:
        return VOC

    def scenes(self) -> list[str]:
        if not self._pairs:
            absent = next(iter(self._ids.values()))[0]
            raise InputError(f"{self._home}/JPEGImages: has none of the listed pictures, such as {absent}.jpg")
        return list(self._pairs)

    def remarks(self) -> list[Defect]:
        """Report listed pictures that are missing, pictures in several lists, and pictures without a mask."""
        defects = []
        for split, ids in self._ids.items():
            absent = [i for i in ids if f"{split}/{i}" not in self._pairs]
            if absent:
                found = f"{split}: {len(absent)} of the {len(ids)} listed pictures are missing, {absent[0]} first"
                defects.append(Defect(str(self._home), None, found, "prepared without them"))
        counts = Counter(i for ids in self._ids.values() for i in ids)
        twice = [i for i, count in counts.items() if count > 1]
        if twice:
            found = f"{len(twice)} pictures are in several lists, {twice[0]} first"
            defects.append(Defect(str(self._home), None, found, "a scene of each of these splits"))
        return defects + alone(str(self._home), self._pairs)

    def sources(self, name: str) -> list[Path]:
        return self._pairs[name].files

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        pair = self._pairs[name]
        return read_pair(name, pair, _MEANING, pair.mask.parent.name if pair.mask else "")

    @cached_property
    def _home(self) -> Path:
        return _home(self.root)

    @cached_property
    def _ids(self) -> dict[str, list[str]]:
        """Ids of pictures by split."""
        if self.lists:
            return {split: [Path(name).stem for name in names] for split, names in read_lists(self.lists).items()}
        place = self._home / "ImageSets" / "Segmentation"
        found: dict[str, list[str]] = {}
        for split in ("train", "val", "test"):
            if (place / f"{split}.txt").is_file():
                found |= read_lists(str(place / f"{split}.txt"))
        if not found:
            raise InputError(f"{place}: no train.txt or val.txt here; unpack VOC again, or give lists=<folder>")
        return found

    @cached_property
    def _pairs(self) -> dict[str, Pair]:
        pictures = {path.stem: path for path in (self._home / "JPEGImages").glob("*.jpg")}
        masks: dict[str, Path] = {}
        for folder in reversed(MASKS):
            masks |= {path.stem: path for path in (self._home / folder).glob("*.png")}
        return {
            f"{split}/{i}": Pair(pictures[i], masks.get(i))
            for split, ids in self._ids.items()
            for i in ids
            if i in pictures
        }


def is_voc(root: str) -> bool:
    """Return whether ``root``, or VOC2012 below it, holds VOC's pictures and masks."""
    return any((place / "JPEGImages").is_dir() and (place / MASKS[0]).is_dir() for place in _places(root))


def _places(root: str) -> list[Path]:
    return [Path(root, below) for below in (".", "VOC2012", "VOCdevkit/VOC2012")]


def _home(root: str) -> Path:
    for place in _places(root):
        if (place / "JPEGImages").is_dir():
            return place
    raise InputError(f"{root}: no JPEGImages here; give the folder VOC2012, or VOCdevkit above it")
