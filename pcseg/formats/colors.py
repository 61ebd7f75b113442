"""Convert colors of any kind to three bytes: fractions, 8 and 16 bits, declared limits, and packed into one number."""

from __future__ import annotations

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.defects import Defect

STRAY = 0.1
"""Share of the nonzero values that may lie outside an accepted range; they are clipped and reported."""

_ROWS = 1 << 18  # converted at a time
_FRACTIONS = ((0.0, 1.0), (0.0, 255.0), (0.0, 65535.0))


def color_to_uint8(values: np.ndarray, where: str) -> np.ndarray:
    """Return colors (P, 3) of any range as uint8, without a report of clipped values; see ``read_color``."""
    return read_color(values, where)[0]


def read_color(
    values: np.ndarray, where: str, limits: tuple[float, float] | None = None
) -> tuple[np.ndarray, tuple[Defect, ...]]:
    """Return colors (P, 3) of any range as uint8, and a report of what was changed.

    The range is the declared ``limits``, else the one that holds nearly all values (see STRAY): 0 to 1 or -1 to 1
    (floats only), 0 to 255, or 0 to 65535. Of 16 bits the upper 8 are taken: writers multiply bytes by 256 or by 257,
    and both come back exactly. Single values outside the range are clipped and NaN becomes 0; both are reported.
    Raises InputError if no range holds nearly all values, or if two might.
    """
    if values.dtype.kind not in "biuf":
        raise InputError(f"{where}: colors of type {values.dtype}; give numbers")
    if values.size == 0:
        return values.astype(np.uint8), ()
    defects: list[Defect] = []
    if values.dtype == np.int8:
        values = values.view(np.uint8)
    elif values.dtype == np.bool_:
        values = values.astype(np.float32)
    if values.dtype == np.uint8 and limits in (None, (0, 255)):
        return values, ()
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        unreadable = int((~np.isfinite(values)).any(axis=1).sum())
        defects.append(Defect(where, None, f"{unreadable} points have a color that is no finite number", "read as 0"))
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = _declared(values, where, limits, defects) or _measured(values, where, defects)
    slack = 1e-5 * (high - low)  # rounding errors are not reported
    outside = ((values < low - slack) | (values > high + slack)).any(axis=1)
    if outside.any():
        first = int(outside.argmax())
        said = f"{int(outside.sum())} points have a color outside {low:g} to {high:g} (first: point {first}, "
        defects.append(Defect(where, None, f"{said}{_spelled(values[first])})", "clipped"))
    found = np.empty(values.shape, np.uint8)
    for at in range(0, len(values), _ROWS):
        piece = np.clip(values[at : at + _ROWS], low, high)
        if (low, high) == (0, 65535):
            piece = piece // 256
        elif (low, high) != (0, 255):
            piece = (piece - low) * (255 / (high - low))
        found[at : at + _ROWS] = np.round(piece).astype(np.uint8)
    return found, tuple(defects)


def unpack_rgb(values: np.ndarray, where: str) -> tuple[np.ndarray, tuple[Defect, ...]]:
    """Return colors (P,) packed as 0xRRGGBB, the top byte unused or alpha, as uint8 (P, 3), and a report of what was
    changed.

    Takes all spellings that tools write: an integer type, whole numbers in a float column (give text as float64, since
    float32 cannot hold a top byte), and numbers whose bits as float32 are the color. NaN written as text becomes black
    and is reported. Raises InputError for other values.
    """
    if values.dtype.kind in "iu" and values.dtype.itemsize >= 4:
        return _bytes(_whole(values, where)), ()
    if values.dtype.kind != "f":
        raise InputError(f"{where}: rgb as {values.dtype} cannot hold three bytes; write red, green and blue")
    used = values[np.isfinite(values) & (values != 0)]
    whole = (used == np.rint(used)) & (used >= -(2.0**31)) & (used < 2.0**32)
    ordinary = (np.abs(used) > 1e-30) & (
        np.abs(used) < 1e30
    )  # packed bits are smaller than these, or with alpha 255 larger or NaN
    if used.size and whole.all():
        unreadable = ~np.isfinite(values)
        found = f"{int(unreadable.sum())} points have an rgb that is no number"
        numbers = np.where(unreadable, 0, values).astype(np.int64)
        return _bytes(_whole(numbers, where)), (Defect(where, None, found, "read as 0"),) * bool(unreadable.any())
    if ordinary.any():
        others = used[ordinary & ~whole] if (ordinary & ~whole).any() else used[ordinary]
        raise InputError(f"{where}: rgb holds {others[0]:g}, which is no packed color; write red, green and blue")
    with np.errstate(over="ignore"):
        return _bytes(values.astype(np.float32).view(np.uint32)), ()


