"""Hold the labels of one scan as an annotation tool left them, or as one is to find them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError


@dataclass(frozen=True)
class Box:
    """A box of a class: ``center`` (3,) and ``size`` (3,) in the units of the scan, turned by ``turn`` (3, 3)."""

    name: str
    center: np.ndarray
    size: np.ndarray
    turn: np.ndarray

    @property
    def volume(self) -> float:
        return float(np.prod(self.size))

    def inside(self, coord: np.ndarray) -> np.ndarray:
        """Return the mask (P,) of the points (P, 3) float64 in the box."""
        own = (np.asarray(coord, dtype=np.float64) - self.center) @ self.turn
        return np.asarray((np.abs(own) <= self.size / 2).all(axis=1))


@dataclass(frozen=True)
class Annotation:
    """The labels of one scan.

    ``index`` (n,) int64: numbers of its labeled points, each once; ``value`` (n,) int64: their classes, an index into
    ``names``. A name is that of a class, or the number that stands for it, as text. ``unlabeled``: names that mean no
    label, unless a class is called so. ``count``: points of the annotated scan, where it is known; ``coord`` (count, 3)
    float64: where they are, where that is known. ``boxes`` hold further labels, for points without one of their own.
    """

    names: tuple[str, ...]
    index: np.ndarray
    value: np.ndarray
    unlabeled: frozenset[str] = frozenset()
    count: int | None = None
    coord: np.ndarray | None = None
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class LabeledScan:
    """P points to be handed to another tool: ``name`` is split/scene, ``coord`` (P, 3) float32 + ``origin`` (3,).

    ``color`` (P, 3) uint8 or None; ``labels`` (P,) int64, an index into ``classes`` or IGNORE.
    """

    name: str
    coord: np.ndarray
    origin: np.ndarray
    color: np.ndarray | None
    labels: np.ndarray
    classes: Classes

    @property
    def places(self) -> np.ndarray:
        """Coordinates (P, 3) float64 in the frame of the raw scan."""
        return self.coord.astype(np.float64) + self.origin

    def codes(self, most: int, unlabeled: int, where: object) -> np.ndarray:
        """Return the number (P,) int64 of the class of each point, ``unlabeled`` for none.

        Raises InputError, which begins with ``where``, for a class whose number is above ``most`` or is ``unlabeled``.
        """
        numbers = self.classes.to_codes(np.arange(len(self.classes)))
        for name, number in zip(self.classes.names, numbers.tolist(), strict=True):
            if number == unlabeled and (self.labels == IGNORE).any():
                raise InputError(
                    f"{where}: {name} has the number {number}, which means unlabeled there; give classes numbers "
                    "from 1 (ids: in classes.yaml)"
                )
            if not 0 <= number <= most:
                raise InputError(f"{where}: {name} has the number {number}, but the format holds 0 to {most}")
        return np.where(self.labels == IGNORE, unlabeled, numbers[self.labels])


def dense(
    values: np.ndarray,
    names: Mapping[int, str] | None,
    where: object,
    coord: np.ndarray | None = None,
    unlabeled: frozenset[str] = frozenset(),
) -> Annotation:
    """Return the annotation of a scan of P points with numbers ``values`` (P,); NaN and -1 mean no label.

    ``names``: what each number means; None: the number itself, as text. Raises InputError, which begins with ``where``,
    for a value that is no whole number or means nothing.
    """
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "biuf":
        raise InputError(f"{where}: its labels are no numbers ({numbers.dtype}); export them as numbers")
    if numbers.dtype.kind == "f":
        numbers = np.where(np.isnan(numbers), IGNORE, numbers)
        wrong = (numbers != np.rint(numbers)) | (np.abs(numbers) > 2**53)
        if wrong.any():
            at = int(wrong.argmax())
            raise InputError(f"{where}: label {numbers[at]:g} of point {at} is no whole number; name another column")
    index = np.flatnonzero(numbers != IGNORE)
    found, value = np.unique(numbers[index].astype(np.int64), return_inverse=True)
    texts = tuple(str(number) if names is None else names.get(number, "") for number in found.tolist())
    if "" in texts:
        raise InputError(
            f"{where}: label {found[texts.index('')]} is not among the classes it defines; export it again"
        )
    return Annotation(texts, index, value.reshape(-1), unlabeled, len(numbers), coord)
