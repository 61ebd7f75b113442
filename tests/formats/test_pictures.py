"""Pictures of every mode become 8-bit RGB as Pillow's documentation of the modes says, or an error of one line.

Bad input and its message: a missing, empty, cut-off or other file; a picture beyond Pillow's limit; decimal numbers.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcseg.errors import InputError
from pcseg.formats.pictures import read_picture

RNG = np.random.default_rng(0)
COLORS = RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8)
GRAY = RNG.integers(0, 256, (5, 7)).astype(np.uint8)


def told(path: Path) -> tuple[np.ndarray, str]:
    """Return the colors, and what was reported."""
    array, defects = read_picture(path)
    assert array.dtype == np.uint8
    assert array.flags.writeable
    assert all(defect.file == str(path) for defect in defects)
    return array, "; ".join(f"{defect.found}: {defect.action}" for defect in defects)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".ppm", ".PNG"])
def test_exact_formats_keep_every_color_and_need_no_report(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(COLORS).save(tmp_path / f"a{suffix}")
    array, report = told(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(array, COLORS)
    assert report == ""


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_formats(tmp_path: Path, suffix: str) -> None:
    smooth = np.tile(np.arange(0, 240, 10, dtype=np.uint8)[:, None, None], (1, 16, 3))
    Image.fromarray(smooth).save(tmp_path / f"a{suffix}", quality=95)
    array, report = told(tmp_path / f"a{suffix}")
    assert np.abs(array.astype(int) - smooth).max() < 8
    assert report == ""


def test_the_content_tells_the_format(tmp_path: Path) -> None:
    Image.fromarray(COLORS).save(tmp_path / "a.jpg", format="PNG")
    np.testing.assert_array_equal(told(tmp_path / "a.jpg")[0], COLORS)


def test_gray_is_three_equal_colors(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    array, report = told(tmp_path / "a.png")
    np.testing.assert_array_equal(array, np.stack([GRAY] * 3, axis=2))
    assert report == "a gray picture: its three colors are equal"


def test_gray_of_16_bits_is_divided_by_257(tmp_path: Path) -> None:
    wide = np.array([[0, 128, 129, 65535], [257, 25700, 60000, 1000]], dtype=np.uint16)
    for suffix in (".png", ".tif"):
        Image.fromarray(wide).save(tmp_path / f"a{suffix}")
        array, report = told(tmp_path / f"a{suffix}")
        assert array[..., 1].tolist() == [[0, 0, 1, 255], [1, 100, 233, 4]]
        assert report == "gray of 16 bits, 0 to 65535: divided by 257, to 8 bits"


def test_colors_of_16_bits_keep_the_upper_8(tmp_path: Path) -> None:
    wide = RNG.integers(0, 65536, (4, 6, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    write_png(tmp_path / "a.png", 6, 4, rows, depth=16, kind=2)
    array, report = told(tmp_path / "a.png")
    np.testing.assert_array_equal(array, wide >> 8)
    assert report == "colors of 16 bits: the upper 8 bits are kept"


def test_alpha_is_dropped_and_told_if_it_hides_something(tmp_path: Path) -> None:
    alpha = np.full((5, 7, 1), 255, np.uint8)
    Image.fromarray(np.concatenate([COLORS, alpha], axis=2)).save(tmp_path / "opaque.png")
    array, report = told(tmp_path / "opaque.png")
    np.testing.assert_array_equal(array, COLORS)
    assert report == ""
    alpha[2, 3:5] = 0
    Image.fromarray(np.concatenate([COLORS, alpha], axis=2)).save(tmp_path / "a.png")
    array, report = told(tmp_path / "a.png")
    np.testing.assert_array_equal(array, COLORS)
    assert report == "2 of 35 pixels are transparent: alpha is dropped, their stored colors are kept"


@pytest.mark.parametrize("clear", [None, 1])
def test_a_palette_gives_its_colors(tmp_path: Path, clear: int | None) -> None:
    image = Image.fromarray(np.array([[0, 1, 1], [2, 0, 2]], np.uint8))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / "a.png", **({} if clear is None else {"transparency": clear}))
    array, report = told(tmp_path / "a.png")
    assert array.tolist() == [
        [[10, 20, 30], [40, 50, 60], [40, 50, 60]],
        [[70, 80, 90], [10, 20, 30], [70, 80, 90]],
    ]
    assert ("2 of 6 pixels are transparent" in report) == (clear is not None)


def test_cmyk_is_converted(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    array, report = told(tmp_path / "a.tif")
    assert (array == [255, 0, 0]).all()
    assert report == "colors are CMYK: converted to RGB without a color profile"


TURNS = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}  # fmt: skip
"""Turns that bring a stored picture upright, by its EXIF orientation (Exif 2.32, tag 274)."""


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("orientation", TURNS)
def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    blocks = np.kron(COLORS[:2, :3], np.ones((16, 16, 1), np.uint8))  # which JPEG keeps, but for rounding
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(blocks).save(path, exif=exif, **({"subsampling": 0} if suffix == ".jpg" else {}))
    array, report = told(path)
    expected = TURNS[orientation](blocks)
    assert array.shape == expected.shape
    assert np.abs(array.astype(int) - expected).max() <= (4 if suffix == ".jpg" else 0)
    assert report == ("" if orientation == 1 else f"EXIF orientation {orientation}: turned upright")


def test_damaged_exif_does_not_cost_the_picture(tmp_path: Path) -> None:
    Image.fromarray(COLORS).save(tmp_path / "a.png", exif=b"Exif\0\0no such thing")
    np.testing.assert_array_equal(told(tmp_path / "a.png")[0], COLORS)


@pytest.mark.parametrize("suffix", [".gif", ".tif"])
def test_of_several_pictures_the_first_is_taken(tmp_path: Path, suffix: str) -> None:
    first = np.zeros((4, 6, 3), np.uint8) + np.uint8(255)
    pages = [Image.fromarray(first), Image.fromarray(first // 2)]
    pages[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=pages[1:])
    array, report = told(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(array, first)
    assert "several pictures in one file: the first is taken" in report


def write_png(path: Path, width: int, height: int, rows: bytes, depth: int = 8, kind: int = 0) -> None:
    """Write a PNG chunk by chunk (PNG specification, section 5)."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; check the path"),
        (b"", "is empty; remove the file or copy it again"),
        (b"no picture", "not a picture of PNG, JPEG, TIFF, BMP, GIF, WEBP, PPM; copy it again"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture of PNG"),
        (b"II*\0\x08\0\0\0\xff\xff", "not a"),
    ],
)
def test_files_that_are_no_pictures(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError) as error:
        read_picture(tmp_path / "a.png")
    assert str(error.value).startswith(f"{tmp_path / 'a.png'}: ")
    assert message in str(error.value)
    assert str(error.value).isprintable()