def _declared(
    values: np.ndarray, where: str, limits: tuple[float, float] | None, defects: list[Defect]
) -> tuple[float, float] | None:
    if limits is None or not (np.isfinite(limits).all() and limits[0] < limits[1]):
        return None
    low, high = float(limits[0]), float(limits[1])
    top = float(values.max())
    if high >= 65535 and 1 < top <= 255:
        defects.append(Defect(where, None, f"colors declared as {low:g} to {high:g} reach {top:g}", "read as 8 bits"))
        return 0.0, 255.0
    return low, high


def _measured(values: np.ndarray, where: str, defects: list[Defect]) -> tuple[float, float]:
    """Return the range of ``values`` (P, 3): the smallest that holds nearly all of them."""
    used = values[values != 0]
    if not used.size:
        return 0.0, 255.0
    least, most = float(used.min()), float(used.max())
    fractions = values.dtype.kind == "f" and (most <= 1 or bool((used != np.rint(used)).any()))
    if fractions and _signed(values, used):
        return -1.0, 1.0
    for low, high in _FRACTIONS[0 if fractions else 1 :]:
        outside = float(((used < low - 1 / 255) | (used > high * (1 + 1 / 255))).mean())
        if outside <= STRAY:
            if high == 65535 and most < 4096:
                found = f"colors of more than 8 bits reach only {most:g}"
                defects.append(Defect(where, None, found, "read as parts of 65535, which is dark"))
            return low, high
        if outside < 0.5:  # neither this range nor a larger one
            break
    raise InputError(
        f"{where}: colors run from {least:g} to {most:g}; give all from 0 to 1, 0 to 255 or 0 to 65535, or leave them "
        "out"
    )


def _signed(values: np.ndarray, used: np.ndarray) -> bool:
    """Return whether fractions run from -1 to 1, rather than from 0 to 1 with a few -1 for no color."""
    negative = float((used < -1 / 255).mean())
    if negative == 0 or float((np.abs(used) > 1 + 1 / 255).mean()) > STRAY:
        return False
    steps = (values + 1) * 127.5  # whole numbers if bytes were scaled to -1 to 1
    return negative > STRAY or float((np.abs(steps - np.round(steps)) < 0.01).mean()) > 1 - STRAY


def _whole(values: np.ndarray, where: str) -> np.ndarray:
    """Return whole numbers (P,) as their lowest 32 bits; raises InputError if one has more."""
    numbers = values.astype(np.int64)
    if numbers.size and (numbers.min() < -(2**31) or numbers.max() >= 2**32):
        raise InputError(
            f"{where}: rgb holds {values.max()}, more than three bytes and alpha; write red, green and blue"
        )
    return (numbers & 0xFFFFFFFF).astype(np.uint32)


def _bytes(bits: np.ndarray) -> np.ndarray:
    return np.stack([(bits >> shift & 255).astype(np.uint8) for shift in (16, 8, 0)], axis=1)


def _spelled(color: np.ndarray) -> str:
    return " ".join(f"{value:g}" for value in color)
