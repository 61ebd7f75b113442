"""Colors: the range is that of nearly all values or the declared one, and packed numbers are read in every spelling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.formats.colors import color_to_uint8, read_color, unpack_rgb

COLORS = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(0, 256, (60, 3)))
SPREAD = {
    "bytes": lambda c: c.astype(np.uint8),
    "uint16 of 8 bits": lambda c: c.astype(np.uint16),
    "int64": lambda c: c.astype(np.int64),
    "16 bits": lambda c: c.astype(np.uint16) * 257,
    "LAS by 256": lambda c: c.astype(np.uint16) * 256,
    "whole floats": lambda c: c.astype(np.float32),
    "fractions": lambda c: (c / 255).astype(np.float32),
    "signed fractions": lambda c: (c / 127.5 - 1).astype(np.float32),
    "16-bit floats": lambda c: c * 257.0,
    "16-bit floats by 256": lambda c: c * np.float32(256),
}


@settings(deadline=None)
@given(
    COLORS,
    st.sampled_from(list(SPREAD)),
    st.integers(0, 59),
    st.sampled_from([40000, -9999, np.nan, np.inf, 1e30, 1.01]),
)
def test_one_stray_does_not_decide(colors: np.ndarray, kind: str, at: int, stray: float) -> None:
    values = SPREAD[kind](colors)
    colors[at], values[at] = 255, SPREAD[kind](np.array(255))
    np.testing.assert_array_equal(color_to_uint8(values, "here"), colors)
    if values.dtype.kind != "f":
        stray = int(np.clip(np.nan_to_num(stray), 0, min(2**62, np.iinfo(values.dtype).max)))
    top = float(values[at, 1])
    values[at, 1] = stray
    found, defects = read_color(values, "here")
    np.testing.assert_array_equal(np.delete(found, at, axis=0), np.delete(colors, at, axis=0))
    assert bool(defects) == (not 0 <= stray <= max(top, 65535 * (top > 255)))


@pytest.mark.parametrize("limits", [(0, 1023), (0, 4095), (0, 65535), (0, 1), (0, 255), (-1, 1), (16, 235)])
@pytest.mark.parametrize("whole", [False, True])
def test_declared_limits(limits: tuple[float, float], whole: bool) -> None:
    wanted = np.random.default_rng(0).integers(0, 256, (50, 3))
    values = limits[0] + wanted / 255 * (limits[1] - limits[0])
    if whole and limits[1] > 255:
        values = np.round(values).astype(np.uint16)
    found, defects = read_color(values, "here", limits)
    np.testing.assert_array_equal(found, wanted)
    assert not defects


def test_limits_far_from_all_values_are_ignored() -> None:
    values = np.random.default_rng(0).integers(0, 256, (50, 3)).astype(np.uint16)
    found, defects = read_color(values, "here", (0, 65535))
    assert (found == values).all()
    assert "read as 8 bits" in str(defects[0])
    assert (read_color(values, "here", (0, 0))[0] == values).all()


def test_no_color_here_and_there() -> None:
    values = np.random.default_rng(0).random((100, 3))
    values[7] = -1
    found, defects = read_color(values, "here")
    np.testing.assert_array_equal(found, np.round(np.clip(values, 0, 1) * 255))
    assert "1 points have a color outside 0 to 1 (first: point 7, -1 -1 -1)" in str(defects[0])


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_colors_of_two_ranges_are_refused(share: float) -> None:
    values = np.random.default_rng(0).integers(1, 256, (100, 3)).astype(np.uint16)
    values[: int(100 * share)] *= 257
    with pytest.raises(InputError, match="here: colors run from 4 to 65535"):
        read_color(values, "here")


def test_dark_sixteen_bits_are_reported() -> None:
    assert "reach only 4000" in str(read_color(np.full((9, 3), 4000, np.uint16), "here")[1][0])


@settings(deadline=None)
@given(COLORS, st.booleans())
def test_packed_numbers_of_every_spelling(colors: np.ndarray, alpha: bool) -> None:
    bits = (colors[:, 0] << 16 | colors[:, 1] << 8 | colors[:, 2] | (0xFF000000 if alpha else 0)).astype(np.uint32)
    for values in (
        bits,
        bits.view(np.int32),
        bits.astype(np.int64),
        bits.astype(np.uint64),
        bits.view(np.float32),
        bits.astype(np.float64),
        bits.view(np.int32).astype(np.float64),
        *(() if alpha else (bits.astype(np.float32), bits.view(np.float32).astype(np.float64))),
    ):
        found, defects = unpack_rgb(values, "here")
        np.testing.assert_array_equal(found, colors)
        assert not defects


def test_invalid_packed_colors_are_refused() -> None:
    for values in (
        np.array([0.5, 0.25]),
        np.array([16711680.0, 0.5]),
        np.array([2**40]),
        np.array([1, 2], np.uint8),
        np.array([1e20]),
    ):
        with pytest.raises(InputError, match="here: rgb"):
            unpack_rgb(values, "here")
    found, defects = unpack_rgb(np.array([16711680.0, np.nan]), "here")
    assert found.tolist() == [[255, 0, 0], [0, 0, 0]]
    assert "1 points have an rgb that is no number" in str(defects[0])
    assert unpack_rgb(np.zeros(2, np.float32), "here")[0].tolist() == [[0, 0, 0]] * 2
