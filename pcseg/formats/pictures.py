"""Read pictures of the usual file formats as 8-bit RGB, through Pillow, and report what is taken otherwise.

Pillow opens only files of FORMATS here, told by their content: it would hand some others (EPS) to other programs.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from pcseg.errors import InputError, cut, reason
from pcseg.formats.defects import Defect

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
"""Pillow's names of the formats that are read."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".pgm")
"""Endings of their files, in lower case."""

WIDE = ("I", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes of Pillow for one whole number of 16 or 32 bits a pixel."""

LARGE, DENSEST = 1 << 24, 10_000
"""Pixels from which a picture must have one byte for DENSEST of them; of one color PNG has up to 8256 in a byte."""

_ORIENTATION = 0x0112  # the number of the EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


def read_picture(path: str | os.PathLike[str]) -> tuple[np.ndarray, list[Defect]]:
    """Return the colors (H, W, 3) uint8 of a picture, upright, and reports.

    It is turned as its EXIF orientation says. Gray becomes three equal colors, gray of 16 bits is divided by 257, of
    colors of 16 bits the upper 8 stay. Alpha is dropped, not composited: transparent pixels keep the colors stored for
    them. CMYK is converted without its color profile. Of several pictures in a file, as in an animation, the first is
    taken. All these are reported, alpha only where a pixel is not opaque.

    Raises InputError for a file that is missing, damaged or cut off, larger than Pillow's limit (179 million pixels),
    or of decimal numbers.
    """
    path = Path(path)
    defects: list[Defect] = []
    with opened(path) as image:
        deep = ";16" in raw_mode(image) and image.mode not in WIDE
        turned = load_upright(image, path, defects)
        if turned.mode in ("1", "L", "LA"):
            defects.append(Defect(str(path), None, "a gray picture", "its three colors are equal"))
        if "transparency" in turned.info and turned.mode not in WIDE:  # of a palette or of one color
            turned = turned.convert("RGBA")
        array = _gray_of_16_bits(turned, path, defects) if turned.mode in WIDE else _rgb(turned, path, defects)
    if deep:
        defects.append(Defect(str(path), None, "colors of 16 bits", "the upper 8 bits are kept"))
    return array, defects


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Yield the picture at ``path``; an exception while it is open becomes an InputError that names the file."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty; remove the file or copy it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, on odd tags and on pictures of half its limit
            with Image.open(path, formats=FORMATS) as image:
                _check_size(image, path)
                yield image
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        found = reason(error).partition(",")[0]
        raise InputError(f"{path}: {found}; cut the picture into tiles or make it smaller") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path}: not a picture of {', '.join(FORMATS)}; copy it again, or save it as PNG or JPEG"
        ) from error
    except Exception as error:  # decoders fail in many ways on damaged files; all mean the same to the user
        found = cut(reason(error), 200)
        raise InputError(f"{path}: not a readable picture ({found}); copy it again, or save it anew as PNG") from error


def raw_mode(image: Image.Image) -> str:
    """Return how the pixels of a picture that is not yet loaded lie in its file, such as "RGB;16B"; "" if unknown."""
    tiles = getattr(image, "tile", None)
    found = tiles[0][3] if tiles else ""
    return str(found[0] if isinstance(found, tuple) and found else found)


def load_upright(image: Image.Image, path: Path, defects: list[Defect]) -> Image.Image:
    """Load a picture and return it turned as its EXIF says; ``defects`` gains a report of that and of further pages."""
    if getattr(image, "is_animated", False) and image.format != "MPO":  # where the others are previews
        defects.append(Defect(str(path), None, "several pictures in one file", "the first is taken"))
    orientation = _orientation(image)
    image.load()
    if orientation in _TURNS:
        defects.append(Defect(str(path), None, f"EXIF orientation {orientation}", "turned upright"))
    left = _orientation(image)  # 1 for TIFF, which Pillow turns itself
    return image.transpose(_TURNS[left]) if left in _TURNS else image


def _check_size(image: Image.Image, path: Path) -> None:
    """Raise InputError if the declared size is more than the file can hold, which Pillow would fill with black."""
    pixels, size = image.width * image.height, path.stat().st_size
    shown = f"{path}: {image.width} x {image.height} pixels"
    if pixels > max(LARGE, DENSEST * size):
        raise InputError(f"{shown} in {size} bytes, more than any picture has; it is damaged, copy it again")
    parts = [part[1] for part in getattr(image, "tile", ())] if image.format == "TIFF" else []
    covered = sum((right - left) * (bottom - top) for left, top, right, bottom in parts)
    if parts and covered < pixels:
        raise InputError(f"{shown}, of which {covered} are there; it is damaged, copy or export it again")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF, in one of many ways, is no reason to lose the picture
        return 1


def _gray_of_16_bits(image: Image.Image, path: Path, defects: list[Defect]) -> np.ndarray:
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if not 0 <= low <= high <= 65535:
        raise InputError(f"{path}: gray from {low} to {high}, more than 16 bits; save it with 8 or 16 bits")
    defects.append(Defect(str(path), None, f"gray of 16 bits, {low} to {high}", "divided by 257, to 8 bits"))
    return np.repeat(np.round(values / 257).astype(np.uint8)[..., None], 3, axis=2)


def _rgb(image: Image.Image, path: Path, defects: list[Defect]) -> np.ndarray:
    if image.mode == "F":
        raise InputError(f"{path}: a picture of decimal numbers; save it with 8 bits a color")
    if image.mode == "CMYK":
        defects.append(Defect(str(path), None, "colors are CMYK", "converted to RGB without a color profile"))
    if "A" in image.getbands():
        clear = int((np.asarray(image.getchannel("A")) < 255).sum())
        if clear:
            found = f"{clear} of {image.width * image.height} pixels are transparent"
            defects.append(Defect(str(path), None, found, "alpha is dropped, their stored colors are kept"))
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)
