"""Coordinates that float32 rounded far from zero are reported, others are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from pcseg.formats import read_cloud
from pcseg.formats.rounded import float32_step

UTM = (500_000.0, 5_429_000.0, 120.0)


def points(count: int = 2000, extent: float = 20.0, origin: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    return np.random.default_rng(0).random((count, 3)) * extent + origin


def rounded(coord: np.ndarray) -> np.ndarray:
    return coord.astype(np.float32).astype(np.float64)


def test_the_step_is_that_of_float32_there() -> None:
    assert float32_step(rounded(points(origin=UTM))) == 0.5 == np.spacing(np.float32(UTM[1]))
    assert float32_step(rounded(points(origin=(0, 40_000.0, 0)))) == np.spacing(np.float32(40_000.0))
    assert float32_step(rounded(points(origin=(5_429_000.0, 5_429_000.0, 0.0)))) == 0.5
    strays = rounded(np.array([[0.0] * 3, [np.nan] * 3, [3e38] * 3]))
    strays = np.concatenate([rounded(points(origin=UTM)), strays])
    assert float32_step(strays) == 0.5
    assert float32_step(rounded(points(250_000, origin=UTM))) == 0.5


def raster(*corner: float) -> np.ndarray:
    """Points a meter apart, of some height."""
    x, y = np.meshgrid(np.arange(60.0), np.arange(60.0))
    z = np.round(100 + np.random.default_rng(0).random(3600), 2)
    return np.column_stack([x.reshape(-1) + corner[0], y.reshape(-1) + corner[1], z])


@pytest.mark.parametrize(
    "coord",
    [
        raster(500_000.5, 5_500_000.5),
        raster(500_000.0, 9_500_000.0),
        points(origin=UTM),
        np.round(points(origin=UTM), 2),
        np.round(points(origin=UTM)),  # whole meters, which float32 holds
        rounded(points()),
        rounded(points(origin=(3000.0, 5000.0, 0.0))),  # steps of half a millimeter
        rounded(points(extent=30_000.0)),  # a room in millimeters, from zero
        np.repeat(rounded(points(1, origin=UTM)), 2, axis=0) * 0,
        np.full((3, 3), np.nan),
        np.zeros((0, 3)),
    ],
)
def test_what_float32_did_not_spoil_is_not_reported(coord: np.ndarray) -> None:
    assert float32_step(coord) == 0


def test_a_file_with_such_coordinates_is_read_with_a_report(tmp_path: Path) -> None:
    for kind, count in (("f4", 1), ("f8", 0)):
        path = tmp_path / f"{kind}.ply"
        rows = np.empty(500, [(name, kind) for name in "xyz"])
        for name, column in zip("xyz", points(500, origin=UTM).T, strict=True):
            rows[name] = column
        PlyData([PlyElement.describe(rows, "vertex")]).write(path)
        told = [str(defect) for defect in read_cloud(path).defects]
        assert len(told) == count
        assert all("rounded to float32, to steps of 0.5 so far" in text and str(path) in text for text in told)
    text = tmp_path / "a.txt"
    np.savetxt(text, rounded(points(500, origin=UTM)), fmt="%.3f")
    assert "export them again as double" in str(read_cloud(text).defects[-1])
