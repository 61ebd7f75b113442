"""Masks keep their numbers, or give those of their colors; what is written is read back, by Pillow alone too.

Bad input and its message: a color of no class; colors that are not known; JPEG; fractions; labels that are no class.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.formats.masks import read_mask, write_palette_png

RNG = np.random.default_rng(0)
NUMBERS = RNG.integers(0, 12, (5, 7)).astype(np.uint8)
PALETTE = np.array([[10, 20, 30], [0, 0, 0], [200, 200, 200]], np.uint8)


def read(path: Path, **options: object) -> tuple[list[list[int]], str]:
    """Return the numbers, and what was reported."""
    numbers, defects = read_mask(path, **options)  # type: ignore[arg-type]
    assert numbers.dtype == np.int32
    return numbers.tolist(), "; ".join(f"{defect.found}: {defect.action}" for defect in defects)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".pgm"])
def test_gray_keeps_its_numbers(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(NUMBERS).save(tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}") == (NUMBERS.tolist(), "")


@pytest.mark.parametrize(("kind", "suffix"), [(np.uint16, ".png"), (np.uint16, ".tif"), (np.int32, ".tif")])
def test_wide_numbers(tmp_path: Path, kind: type, suffix: str) -> None:
    wide = (NUMBERS.astype(np.int64) * 1000).astype(kind)
    Image.fromarray(wide).save(tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}") == (wide.tolist(), "")


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_gray_of_few_bits_is_not_stretched(tmp_path: Path, depth: int) -> None:
    """A viewer shows gray 3 of 4 bits as 51 of 255; in a mask it is number 3."""
    numbers = RNG.integers(0, 2**depth, (4, 8))
    bits = (numbers[..., None] >> np.arange(depth)[::-1]) & 1
    rows = np.packbits(bits.reshape(4, -1).astype(np.uint8), axis=1)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    head = struct.pack(">IIBBBBB", 8, 4, depth, 0, 0, 0, 0)
    parts = (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), chunk(b"IDAT", body), chunk(b"IEND", b""))
    (tmp_path / "a.png").write_bytes(b"".join(parts))
    assert read(tmp_path / "a.png") == (numbers.tolist(), "")


def test_a_palette_keeps_its_indices(tmp_path: Path) -> None:
    image = Image.fromarray(NUMBERS)
    image.putpalette(RNG.integers(0, 256, 36).astype(np.uint8).tobytes())
    for options in ({}, {"transparency": 0}, {"bits": 4}):
        image.save(tmp_path / "a.png", **options)
        assert read(tmp_path / "a.png", colors={(1, 2, 3): 5}) == (NUMBERS.tolist(), "")


def test_colors_are_looked_up(tmp_path: Path) -> None:
    at = RNG.integers(0, 3, (5, 7))
    colors = {(10, 20, 30): 4, (0, 0, 0): IGNORE, (200, 200, 200): 70_000}
    Image.fromarray(PALETTE[at]).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", colors=colors) == (np.array([4, IGNORE, 70_000])[at].tolist(), "")
    alpha = np.full((5, 7, 1), 255, np.uint8)
    alpha[0, 0] = 0
    Image.fromarray(np.concatenate([PALETTE[at], alpha], axis=2)).save(tmp_path / "b.png")
    numbers, report = read(tmp_path / "b.png", colors=colors)
    assert numbers == np.array([4, IGNORE, 70_000])[at].tolist()
    assert report == "some pixels of the mask are transparent: alpha is dropped"


def test_an_unknown_color_is_named_with_its_first_pixel(tmp_path: Path) -> None:
    array = np.zeros((5, 7, 3), np.uint8)
    array[3, 2] = array[3, 4] = 10, 20, 31
    array[4, 0] = 9, 9, 9
    Image.fromarray(array).save(tmp_path / "a.png")
    message = r"a\.png: color \(10, 20, 31\) at row 3, column 2 \(2 pixels\) is of no class; add it"
    with pytest.raises(InputError, match=message):
        read_mask(tmp_path / "a.png", {(10, 20, 30): 4, (0, 0, 0): 0})


def test_colors_without_a_table(tmp_path: Path) -> None:
    Image.fromarray(np.stack([NUMBERS] * 3, axis=2)).save(tmp_path / "gray.png")
    assert read(tmp_path / "gray.png") == (NUMBERS.tolist(), "three equal channels in a mask: taken as numbers")
    Image.fromarray(PALETTE[NUMBERS % 3]).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: a mask of colors, but which class has which color is not known"):
        read_mask(tmp_path / "a.png")


def test_a_mask_is_turned_as_its_own_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(NUMBERS).save(tmp_path / "a.png", exif=exif)
    assert read(tmp_path / "a.png") == (np.rot90(NUMBERS, -1).tolist(), "EXIF orientation 6: turned upright")


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".gif"])
def test_formats_that_change_numbers_are_refused(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(NUMBERS).save(tmp_path / f"a{suffix}")
    with pytest.raises(InputError, match=r"does not keep the numbers of a mask exactly; save masks as PNG"):
        read_mask(tmp_path / f"a{suffix}")


def test_decimal_numbers(tmp_path: Path) -> None:
    Image.fromarray(NUMBERS.astype(np.float32)).save(tmp_path / "a.tif")
    assert read(tmp_path / "a.tif") == (NUMBERS.tolist(), "")
    for value in (0.5, np.nan, 1e9):
        Image.fromarray(np.full((2, 2), value, np.float32)).save(tmp_path / "a.tif")
        with pytest.raises(InputError, match=r"a\.tif: a mask of mode F, which has no whole numbers"):
            read_mask(tmp_path / "a.tif")


@pytest.mark.parametrize("classes", [1, 3, 21, 255])
def test_what_is_written_is_read_back(tmp_path: Path, classes: int) -> None:
    labels = RNG.integers(-1, classes, (6, 9))
    colors = RNG.integers(0, 256, (classes, 3)).astype(np.uint8)
    write_palette_png(tmp_path / "deep" / "a.png", labels, colors)
    image = Image.open(tmp_path / "deep" / "a.png")
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), np.where(labels < 0, 255, labels))
    shown = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(shown[labels >= 0], colors[labels[labels >= 0]])
    assert (shown[labels < 0] == [128, 132, 140]).all()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.png"]


@pytest.mark.parametrize(("codes", "mode"), [((7, 0, 255), "P"), ((3, 300, 65534), "I;16")])
def test_numbers_of_classes_of_ones_own(tmp_path: Path, codes: tuple[int, ...], mode: str) -> None:
    labels, colors = RNG.integers(0, 3, (6, 9)), RNG.integers(0, 256, (3, 3)).astype(np.uint8)
    write_palette_png(tmp_path / "a.png", labels, colors, codes)
    assert Image.open(tmp_path / "a.png").mode == mode
    assert read(tmp_path / "a.png")[0] == np.array(codes)[labels].tolist()
    if mode == "P":
        shown = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
        np.testing.assert_array_equal(shown, colors[labels])
    labels[0, 0] = -1
    if 255 in codes:
        with pytest.raises(InputError, match="255 means unlabeled, but is the number of a class"):
            write_palette_png(tmp_path / "b.png", labels, colors, codes)
    else:
        write_palette_png(tmp_path / "b.png", labels, colors, codes)
        assert read(tmp_path / "b.png")[0][0][0] == 65535


@pytest.mark.parametrize("codes", [(0, -1), (0, 65536)])
def test_numbers_that_no_picture_holds(tmp_path: Path, codes: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=rf"a class has the number {codes[1]}; pictures hold 0 to 65535"):
        write_palette_png(tmp_path / "a.png", np.zeros((2, 2), int), np.zeros((2, 3), np.uint8), codes)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (np.array([[0, 1], [3, 9]]), 3, "label 3 at row 1, column 0, but there are 3 classes"),
        (np.array([[0, -2]]), 3, "label -2 at row 0, column 1, but there are 3 classes"),
        (np.zeros((2, 2), int), 256, "256 classes, but a palette PNG holds 255"),
        (np.zeros(4, int), 3, r"labels of shape \(4,\); give \(H, W\)"),
        (np.zeros((0, 4), int), 3, r"labels of shape \(0, 4\)"),
    ],
)
def test_labels_that_cannot_be_written(tmp_path: Path, labels: np.ndarray, classes: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_palette_png(tmp_path / "a.png", labels, np.zeros((classes, 3), np.uint8))
    assert not list(tmp_path.iterdir())
