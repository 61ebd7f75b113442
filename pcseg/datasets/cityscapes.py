"""Read Cityscapes with fine annotations: the 19 classes of its benchmark.

Layout: ``leftImg8bit/<split>/<city>/<frame>_leftImg8bit.png`` and ``gtFine/<split>/<city>/<frame>_gtFine_labelIds.png``
(Cordts et al., The Cityscapes Dataset, CVPR 2016). Label ids become the benchmark's classes by name; every other id of
the release is unlabeled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pcseg.classes import IGNORE, Classes
from pcseg.datasets.listing import broken_link
from pcseg.datasets.pairs import Pair, alone, by_name, pair_up
from pcseg.datasets.picture_scene import MaskMeaning, read_pair
from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.scenes.scene import Scene

LABEL_IDS = (
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road", "sidewalk",
    "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole", "polegroup",
    "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus",
    "caravan", "trailer", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""Name of each label id, from 0."""

_COLORS = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70), "wall": (102, 102, 156),
    "fence": (190, 153, 153), "pole": (153, 153, 153), "traffic light": (250, 170, 30), "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35), "terrain": (152, 251, 152), "sky": (70, 130, 180), "person": (220, 20, 60),
    "rider": (255, 0, 0), "car": (0, 0, 142), "truck": (0, 0, 70), "bus": (0, 60, 100), "train": (0, 80, 100),
    "motorcycle": (0, 0, 230), "bicycle": (119, 11, 32),
}  # fmt: skip

CITYSCAPES = Classes(tuple(_COLORS), tuple(_COLORS.values()), codes=tuple((LABEL_IDS.index(name),) for name in _COLORS))
"""The benchmark's 19 classes in the order of their train ids, with the release's colors and, as codes, label ids."""

NO_MASKS = ("test",)
"""Splits whose masks in the release are dummies."""

_PICTURE, _MASK = "_leftImg8bit.png", "_gtFine_labelIds.png"
_LABELS = {number: CITYSCAPES.names.index(name) if name in _COLORS else IGNORE for number, name in enumerate(LABEL_IDS)}
_MEANING = MaskMeaning(
    CITYSCAPES.names,
    _LABELS | {-1: IGNORE, 255: IGNORE},  # license plate, in whichever way it was written
    "label ids are 0 to 33; give the files *_labelIds.png of the release",
)


@dataclass(frozen=True)
class CityscapesReader:
    """Reads ``root``, the folder of leftImg8bit and gtFine, or of the folders of its archives."""

    root: str

    @property
    def classes(self) -> Classes:
        return CITYSCAPES

    def scenes(self) -> list[str]:
        if not self._pairs:
            raise InputError(f"{self.root}: no leftImg8bit/<split>/<city>/*{_PICTURE} here; give the folder above it")
        return list(self._pairs)

    def remarks(self) -> list[Defect]:
        """Report links to nowhere, pictures without a mask, and masks without a picture."""
        files = self._files("leftImg8bit", "")
        defects = [Defect(str(path), None, fault, "not used") for path in files if (fault := broken_link(path))]
        dummies = sorted({path.parts[-3] for path in self._files("gtFine", _MASK)} & set(NO_MASKS))
        defects += [Defect(self.root, None, f"the masks of {split} are dummies", "not used") for split in dummies]
        return defects + alone(self.root, self._pairs, self._masks)

    def sources(self, name: str) -> list[Path]:
        return self._pairs[name].files

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        return read_pair(name, self._pairs[name], _MEANING, "gtFine labelIds")

    def _files(self, kind: str, ending: str) -> list[Path]:
        """Return the files ``<kind>/<split>/<city>/*<ending>`` of the archive or archives of ``kind``."""
        homes = [home for home in (Path(self.root), *sorted(Path(self.root).glob(f"{kind}*"))) if home.is_dir()]
        return sorted(path for home in homes for path in (home / kind).glob(f"*/*/*{ending}"))

    @cached_property
    def _masks(self) -> dict[str, Path]:
        files = [path for path in self._files("gtFine", _MASK) if path.parts[-3] not in NO_MASKS]
        return by_name((_name(path, _MASK), path) for path in files)

    @cached_property
    def _pairs(self) -> dict[str, Pair]:
        pictures = by_name((_name(path, _PICTURE), path) for path in self._files("leftImg8bit", _PICTURE))
        return pair_up(pictures, self._masks)


def is_cityscapes(root: str) -> bool:
    """Return whether ``root`` holds the pictures of Cityscapes."""
    return any(any(Path(root).glob(f"{above}leftImg8bit/*/*/*{_PICTURE}")) for above in ("", "leftImg8bit*/"))


def _name(path: Path, ending: str) -> str:
    """Return ``split/city_frame``; the names of the release begin with the city already."""
    split, city = path.parts[-3:-1]
    frame = path.name.removesuffix(ending)
    return f"{split}/{frame if frame.startswith(f'{city}_') else f'{city}_{frame}'}"