def test_a_picture_beyond_the_limit(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", 40_000, 30_000, b"")
    with pytest.raises(InputError, match=r"a\.png: Image size \(1200000000 pixels\) exceeds limit .* into tiles"):
        read_picture(tmp_path / "a.png")


def test_more_pixels_than_the_file_can_hold(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", 10_000, 10_000, b"")
    with pytest.raises(InputError, match=r"a\.png: 10000 x 10000 pixels in \d+ bytes, more than any picture has"):
        read_picture(tmp_path / "a.png")


def test_a_large_picture_of_one_color_is_read(tmp_path: Path) -> None:
    """Of one bit a pixel, so in the fewest bytes that PNG needs."""
    Image.fromarray(np.zeros((4200, 4000), bool)).save(tmp_path / "a.png", compress_level=9)
    assert read_picture(tmp_path / "a.png")[0].shape == (4200, 4000, 3)


def test_a_tiff_that_lacks_rows(tmp_path: Path) -> None:
    """Its height, tag 257, is larger than its one strip says; Pillow would fill the rest with black."""
    Image.fromarray(COLORS).save(tmp_path / "a.tif")
    content = (tmp_path / "a.tif").read_bytes()
    height = struct.pack("<HHI", 257, 4, 1)
    assert content.count(height) == 1
    at = content.index(height) + len(height)
    (tmp_path / "a.tif").write_bytes(content[:at] + struct.pack("<I", 50) + content[at + 4 :])
    with pytest.raises(InputError, match=r"a\.tif: 7 x 50 pixels, of which 35 are there; it is damaged"):
        read_picture(tmp_path / "a.tif")


def test_decimal_numbers(tmp_path: Path) -> None:
    Image.fromarray(np.ones((3, 3), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif: a picture of decimal numbers; save it with 8 bits"):
        read_picture(tmp_path / "a.tif")


def test_numbers_of_more_than_16_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((3, 3), 70_000, np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif: gray from 70000 to 70000, more than 16 bits"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".gif", ".webp", ".bmp", ".ppm"])
def test_a_file_that_is_cut_off_is_read_whole_or_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RNG.integers(0, 256, (40, 60, 3)).astype(np.uint8)).save(path)
    whole, content = read_picture(path)[0], path.read_bytes()
    refused: list[str] = []
    for length in [*range(1, len(content), max(1, len(content) // 60)), len(content) - 1]:
        path.write_bytes(content[:length])
        try:
            np.testing.assert_array_equal(read_picture(path)[0], whole)
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 40
    assert all(message.startswith(f"{path}: ") and message.isprintable() for message in refused)
