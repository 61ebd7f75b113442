"""Turn the numbers of points in a tile into those in the whole scan, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np

Value = TypeVar("Value")


class Numbers:
    """The numbers (n,) in the whole scan, ascending, of the points of a tile; None where all points are here."""

    def __init__(self, numbers: np.ndarray | None) -> None:
        self._numbers = numbers

    @property
    def rows(self) -> np.ndarray | slice:
        """What picks the points here of an array of the whole scan."""
        return slice(None) if self._numbers is None else self._numbers

    def whole(self, points: Iterable[int]) -> list[int]:
        """Return the numbers in the whole scan of points by their numbers here."""
        if self._numbers is None:
            return list(points)
        found: list[int] = self._numbers[np.fromiter(points, dtype=np.int64)].tolist()
        return found

    def within(self, values: Mapping[int, Value]) -> dict[int, Value]:
        """Return, of values by numbers in the whole scan, those of points that are here, by their numbers here."""
        if self._numbers is None:
            return dict(values)
        wanted = np.fromiter(values, dtype=np.int64, count=len(values))
        at = np.minimum(np.searchsorted(self._numbers, wanted), len(self._numbers) - 1)
        here = (self._numbers[at] == wanted).tolist()
        return {point: value for point, value, found in zip(at.tolist(), values.values(), here, strict=True) if found}
