"""The choice of a tile: where asked for, the fastest, timed once, stored in the process and on disk."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is not installed", allow_module_level=True)

from triton.errors import TritonError

from pcseg.ops.triton import tuning
from pcseg.ops.triton.tuning import Tile, choose, conv_tiles, weight_grad_tiles

TIME = tuning._time
TILES = [Tile(64, side, 16, 27, 4, 3) for side in (16, 32, 64)]


class OnGpu:
    """Stand-in for a tensor on a GPU."""

    is_cuda, device = True, "cuda"

    def get_device(self) -> int:
        return -1


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Tile]:
    """Return the list of tiles that were timed, in order; those of 32 columns are the fastest."""
    asked: list[Tile] = []

    def time(run: object, tile: Tile) -> float:
        asked.append(tile)
        return {16: math.inf, 32: 1.0, 64: 2.0}[tile.columns]

    monkeypatch.setattr(tuning, "_time", time)
    monkeypatch.setattr(tuning, "_chosen", {})
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PCSEG_TUNE", "1")
    return asked


def test_the_fastest_is_taken_and_remembered(timed: list[Tile], monkeypatch: pytest.MonkeyPatch) -> None:
    place = OnGpu()
    assert choose(("conv", 7), TILES, place, print) == TILES[1]  # type: ignore[arg-type]
    assert choose(("conv", 7), TILES, place, print) == TILES[1]  # type: ignore[arg-type]
    assert timed == TILES
    choose(("conv", 8), TILES, place, print)  # type: ignore[arg-type]
    assert timed == TILES * 2
    monkeypatch.setattr(tuning, "_chosen", {})  # another process
    assert choose(("conv", 7), TILES, place, print) == TILES[1]  # type: ignore[arg-type]
    assert timed == TILES * 2


def test_tiles_that_do_not_compile_are_not_taken(
    timed: list[Tile], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken: list[Tile] = TILES[:2]

    def run(tile: Tile) -> None:
        if tile in broken:
            raise TritonError

    def bench(timed_run: Callable[[], None], **_: object) -> float:
        timed_run()
        return 1.0

    monkeypatch.setattr(tuning, "do_bench", bench)
    monkeypatch.setattr(tuning, "_time", TIME)
    assert choose(("conv", 7), TILES, OnGpu(), run) == TILES[2]  # type: ignore[arg-type]
    broken.append(TILES[2])
    assert choose(("conv", 8), TILES, OnGpu(), run) in TILES  # its own error then gives the reason
    assert len(list(tmp_path.rglob("tile.json"))) == 1


def test_the_clock_is_that_of_the_gpu_of_the_tensors(timed: list[Tile], monkeypatch: pytest.MonkeyPatch) -> None:
    current: list[object] = []

    @contextmanager
    def device_of(place: object) -> Iterator[None]:
        current.append(place)
        yield
        assert timed == TILES
        current.pop()

    monkeypatch.setattr(torch.cuda, "device_of", device_of)
    time = tuning._time
    monkeypatch.setattr(tuning, "_time", lambda run, tile: time(run, tile) if current == [place] else 1 / 0)
    place = OnGpu()
    assert choose(("conv", 7), TILES, place, print) == TILES[1]  # type: ignore[arg-type]
    assert not current


@pytest.mark.parametrize("text", ["", "[1, 2]", "[64, 16, 16, 27, 4, 99]", "{}"])
def test_a_file_of_something_else_is_timed_anew(
    timed: list[Tile], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    choose(("conv", 7), TILES, OnGpu(), print)  # type: ignore[arg-type]
    (file,) = tmp_path.rglob("tile.json")
    file.write_text(text)
    monkeypatch.setattr(tuning, "_chosen", {})
    assert choose(("conv", 7), TILES, OnGpu(), print) == TILES[1]  # type: ignore[arg-type]
    assert timed == TILES * 2


def test_nothing_is_timed_unless_asked(timed: list[Tile], monkeypatch: pytest.MonkeyPatch) -> None:
    """A network has dozens of shapes: tuned at its first step, it would not move for minutes."""
    monkeypatch.delenv("PCSEG_TUNE")
    assert choose(("conv", 7), TILES, OnGpu(), print) == TILES[0]  # type: ignore[arg-type]
    assert timed == []


def test_nothing_is_timed_without_a_clock_or_where_runs_must_repeat(timed: list[Tile]) -> None:
    assert choose(("conv", 7), TILES, torch.zeros(1), print) == TILES[0]
    torch.use_deterministic_algorithms(True)
    try:
        assert choose(("conv", 7), TILES, OnGpu(), print) == TILES[0]  # type: ignore[arg-type]
    finally:
        torch.use_deterministic_algorithms(False)
    assert timed == []


@pytest.mark.parametrize("channels", [1, 3, 16, 20, 32, 96, 128, 1000])
@pytest.mark.parametrize("itemsize", [2, 4])
def test_candidates_fit_the_kernels(channels: int, itemsize: int) -> None:
    tiles = conv_tiles(125, 3, channels, itemsize) + conv_tiles(8, channels, 32, itemsize)
    tiles += weight_grad_tiles(channels, 32, itemsize)
    assert len(set(tiles)) == len(tiles)
    for tile in tiles:
        assert all(side in (16, 32, 64, 128) for side in tile[:3])  # powers of two, at least 16 for tl.dot
        assert 1 <= tile.width <= 32  # bits of a mask
    assert len(conv_tiles(27, channels, channels, itemsize)) <= 16
