"""Read what a picture says of its pixels: numbers of classes in a mask, or the probability of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pcseg.archives import read_array
from pcseg.classes import IGNORE, Classes
from pcseg.datasets.class_file import read_class_file
from pcseg.datasets.frame_labels import TABLE, UNLABELED, label_table, read_number_names, read_raw_ids
from pcseg.datasets.picture_scene import MaskMeaning
from pcseg.errors import InputError
from pcseg.formats.frames import in_order
from pcseg.formats.masks import UNLABELED as NO_CLASS
from pcseg.formats.masks import read_mask
from pcseg.formats.parsing import parsing

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".pgm", ".npy")
"""Endings of the files that are read: of masks, and of probabilities."""


@dataclass(frozen=True)
class SoftFrames:
    """The label pictures ``<i>.png`` and probabilities ``<i>.npy`` in ``folder``.

    ``table``: the label that number i of a mask, or channel i of probabilities, stands for, an index into ``classes``
    or IGNORE; ``foreign``: names that are none of the classes, and so unlabeled. ``source`` told both.
    """

    folder: Path
    classes: Classes
    table: Mapping[int, int]
    foreign: Sequence[str]
    source: str

    @cached_property
    def files(self) -> dict[str, Path]:
        """The files by the names of their frames, in order."""
        found = {p.stem: p for p in sorted(self.folder.glob("*")) if p.suffix.lower() in SUFFIXES and p.is_file()}
        return {name: found[name] for name in in_order(found)}

    def read(self, name: str) -> np.ndarray:
        """Return the labels (H, W) int16 of the frame ``name``, IGNORE where unknown, or probabilities (H, W, K).

        Raises InputError that names the file if it is damaged, for a number without a meaning, and for probabilities
        below 0, above 1 or not finite.
        """
        path = self.files[name]
        if path.suffix.lower() != ".npy":
            numbers, defects = read_mask(path)
            if any("EXIF" in defect.found for defect in defects):
                raise InputError(f"{path}: its EXIF says to turn it, but the pose is that of the stored picture")
            meaning = MaskMeaning(self.classes.names, self.table, f"add it to {self.source}")
            return meaning.segment(numbers, str(path))
        with parsing(path, "NumPy"), open(path, "rb") as stream:
            values = read_array(stream, path.stat().st_size)
        if values is None or values.ndim != 3 or values.dtype.kind != "f" or not values.size:
            found = "pickled objects" if values is None else f"{values.shape} of {values.dtype}"
            raise InputError(f"{path}: {found}; save probabilities (H, W, K) of classes, as decimal numbers")
        return self._probabilities(values, path)

    def _probabilities(self, values: np.ndarray, path: Path) -> np.ndarray:
        channels = [self.table.get(channel) for channel in range(values.shape[2])]
        if None in channels:
            raise InputError(
                f"{path}: {values.shape[2]} channels, but channel {channels.index(None)} means no class; "
                f"add it to {self.source}"
            )
        total = values.sum(axis=2, dtype=np.float32)
        if not (values >= 0).all() or not (total <= 1.01).all():  # NaN is not, either
            raise InputError(f"{path}: values of a pixel are below 0, or their sum is above 1; save probabilities")
        if channels == list(range(len(self.classes))):
            return values
        chosen = np.zeros((*values.shape[:2], len(self.classes)), dtype=values.dtype)
        for channel, label in enumerate(channels):
            if label != IGNORE:
                chosen[..., label] += values[..., channel]
        return chosen


def open_soft_frames(folder: Path, classes: Classes, ids: str = "auto") -> SoftFrames:
    """Return the label pictures and probabilities in ``folder``, as labels of ``classes``.

    ``ids``: a classes.json, a classes.yaml or ScanNet's TABLE that says what their numbers mean; index: number i is
    the i-th of ``classes``, NO_CLASS none; auto: a classes.json or TABLE in the folder or up to three above it. Raises
    InputError where there is none, and where no name in it is one of the classes.
    """
    if ids == "index":
        table = {NO_CLASS: IGNORE} | {number: number for number in range(len(classes))}
        return SoftFrames(folder, classes, table, [], "ids (index has as many as classes)")
    if ids == "auto":
        above = [folder, *list(folder.absolute().parents)[:3]]
        found = [place / name for place in above for name in ("classes.json", TABLE) if (place / name).is_file()]
        if not found:
            raise InputError(
                f"{folder}: nothing says what its numbers mean; write a classes.json there, such as "
                '{"0": "unlabeled", "1": "wall"}, or say ids=index or ids=<classes.yaml>'
            )
        ids = str(found[0])
    names = _names(Path(ids))
    try:
        table, foreign = label_table(names, classes)
    except InputError as error:
        raise InputError(f"{ids}: {error}") from error
    return SoftFrames(folder, classes, table, foreign, ids)


def _names(path: Path) -> dict[int, str]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a classes.json, a classes.yaml or {TABLE}")
    if path.suffix in (".yaml", ".yml"):
        file = read_class_file(path)
        known = dict(file.ids) or dict(enumerate(file.names))
        return dict.fromkeys((number for number in file.ignore if number >= 0), UNLABELED) | known
    return read_number_names(path) if path.suffix == ".json" else read_raw_ids(path)
