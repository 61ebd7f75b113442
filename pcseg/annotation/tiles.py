"""Cut a scan that is too large to be held into tiles, squares of x and y, in one copy that is read part by part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.annotation.array_files import begin_array, read_rows
from pcseg.annotation.chunks import ROWS, Piece, origin_of, read_pieces
from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json, write_json
from pcseg.formats.colors import STRAY, read_color
from pcseg.scenes.origin import FAR, strays
from pcseg.scenes.scene import Scene

CELLS = 1024
"""Squares along a side of the scan in which points are counted; no tile is smaller than one."""

VERSION = 1

ARRAYS = {"coord": "<f4", "color": "|u1", "intensity": "<f4"}
"""The columns that are copied, with their types."""


@dataclass(frozen=True)
class Tiles:
    """A scan of P points, copied to ``folder``, where each of its points belongs to one tile.

    Points keep the numbers that they have in the whole scan. ``about``: what tiles.json says: points, sha256, origin,
    and of each tile its number of points and its square.
    """

    folder: Path
    about: dict[str, Any]

    @property
    def identity(self) -> tuple[int, str]:
        """How many points the whole scan has, and its Scene.digest()."""
        return self.about["points"], self.about["sha256"]

    @property
    def names(self) -> list[str]:
        """What tells the tiles apart: their numbers and where their squares begin, in meters from that of all."""
        whole = np.min([tile["corner"] for tile in self.about["tiles"]], axis=0)
        places = [np.array(tile["corner"]) - whole for tile in self.about["tiles"]]
        return [f"tile {n} (x {x:.4g}, y {y:.4g})" for n, (x, y) in enumerate(places, 1)]

    def check(self) -> None:
        """Raise InputError where the copy is another by now: cut anew, for other tiles or since the scan changed."""
        try:
            found = read_json(self.folder / "tiles.json")
        except InputError:
            found = None
        if found != self.about:
            raise InputError(f"{self.folder}: was cut into tiles anew; start tools/annotate.py again")

    def check_source(self) -> None:
        """Raise InputError where the scan itself is another than the one that was copied."""
        stat = _newest(Path(self.about["source"])).stat()
        if (stat.st_size, stat.st_mtime_ns) != (self.about["size"], self.about["changed"]):
            raise InputError(f"{self.about['source']}: has changed since it was opened; start tools/annotate.py again")

    def array(self, name: str) -> np.ndarray | None:
        """Return a column of the whole scan, memory-mapped; None if it has none of this name."""
        self.check()
        path = self.folder / f"{name}.npy"
        return np.load(path, mmap_mode="r") if path.is_file() else None

    def scene(self, name: str, classes: tuple[str, ...]) -> Scene:
        """Return the whole scan, memory-mapped."""
        return self._scene(name, classes, {each: self.array(each) for each in ARRAYS})

    def tile(self, number: int, name: str, classes: tuple[str, ...]) -> tuple[Scene, np.ndarray]:
        """Return the points of a tile as a scene, and their numbers (n,) in the whole scan, ascending."""
        self.check()
        count = self.about["tiles"][number]["points"]
        numbers, found = np.empty(count, dtype=np.int64), dict[str, np.ndarray | None]()
        at = 0
        for start in range(0, self.about["points"], ROWS):
            rows = start + np.flatnonzero(read_rows(self.folder / "tile.npy", start) == number)
            for column in ARRAYS:
                if len(rows) and (self.folder / f"{column}.npy").is_file():
                    values = read_rows(self.folder / f"{column}.npy", start)[rows - start]
                    if found.get(column) is None:
                        found[column] = np.empty((count, *values.shape[1:]), dtype=values.dtype)
                    found[column][at : at + len(rows)] = values  # type: ignore[index]
            numbers[at : at + len(rows)] = rows
            at += len(rows)
        self.check()
        return self._scene(name, classes, found), numbers

    def tile_of(self, points: np.ndarray) -> np.ndarray:
        """Return the tiles (n,) of points by their numbers (n,)."""
        array = self.array("tile")
        assert array is not None
        return np.asarray(array[points])

    def _scene(self, name: str, classes: tuple[str, ...], arrays: dict[str, np.ndarray | None]) -> Scene:
        attributes = {each: values for each, values in arrays.items() if values is not None and each != "coord"}
        assert arrays["coord"] is not None
        return Scene(arrays["coord"], attributes, name, np.array(self.about["origin"]), classes)


def cut(path: Path, folder: Path, most: int, scale: float = 1) -> Tiles:
    """Return the scan at ``path`` as tiles of about ``most`` points or fewer, copied to ``folder`` if they are not yet.

    The scan is read three times, piece by piece. The copy takes up to 21 bytes a point. Raises InputError where the
    scan cannot be read or the copy not be written.
    """
    newest = _newest(path)
    key = {"version": VERSION, "source": str(path), "size": newest.stat().st_size, "most": most, "scale": scale}
    key["changed"] = newest.stat().st_mtime_ns
    if (folder / "tiles.json").is_file() and key.items() <= (about := read_json(folder / "tiles.json")).items():
        return Tiles(folder, about)
    measured = _Measured(path, scale)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        digest, filled = _copy(temporary, measured, read_pieces(path, scale))
        squares, owner = _squares(filled, most)
        counts = _assign(temporary, measured, owner, len(squares))
        low = measured.low[:2] - measured.origin[:2]
        tiles = [
            {"corner": [float(v) for v in low + np.array(corner) * measured.side / CELLS], "points": int(count),
             "side": float(size * measured.side / CELLS)}
            for (*corner, size), count in zip(squares, counts, strict=True)
        ]  # fmt: skip
        origin = [float(v) for v in measured.origin + origin_of(path)]
        about = key | {"points": measured.count, "sha256": digest, "origin": origin, "tiles": tiles}
        write_json(temporary / "tiles.json", about)
    return Tiles(folder, about)


def _newest(path: Path) -> Path:
    """Return the file that tells whether a scan has changed."""
    return path if path.is_file() else path / "coord.npy"


class _Measured:
    """What must be known of a whole scan before it is copied: bounds, origin, and the range of its colors."""

    def __init__(self, path: Path, scale: float) -> None:
        self.count, self.path = 0, path
        lows, highs, bright, colored = [], [], 0, 0
        slabs: list[set[int]] = [set(), set(), set()]
        self.columns: dict[str, np.ndarray] = {}
        for piece in read_pieces(path, scale):
            if not len(piece["coord"]):
                continue
            self.columns = {name: values[:0] for name, values in piece.items()}
            self.count += len(piece["coord"])
            coord = piece["coord"].astype(np.float64, copy=False)
            lows.append(coord.min(axis=0))
            highs.append(coord.max(axis=0))
            for axis in range(3):
                slabs[axis].update(np.unique(np.floor(coord[:, axis] / (FAR / 2))).astype(np.int64).tolist())
            if "color" in piece and piece["color"].dtype.itemsize > 1:
                bright += int((piece["color"] > 256).sum())
                colored += int((piece["color"] != 0).sum())
        if self.count < 2:
            raise InputError(f"{path}: fewer than 2 points; remove it")
        self.low, self.high = np.min(lows, axis=0), np.max(highs, axis=0)
        if not all(len(found) > max(found) - min(found) for found in slabs):  # there may be points far from the others
            coord = np.concatenate([piece["coord"] for piece in read_pieces(path, scale)])
            near = coord[~strays(coord)]
            self.low, self.high = near.min(axis=0).astype(np.float64), near.max(axis=0).astype(np.float64)
        self.limits = (0.0, 65535.0) if bright > STRAY * colored else (0.0, 255.0)
        far = max(-self.low.min(), self.high.max()) > FAR and self.columns["coord"].dtype != np.float32
        self.origin = np.floor(self.low) if far else np.zeros(3)
        self.side = max(float((self.high - self.low)[:2].max()), 1e-3)

    def near(self, piece: Piece) -> Piece:
        """Return a piece as it is stored."""
        kind, found = piece["coord"].dtype, dict[str, np.ndarray]()
        coord = piece["coord"] if kind == np.float32 else piece["coord"].astype(np.float64) - self.origin
        found["coord"] = coord.astype(np.float32)
        if "color" in piece:
            whole = piece["color"].dtype.kind in "iu"
            found["color"] = read_color(piece["color"], str(self.path), self.limits if whole else None)[0]
        if "intensity" in piece:
            found["intensity"] = piece["intensity"].astype(np.float32)
        return found

    def cells(self, coord: np.ndarray) -> np.ndarray:
        """Return the cells (n, 2) of stored coordinates; what lies outside counts to the cells at the rim."""
        place = (coord[:, :2] - (self.low - self.origin)[:2]) * (CELLS / self.side)
        return np.clip(np.floor(place), 0, CELLS - 1).astype(np.int64)


def _copy(folder: Path, measured: _Measured, pieces: Iterator[Piece]) -> tuple[str, np.ndarray]:
    """Copy all points; return the digest of their coordinates, and the number of points in each cell."""
    digest, filled = hashlib.sha256(), np.zeros(CELLS * CELLS, dtype=np.int64)
    with ExitStack() as stack:
        streams = {name: stack.enter_context(open(folder / f"{name}.npy", "wb")) for name in measured.columns}
        for name, stream in streams.items():
            begin_array(stream, ARRAYS[name], (measured.count, *measured.columns[name].shape[1:]))
        for piece in pieces:
            found = measured.near(piece)
            for name, stream in streams.items():
                stream.write(np.ascontiguousarray(found[name]).tobytes())
            digest.update(np.ascontiguousarray(found["coord"]).tobytes())
            x, y = measured.cells(found["coord"]).T
            filled += np.bincount(x * CELLS + y, minlength=CELLS * CELLS)
    if filled.sum() != measured.count:
        raise InputError(f"{measured.path}: has changed while it was read; start again")
    return digest.hexdigest(), filled.reshape(CELLS, CELLS)


def _squares(filled: np.ndarray, most: int) -> tuple[list[tuple[int, int, int]], np.ndarray]:
    """Return squares (corner x, corner y, size) of cells with at most ``most`` points, and the square of each cell."""
    squares: list[tuple[int, int, int]] = []
    owner, waiting = np.zeros(filled.shape, dtype=np.uint16), [(0, 0, CELLS)]
    while waiting:
        x, y, size = waiting.pop(0)
        inside = int(filled[x : x + size, y : y + size].sum())
        if inside > most and size > 1:
            half = size // 2
            waiting += [(x + i, y + j, half) for j in (0, half) for i in (0, half)]
        elif inside:
            if len(squares) > np.iinfo(np.uint16).max:
                raise InputError(f"tile={most}: makes more than {len(squares):,} tiles; give more points to a tile")
            owner[x : x + size, y : y + size] = len(squares)
            squares.append((x, y, size))
    return squares, owner


def _assign(folder: Path, measured: _Measured, owner: np.ndarray, count: int) -> np.ndarray:
    """Write the tile of each point, and return the number of points of each tile."""
    counts = np.zeros(count, dtype=np.int64)
    with open(folder / "tile.npy", "wb") as stream:
        begin_array(stream, "<u2", (measured.count,))
        for start in range(0, measured.count, ROWS):
            x, y = measured.cells(read_rows(folder / "coord.npy", start)).T
            stream.write(owner[x, y].tobytes())
            counts += np.bincount(owner[x, y], minlength=count)
    return counts
