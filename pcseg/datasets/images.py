"""A user's own pictures: a folder of pictures and label masks, and a classes.yaml that says what the masks mean."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from pcseg.classes import IGNORE, Classes
from pcseg.datasets.class_file import ClassFile, read_class_file
from pcseg.datasets.listing import list_files, not_used
from pcseg.datasets.pairs import Pair, alone, by_name, is_picture, pair_up
from pcseg.datasets.picture_scene import MaskMeaning, read_pair
from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.formats.masks import Color
from pcseg.formats.pictures import SUFFIXES
from pcseg.scenes.scene import Scene

BLACK = (0, 0, 0)
"""Color that means unlabeled in masks of colors, unless it is that of a class."""

KEYS = ("names", "colors", "ids", "ignore")
"""Keys of classes.yaml that have a meaning for pictures."""


@dataclass(frozen=True)
class ImagesReader:
    """Each picture below ``root`` is a scene; its mask has the same name, but for the ending.

    Layouts: ``<split>/images/<name>`` and ``<split>/masks/<name>``; ``images/<split>/<name>`` and
    ``masks/<split>/<name>``; ``<split>/<name>`` and ``<split>annot/<name>``. Pictures in ``root`` or ``images`` itself
    go to ``train``; those deeper down get their folders' names before their own. Links are followed.

    ``meaning``: numbers in masks stand for the classes that ``ids`` says, else the i-th number for the i-th name; -1
    and ``ignore`` mean unlabeled. Masks of colors are looked up in ``colors``; in them BLACK means unlabeled.
    """

    root: str
    meaning: ClassFile

    @property
    def classes(self) -> Classes:
        return self.meaning.classes

    def scenes(self) -> list[str]:
        if not self._pairs:
            more = "".join(f" ({defect.found})" for defect in self.remarks()[:1])
            raise InputError(
                f"{self.root}: no picture here{more}; put pictures ({', '.join(SUFFIXES)}) into train/images and "
                "their masks into train/masks"
            )
        return list(self._pairs)

    def remarks(self) -> list[Defect]:
        """Links that lead nowhere, files that are not read, pictures without a mask, masks without a picture."""
        files, defects = self._listed
        used = {*self._found[False].values(), *self._found[True].values()}
        others = [path for path in files if path not in used and path.name != "classes.yaml"]
        return defects + not_used(self.root, others, SUFFIXES) + alone(self.root, self._pairs, self._found[True])

    def sources(self, name: str) -> list[Path]:
        return self._pairs[name].files

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        numbers = self.meaning.ids or dict(enumerate(self.meaning.names))
        labels = {number: self.meaning.names.index(meant) for number, meant in numbers.items()}
        labels |= dict.fromkeys((*self.meaning.ignore, IGNORE), IGNORE)
        meaning = MaskMeaning(
            self.meaning.names, labels, "add it to classes.yaml under ids: or ignore:", _numbers_of_colors(self.meaning)
        )
        return read_pair(name, self._pairs[name], meaning)

    @cached_property
    def _listed(self) -> tuple[list[Path], list[Defect]]:
        if not Path(self.root).is_dir():
            raise InputError(f"{self.root}: no such folder; give the one that holds the pictures")
        return list_files(self.root)

    @cached_property
    def _found(self) -> dict[bool, dict[str, Path]]:
        """The masks (True) and the pictures (False) by the name of their scene."""
        found: dict[bool, list[tuple[str, Path]]] = {True: [], False: []}
        for path in self._listed[0]:
            parts = path.relative_to(self.root).parts
            if is_picture(path) and path.is_file() and not any(part.startswith(".") for part in parts):
                split, rest, mask = _place(parts[:-1])
                found[mask].append((f"{split}/{'_'.join((*rest, path.stem))}", path))
        return {mask: by_name(files) for mask, files in found.items()}

    @cached_property
    def _pairs(self) -> dict[str, Pair]:
        return pair_up(self._found[False], self._found[True])


def open_images(root: str, classes: str = "") -> ImagesReader:
    """Return a reader for ``root`` with the classes.yaml there or at ``classes``."""
    path = Path(classes) if classes else Path(root) / "classes.yaml"
    if not Path(root).is_dir():
        raise InputError(f"{root}: no such folder; give the one that holds the pictures")
    meaning = read_class_file(path)
    usual = ClassFile(meaning.names)
    for key in (f.name for f in fields(ClassFile) if f.name not in KEYS):
        if getattr(meaning, key) != getattr(usual, key):
            raise InputError(f"{path}: {key}: has no meaning for pictures, whose labels are masks; remove it")
    twice = next((color for color, count in Counter(meaning.colors).items() if count > 1), None)
    if twice:
        raise InputError(f"{path}: colors: {list(twice)} is that of two classes; give each its own")
    return ImagesReader(root, meaning)


def is_images(root: str) -> bool:
    """Return whether ``root`` has folders of pictures and of masks in one of the layouts."""
    top = Path(root)
    if any((place / "images").is_dir() and (place / "masks").is_dir() for place in (top, *top.glob("*"))):
        return True
    return any((folder.parent / folder.name.removesuffix("annot")).is_dir() for folder in top.glob("?*annot"))


def _place(folders: tuple[str, ...]) -> tuple[str, tuple[str, ...], bool]:
    """Return the split of a file in ``folders`` below the root, the folders to name it by, and whether it is a mask."""
    if len(folders) > 1 and folders[1] in ("images", "masks"):
        return folders[0], folders[2:], folders[1] == "masks"
    if folders and folders[0] in ("images", "masks"):
        return (folders[1] if len(folders) > 1 else "train"), folders[2:], folders[0] == "masks"
    if not folders:
        return "train", (), False
    split = folders[0].removesuffix("annot")
    mask = split != "" and split != folders[0]
    return (split if mask else folders[0]), folders[1:], mask


def _numbers_of_colors(meaning: ClassFile) -> dict[Color, int]:
    """Return the number of each color that is given to a class; IGNORE for BLACK."""
    if not meaning.colors:
        return {}
    codes = meaning.classes.codes or tuple((i,) for i in range(len(meaning.names)))
    return {BLACK: IGNORE} | {color: code[0] for color, code in zip(meaning.colors, codes, strict=True)}
