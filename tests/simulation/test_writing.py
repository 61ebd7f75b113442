"""Rooms in the raw layout read back, have the same bits for any number of workers, and are complete or absent."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg.classes import S3DIS
from pcseg.datasets import open_dataset
from pcseg.errors import InputError
from pcseg.simulation import Settings, simulate_building, simulate_room
from pcseg.simulation.writing import format_points

SMALL = Settings(points=2000, frames=1, seed=5)


def digests(root: Path) -> dict[str, str]:
    """Return path and SHA-256 of every file below ``root``."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@given(st.lists(st.tuples(*[st.floats(-400, 400, width=32)] * 3, *[st.integers(0, 255)] * 3), min_size=1, max_size=20))
def test_text_equals_that_of_python_formatting(rows: list[tuple[float, ...]]) -> None:
    coord, color = np.array([r[:3] for r in rows]), np.array([r[3:] for r in rows], dtype=np.uint8)
    expected = "".join(
        "{:.3f} {:.3f} {:.3f} {} {} {}\n".format(*(np.rint(np.array(r[:3]) * 1000) / 1000 + 0.0), *map(int, r[3:]))
        for r in rows
    )
    assert format_points(coord, color).decode() == expected


def test_the_reader_finds_every_point_and_class(tmp_path: Path) -> None:
    folder = simulate_room(tmp_path, 1, 0, SMALL)
    reader = open_dataset(str(tmp_path), "s3dis")
    assert reader.scenes() == ["Area_1/office_1"]
    scene, defects = reader.read("Area_1/office_1")
    assert not defects
    assert len(scene) == SMALL.points
    whole = np.loadtxt(folder / "office_1.txt")
    assert whole.shape == (SMALL.points, 6)
    key = np.round((scene.coord + scene.origin) * 1000).astype(int)
    assert (np.sort(key, axis=0) == np.sort(np.round(whole[:, :3] * 1000).astype(int), axis=0)).all()
    assert scene.segment is not None
    assert {"floor", "wall", "ceiling"} <= {S3DIS.names[k] for k in np.unique(scene.segment)}


def test_the_same_bits_for_any_number_of_workers(tmp_path: Path) -> None:
    for workers, name in ((1, "one"), (2, "two")):
        assert simulate_building(tmp_path / name, 1, 3, SMALL, workers) == 3
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    other = simulate_room(tmp_path / "other", 1, 0, Settings(points=2000, frames=1, seed=6))
    assert not set(digests(tmp_path / "one" / "Area_1" / "office_1" / "color").values()) & set(
        digests(other / "color").values()
    )


def test_only_missing_rooms_are_made(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    simulate_building(whole, 1, 2, SMALL, 1)
    before = digests(whole)
    begun = tmp_path / "begun"
    simulate_building(begun, 1, 1, SMALL, 1)
    stamp = (begun / "Area_1" / "office_1" / "office_1.txt").stat().st_mtime_ns
    left = begun / "Area_1" / ".conferenceRoom_1.pcseg-00000000-1-1-0123abcd.tmp"
    left.mkdir()
    os.utime(left, (0, 0))  # abandoned by a process of another machine
    assert simulate_building(begun, 1, 2, SMALL, 1) == 1
    assert (begun / "Area_1" / "office_1" / "office_1.txt").stat().st_mtime_ns == stamp
    assert not left.exists()
    assert digests(begun) == before


def test_rooms_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    simulate_building(tmp_path, 1, 1, SMALL, 1)
    with pytest.raises(InputError, match=r"simulated\.json.*seed"):
        simulate_building(tmp_path, 1, 2, Settings(points=2000, frames=1, seed=6), 1)


def test_impossible_counts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="areas=0"):
        simulate_building(tmp_path / "x", 0, 1, SMALL)
    with pytest.raises(InputError, match="workers=-1"):
        simulate_building(tmp_path / "x", 1, 1, SMALL, -1)
    with pytest.raises(InputError, match="points=3"):
        Settings(points=3)
    assert not (tmp_path / "x").exists()
