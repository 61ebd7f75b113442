"""Read the elements after the header of a PLY file; rows that are binary and of equal size are memory-mapped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.ascii_rows import read_rows, skip_rows
from pcseg.formats.ply_header import Element, Order, Property


@dataclass
class Body:
    """A position in ``data`` (bytes, uint8), all after the header: ``at`` in bytes, ``line`` of the file if it is text.

    ``order`` of bytes is "<", ">" or "" for text. Elements are read or skipped one after another.
    """

    path: Path
    data: np.ndarray
    order: Order
    line: int
    at: int = 0

    @property
    def rest(self) -> np.ndarray:
        return self.data[self.at :]

    def skip(self, element: Element) -> None:
        """Move behind an element; raises InputError if the file ends before."""
        if self.order:
            self.read(element, alone=False)
            return
        stop, lines = skip_rows(self.rest, element.count)
        self.at, self.line = self.at + stop, self.line + lines

    def read(self, element: Element, alone: bool) -> dict[str, np.ndarray]:
        """Return the columns (count,) of an element; lists only if all have the same length, as (count, length).

        ``alone``: nothing follows it. Raises InputError if the file holds fewer rows, or anything but numbers.
        """
        columns = self.alike(element, alone)
        if columns is not None:
            return columns
        return self._walk(element) if self.order else self._split(element)

    def alike(self, element: Element, alone: bool = False) -> dict[str, np.ndarray] | None:
        """Return the same, faster, if the lists of all rows are as long as those of the first; else None, and do not
        move.
        """
        if not element.count or not element.properties:
            return {p.name: np.empty(0, p.kind) for p in element.properties}
        if self.order:
            space = len(self.data) - self.at
            if element.count * element.least > space:
                raise self.too_few(element, space // element.least)
            kind = np.dtype([(str(i), k) for i, k in enumerate(self._kinds(element, self._row(self.at, element)[1]))])
            size = element.count * kind.itemsize
            if size > space:
                return None
            table = self.data[self.at : self.at + size].view(kind)
            values = [_native(table[name]) for name in kind.names or ()]
        else:
            rows = self.rest[: skip_rows(self.rest, 1)[0]].tobytes().split()
            first = _parts(rows, element) if element.lists else ([], [])
            if first is None:
                return None
            kinds = self._kinds(element, [len(words) for words in first[1]])
            flat = [k.base for k in kinds for _ in range(int(np.prod(k.shape)))]
            try:
                found, size = read_rows(self.rest, element.count, flat, str(self.path), self.line, alone)
            except InputError:
                if element.lists:
                    return None
                raise
            values, left = [], iter(found)
            for k in kinds:
                if not k.shape:
                    values.append(next(left))
                    continue
                part = [next(left) for _ in range(k.shape[0])]
                values.append(np.stack(part, axis=1) if part else np.empty((element.count, 0), k.base))
        columns, parts = {}, iter(values)
        for p in element.properties:
            if p.length is not None and np.ptp(next(parts)):
                return None
            columns[p.name] = next(parts)
        self.at, self.line = self.at + size, self.line + element.count
        return columns

    def _kinds(self, element: Element, lengths: list[int]) -> list[np.dtype]:
        """Return the types of the numbers of a row whose lists have these ``lengths``."""
        kinds, left = [], iter(lengths)
        for p in element.properties:
            kind = p.kind.newbyteorder(self.order or "=") if self.order else _wide(p)
            if p.length is None:
                kinds.append(kind)
            else:
                kinds += [p.length.newbyteorder(self.order or "="), np.dtype((kind, (next(left),)))]
        return kinds

    def _row(self, at: int, element: Element) -> tuple[int, list[int], list[int]]:
        """Return the end of the binary row at byte ``at``, the length of each list, and the start of each property."""
        lengths, begins = [], []
        little = self.order == "<"
        for p in element.properties:
            begins.append(at)
            if p.length is None:
                at += p.kind.itemsize
                continue
            word = self.data[at : at + p.length.itemsize].tobytes()
            length = int.from_bytes(word, "little" if little else "big", signed=p.length.kind == "i")
            at += p.length.itemsize + length * p.kind.itemsize
            if length < 0 or at > len(self.data):
                raise InputError(
                    f"{self.path}: a list '{p.name}' of {length} numbers in element {element.name}, more "
                    "than the file holds; it is damaged or cut off, copy it again"
                )
            lengths.append(length)
        return at, lengths, begins

    def _walk(self, element: Element) -> dict[str, np.ndarray]:
        """Return the columns of binary rows whose lists differ in length, found row by row."""
        begins = np.empty((element.count, len(element.properties)), np.int64)
        at = self.at
        for row in range(element.count):
            if at + element.least > len(self.data):
                raise self.too_few(element, row)
            at, _, begins[row] = self._row(at, element)
        self.at = at
        columns = {}
        for p, starts in zip(element.properties, begins.T, strict=True):
            if p.length is None:
                places = starts[:, None] + np.arange(p.kind.itemsize)
                values = self.data[places].view(p.kind.newbyteorder(self.order or "=")).reshape(-1)
                columns[p.name] = _native(values)
        return columns

    def _split(self, element: Element) -> dict[str, np.ndarray]:
        """Return the columns of rows of text whose lists differ in length."""
        stop, lines = skip_rows(self.rest, element.count)
        rows = [_parts(words, element) for line in self.rest[:stop].tobytes().split(b"\n") if (words := line.split())]
        if len(rows) < element.count:
            raise self.too_few(element, len(rows))
        if None in rows:
            raise InputError(
                f"{self.path}: row {rows.index(None) + 1} of element {element.name}, from line {self.line} on, does "
                "not hold "
                "the properties that the header declares; fix or remove it"
            )
        text = b"\n".join(b" ".join(row[0]) for row in rows if row is not None)
        plain = [p for p in element.properties if p.length is None]
        columns: list[np.ndarray] = []
        if plain:
            columns, _ = read_rows(
                np.frombuffer(text, np.uint8), element.count, [_wide(p) for p in plain], str(self.path), self.line
            )
        self.at, self.line = self.at + stop, self.line + lines
        return dict(zip((p.name for p in plain), columns, strict=True))

    def too_few(self, element: Element, held: int) -> InputError:
        return InputError(
            f"{self.path}: declares {element.count} rows of element {element.name} (line {element.line}), but holds "
            f"{held}; it is cut off, copy it again"
        )


def _wide(p: Property) -> np.dtype:
    """Return the type to read text as: coordinates keep all digits, whatever the header declares."""
    return np.dtype(np.float64) if p.name.lower() in ("x", "y", "z") and p.kind.kind == "f" else p.kind


def _native(values: np.ndarray) -> np.ndarray:
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def _parts(words: list[bytes], element: Element) -> tuple[list[bytes], list[list[bytes]]] | None:
    """Return the single numbers and the lists of a row of text; None if they do not fit."""
    at = 0
    plain: list[bytes] = []
    lists: list[list[bytes]] = []
    try:
        for p in element.properties:
            if p.length is None:
                plain.append(words[at])
                at += 1
                continue
            if at == len(words):  # a missing list counts as empty
                lists.append([])
                continue
            length = int(float(words[at]))
            lists.append(words[at + 1 : at + 1 + length])
            if length < 0 or len(lists[-1]) < length:
                return None
            at += 1 + length
    except (ValueError, IndexError, OverflowError):
        return None
    return (plain, lists) if at == len(words) else None
