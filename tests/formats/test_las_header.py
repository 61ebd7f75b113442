"""The header and records of LAS are checked against the file before anything is read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pcseg.errors import InputError
from pcseg.formats.las import read_las
from tests.formats.las_scans import LARGE, edited, scan


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([(0, "4s", b"LAZF")], "not a LAS file"),
        ([(24, "B", 2)], r"LAS version 2\."),
        ([(25, "B", 9)], r"LAS version 1\.9"),
        ([(94, "<H", 100)], "header of 100 bytes"),
        ([(94, "<H", 60_000)], "header of 60000 bytes"),
        ([(96, "<I", LARGE)], "points from byte 4294967280"),
        ([(96, "<I", 0)], "points from byte 0"),
        ([(100, "<I", LARGE)], "4294967280 records"),
        ([(100, "<I", 3)], "3 records"),
        ([(104, "B", 11)], "point format 11"),
        ([(104, "B", 127)], "point format 127"),
        ([(105, "<H", 7)], "points of 7 bytes"),
        ([(105, "<H", 0)], "points of 0 bytes"),
        ([(105, "<H", 65535)], "0 points, but its header says 300"),
        ([(131, "<d", 0.0)], "x has the scale 0"),
        ([(139, "<d", float("nan"))], "y has the scale nan"),
        ([(147, "<d", 1e300)], r"z has the scale 1e\+300"),
        ([(131, "<d", 1e-300)], "x has the scale 1e-300"),
        ([(163, "<d", float("inf"))], "y has the scale 0.001 and the offset inf"),
        ([(163, "<d", -1e200)], "the offset -1e"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("kind", "version"), [(3, "1.2"), (7, "1.4")])
def test_impossible_headers_are_refused_at_once(
    tmp_path: Path, kind: int, version: str, changes: list[tuple[int, str, object]], said: str
) -> None:
    scan(tmp_path / "a.las", kind, version)
    start = time.monotonic()
    with pytest.raises(InputError, match=said) as caught:
        read_las(edited(tmp_path / "a.las", *changes))
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("ending", ["las", "laz"])
@pytest.mark.parametrize(("kind", "version"), [(3, "1.2"), (7, "1.4")])
@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 points, but it holds"), (299, None), (301, "but its header says 301"), (2_000_000_000, "2000000000")],
)
def test_declared_and_held_counts(
    tmp_path: Path, ending: str, kind: int, version: str, count: int, said: str | None
) -> None:
    path = tmp_path / f"a.{ending}"
    scan(path, kind, version)
    edited(path, (247, "<Q", count) if version == "1.4" else (107, "<I", count))
    if ending == "laz" and kind == 3 and count == 301:
        return  # nothing in the file says how many the last chunk holds
    if said:
        with pytest.raises(InputError, match=said):
            read_las(path)
        return
    cloud = read_las(path)
    assert len(cloud) == count
    if (ending, kind) != ("laz", 3):
        assert "says 299 points, but it holds 300; the others left out" in str(cloud.defects[0])


def test_counts_of_older_versions_that_differ(tmp_path: Path) -> None:
    scan(tmp_path / "a.las", 3, "1.4")
    for new, legacy, wanted in ((0, 300, 300), (300, 7, 300), (7, 300, 300)):
        cloud = read_las(edited(tmp_path / "a.las", (107, "<I", legacy), (247, "<Q", new)))
        assert len(cloud) == wanted
        assert f"{new} points, but {legacy} in the field for older versions" in str(cloud.defects[0])


def test_damaged_records_after_the_points_do_not_cost_the_points(tmp_path: Path) -> None:
    scan(tmp_path / "a.las", 7, "1.4")
    size = (tmp_path / "a.las").stat().st_size
    cloud = read_las(edited(tmp_path / "a.las", (235, "<Q", size), (243, "<I", LARGE)))
    assert len(cloud) == 300
    assert "4294967280 extended records" in str(cloud.defects[0])


def test_points_outside_the_bounds_of_the_header_are_reported(tmp_path: Path) -> None:
    scan(tmp_path / "a.las")
    assert not read_las(tmp_path / "a.las").defects
    (defect,) = read_las(edited(tmp_path / "a.las", (179, "<d", 5.0))).defects
    assert "points lie outside the bounds" in defect.found
