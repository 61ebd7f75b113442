"""Choice of the tile of a kernel: the first candidate, or, where PCSEG_TUNE=1, the fastest of up to 16.

Tuning compiles and times the candidates at the first use of each shape: seconds a shape, minutes a network, and memory
to clear the GPU's cache between runs (triton.testing.do_bench). The choice is stored in Triton's cache folder, one JSON
file each, so later runs on the same machine repeat it. The tile decides the order of sums, so another choice may change
last bits: under ``torch.use_deterministic_algorithms(True)`` nothing is timed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
import triton
from torch import Tensor
from triton.errors import TritonError
from triton.runtime.cache import get_cache_manager
from triton.testing import do_bench


class Tile(NamedTuple):
    """The part of the result that one program computes: ``rows`` x ``columns``, ``depth`` terms of the sums at a time.

    ``width``: number of offsets that share an order of rows (1 where rows are not sorted); ``warps`` and ``stages`` are
    Triton's. A row is loaded after its number: with 3 stages Triton keeps one of each load in flight, with 5 two.
    """

    rows: int
    columns: int
    depth: int
    width: int
    warps: int
    stages: int

    def launch(self) -> dict[str, int]:
        """Return the arguments of a launch; multiply-adds are fused whatever Triton's default is."""
        sizes = {"ROWS": self.rows, "COLUMNS": self.columns, "DEPTH": self.depth}
        return {**sizes, "num_warps": self.warps, "num_stages": self.stages, "enable_fp_fusion": True}


@functools.cache
def conv_tiles(k: int, cin: int, cout: int, itemsize: int) -> tuple[Tile, ...]:
    """Return candidates for a convolution of K offsets.

    Wide groups of offsets write the output less often, narrow groups multiply fewer absent neighbors.
    """
    depth = _sides(cin, 128 // itemsize)[0]
    widths = [min(k, 32), *([9] if k > 9 else [])]
    return tuple(_tile(*sizes) for sizes in product((64, 128), _sides(cout, 128), (depth,), widths, (3, 5)))


@functools.cache
def weight_grad_tiles(cin: int, cout: int, itemsize: int) -> tuple[Tile, ...]:
    """Return candidates for a weight gradient: rows are input channels, columns output channels, terms are pairs."""
    sides = (_sides(cin, 64), _sides(cout, 128), (128 // itemsize,))
    return tuple(_tile(*sizes) for sizes in product(*sides, (1,), (3, 5)))


def choose(key: tuple[object, ...], candidates: Sequence[Tile], place: Tensor, run: Callable[[Tile], object]) -> Tile:
    """Return the fastest of ``candidates`` for ``key`` on the GPU of ``place``; ``run`` computes with a given tile.

    Returns the first where it is the only one, tuning is not asked for, algorithms must be deterministic, or ``place``
    is on the CPU (Triton's interpreter), where nothing can be timed.
    """
    tuned = os.environ.get("PCSEG_TUNE") == "1" and not torch.are_deterministic_algorithms_enabled()
    if len(candidates) == 1 or not place.is_cuda or not tuned:
        return candidates[0]
    here = (place.device, *key)
    if here not in _chosen:
        name = json.dumps([torch.cuda.get_device_name(place.device), triton.__version__, *map(str, key), candidates])
        _chosen[here] = _read(name, candidates) or _tune(name, candidates, place, run)
    return _chosen[here]


_chosen: dict[tuple[object, ...], Tile] = {}


def _tune(name: str, candidates: Sequence[Tile], place: Tensor, run: Callable[[Tile], object]) -> Tile:
    with torch.cuda.device_of(place):  # do_bench times the current GPU
        times = {tile: _time(run, tile) for tile in candidates}
    best = min(times, key=times.__getitem__)
    return _write(name, best) if times[best] < math.inf else best


def _time(run: Callable[[Tile], object], tile: Tile) -> float:
    """Return the median time in milliseconds; infinity where the tile does not compile for this GPU or does not fit."""
    try:
        return do_bench(lambda: run(tile), warmup=5, rep=20, return_mode="median")
    except TritonError:
        return math.inf


def _folder(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _read(name: str, candidates: Sequence[Tile]) -> Tile | None:
    with suppress(OSError, ValueError, TypeError):
        path = get_cache_manager(_folder(name)).get_file("tile.json")
        if path is not None:
            tile = Tile(*json.loads(Path(path).read_text()))
            return tile if tile in candidates else None
    return None


def _write(name: str, tile: Tile) -> Tile:
    with suppress(OSError):  # a read-only folder costs one tuning per process, nothing else
        get_cache_manager(_folder(name)).put(json.dumps(tile), "tile.json", binary=False)
    return tile


def _sides(channels: int, most: int) -> list[int]:
    """Return sides of a tile, powers of two from 16 (the minimum of tl.dot) to ``most``.

    The first pads ``channels`` least, the second (if it differs) covers all of them.
    """
    least = min(max(channels & -channels, 16), most)
    whole = min(max(triton.next_power_of_2(channels), 16), most)
    return [least] if whole == least else [least, whole]


def _tile(rows: int, columns: int, depth: int, width: int, stages: int) -> Tile:
    return Tile(rows, columns, depth, width, 8 if rows * columns >= 128 * 128 else 4, stages)
