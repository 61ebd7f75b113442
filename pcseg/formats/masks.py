"""Read label masks, pictures whose pixels stand for classes, and write them with a palette of the classes' colors."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pcseg.class_colors import RESERVED
from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.files import atomic_path
from pcseg.formats.defects import Defect
from pcseg.formats.pictures import WIDE, load_upright, opened, raw_mode

Color = tuple[int, int, int]

UNLABELED = 255
"""Number that stands for IGNORE in the masks that are written, as in PASCAL VOC's."""

DEEP_UNLABELED = 65535
"""The same where numbers of classes take 16 bits."""

EXACT = ("PNG", "TIFF", "BMP", "PPM")
"""Formats of masks: JPEG and WEBP change numbers, and programs that write GIF number palettes anew."""

_STRETCHED = {"L;2": 85, "L;4": 17}  # Pillow multiplies gray of 2 and 4 bits so


def read_mask(
    path: str | os.PathLike[str], colors: Mapping[Color, int] | None = None
) -> tuple[np.ndarray, list[Defect]]:
    """Return the numbers (H, W) int32 in a mask, and reports.

    Of a palette the indices are taken, not the colors; gray keeps its numbers, also of 1, 2, 4 and 16 bits. In a mask
    of colors each pixel is looked up in ``colors``, the number of each (red, green, blue); without ``colors`` three
    equal channels are numbers, too. Alpha is dropped. A mask is turned as its own EXIF orientation says, if it has one:
    so it fits the picture it was drawn on.

    Raises InputError for a missing or damaged file, for a color not in ``colors``, with the first pixel, and for
    formats not in EXACT.
    """
    path = Path(path)
    defects: list[Defect] = []
    with opened(path) as image:
        if image.format not in EXACT or image.info.get("compression") == "jpeg":
            raise InputError(f"{path}: a {image.format} does not keep the numbers of a mask exactly; save masks as PNG")
        stretch = _STRETCHED.get(raw_mode(image), 1)
        image = load_upright(image, path, defects)
        array = np.asarray(image)
        mode = image.mode
    if mode in ("LA", "PA", "RGBA"):
        if (array[..., -1] < 255).any():
            defects.append(Defect(str(path), None, "some pixels of the mask are transparent", "alpha is dropped"))
        mode, array = {"LA": ("L", array[..., 0]), "PA": ("P", array[..., 0])}.get(mode, ("RGB", array[..., :3]))
    if mode == "RGB":
        return _numbers(array, path, colors, defects), defects
    if mode == "F" and np.array_equal(array, np.round(array)) and np.abs(array).max() < 2**24:
        mode = "I"
    if mode not in ("1", "L", "P", *WIDE):
        raise InputError(f"{path}: a mask of mode {mode}, which has no whole numbers; save masks as PNG of 8 bits")
    return (array // stretch if stretch > 1 else array).astype(np.int32), defects


def write_palette_png(
    path: str | os.PathLike[str],
    labels: np.ndarray,
    colors: Sequence[Color] | np.ndarray,
    codes: Sequence[int] | None = None,
) -> None:
    """Write ``labels`` (H, W), indices of classes or IGNORE, as a palette PNG, atomically.

    ``codes`` (K,) are the numbers of the classes in the file, by default their indices; IGNORE is UNLABELED. ``colors``
    (K, 3), 0 to 255, are those of the classes. Where a number is above 255 the file is gray of 16 bits, and IGNORE is
    65535. The file is read back before it takes its name. Raises InputError for other labels or numbers, for more than
    255 classes, and for an IGNORE where a class has its number.
    """
    known = len(colors)
    if codes is None and known > UNLABELED:
        raise InputError(f"{path}: {known} classes, but a palette PNG holds {UNLABELED}; write another format")
    codes = range(known) if codes is None else codes
    unlabeled = unlabeled_number(codes, path)
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[UNLABELED] = RESERVED[0]
    if unlabeled == UNLABELED:
        palette[list(codes)] = np.asarray(colors, dtype=np.uint8).reshape(known, 3)
    if labels.ndim != 2 or not labels.size:
        raise InputError(f"{path}: labels of shape {labels.shape}; give (H, W), of one pixel or more")
    wrong = (labels < IGNORE) | (labels >= known)
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        found = f"label {labels[row, column]} at row {row}, column {column}"
        raise InputError(f"{path}: {found}, but there are {known} classes; give their indices, or {IGNORE}")
    if unlabeled in codes and (labels == IGNORE).any():
        raise InputError(f"{path}: {unlabeled} means unlabeled, but is the number of a class; give that another number")
    numbers = np.array([*codes, unlabeled], np.uint8 if unlabeled == UNLABELED else np.uint16)[labels]

    def check(written: Path) -> None:
        if not np.array_equal(read_mask(written)[0], numbers):
            raise InputError(f"{path}: holds other labels than were written")

    with atomic_path(path, check=check) as temporary:
        image = Image.fromarray(numbers)
        if unlabeled == UNLABELED:
            image.putpalette(palette.tobytes())
        image.save(temporary, format="PNG")


def unlabeled_number(codes: Sequence[int], where: str | os.PathLike[str]) -> int:
    """Return the number of unlabeled pixels beside classes of the numbers ``codes``; raises InputError, which begins
    with ``where``, for a number that no picture holds.
    """
    wrong = [code for code in codes if not 0 <= code <= DEEP_UNLABELED]
    if wrong:
        raise InputError(f"{where}: a class has the number {wrong[0]}; pictures hold 0 to {DEEP_UNLABELED}")
    return UNLABELED if max(codes) <= UNLABELED else DEEP_UNLABELED


def _numbers(array: np.ndarray, path: Path, colors: Mapping[Color, int] | None, defects: list[Defect]) -> np.ndarray:
    """Return the number (H, W) int32 of each color of ``array`` (H, W, 3)."""
    if not colors:
        if not ((array[..., 0] == array[..., 1]) & (array[..., 1] == array[..., 2])).all():
            raise InputError(
                f"{path}: a mask of colors, but which class has which color is not known; name them (colors: in "
                "classes.yaml), or save the numbers of classes"
            )
        defects.append(Defect(str(path), None, "three equal channels in a mask", "taken as numbers"))
        return array[..., 0].astype(np.int32)
    wide = array.astype(np.int32)
    codes = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    table = sorted(((r << 16 | g << 8 | b), number) for (r, g, b), number in colors.items())
    known, numbers = np.array(table, dtype=np.int32).T
    at = np.searchsorted(known, codes).clip(max=len(known) - 1)
    wrong = known[at] != codes
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        count = int((codes == codes[row, column]).sum())
        raise InputError(
            f"{path}: color {tuple(array[row, column].tolist())} at row {row}, column {column} ({count} pixels) is of "
            "no class; add it to the colors of classes, or correct the mask"
        )
    return np.asarray(numbers[at], dtype=np.int32)
