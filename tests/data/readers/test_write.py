"""Writing a labelled cloud: read back in its order from every format, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from plyfile import PlyData

from pcseg.data.readers import WRITERS, read_cloud, write_cloud, writer_of
from pcseg.errors import InputError
from tests.data.raw import labelled_cloud


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_written_is_read_back_in_order(tmp_path: Path, suffix: str) -> None:
    cloud = labelled_cloud()
    write_cloud(tmp_path / f"a{suffix}", **cloud)
    found = read_cloud(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(found.coord, cloud["coord"], rtol=0, atol=1e-7)
    np.testing.assert_array_equal(found.color, cloud["color"])
    np.testing.assert_array_equal(found.fields["label"], cloud["labels"])
    np.testing.assert_allclose(found.fields["confidence"], cloud["confidence"], rtol=0, atol=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize("suffix", WRITERS)
def test_coordinates_alone(tmp_path: Path, suffix: str) -> None:
    write_cloud(tmp_path / f"a{suffix}", labelled_cloud(2)["coord"])
    found = read_cloud(tmp_path / f"a{suffix}")
    assert found.color is None
    assert "label" not in found.fields


def test_label_types_and_lossless_coordinates(tmp_path: Path) -> None:
    coord = np.array([[0.5, 1, 2], [3, 4, 5.25]])
    write_cloud(tmp_path / "a.ply", coord, labels=np.array([0, 255]))
    vertex = PlyData.read(str(tmp_path / "a.ply"))["vertex"].data
    assert vertex["label"].dtype == np.uint8
    assert vertex["x"].dtype == np.float32
    write_cloud(tmp_path / "a.ply", coord + 0.1, labels=np.array([-1, 3]))
    vertex = PlyData.read(str(tmp_path / "a.ply"))["vertex"].data
    assert vertex["label"].dtype == np.int16
    assert vertex["x"].dtype == np.float64


def test_bad_writes(tmp_path: Path) -> None:
    cloud = labelled_cloud(3)
    with pytest.raises(InputError, match=r"cannot write '\.e57' files; choose one of"):
        writer_of(tmp_path / "a.e57")
    with pytest.raises(InputError, match="different lengths"):
        write_cloud(tmp_path / "a.ply", cloud["coord"], labels=np.zeros(2, int))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_cloud(tmp_path / "file" / "a.ply", cloud["coord"])
    with pytest.raises(InputError, match="LAS cannot hold NaN"):
        write_cloud(tmp_path / "a.las", np.full((2, 3), np.nan))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    program = f"""
import resource
import numpy as np
from pcseg.data.readers import WRITERS, write_cloud
from pcseg.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for suffix in WRITERS:
    try:
        write_cloud({str(tmp_path)!r} + "/a" + suffix, np.random.default_rng(0).random((50_000, 3)))
    except InputError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [f"{tmp_path}/a{suffix}" for suffix in WRITERS]
    assert list(tmp_path.iterdir()) == []


def test_wide_las(tmp_path: Path) -> None:
    coord = np.array([[0.0, 0, 0], [6e6, 6e6, 100]])
    write_cloud(tmp_path / "a.laz", coord)
    np.testing.assert_allclose(read_cloud(tmp_path / "a.laz").coord, coord, rtol=0, atol=0.01)
