"""A labeled cloud is read back in order from every format, and is written completely or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plyfile import PlyData

from pcseg.errors import InputError
from pcseg.formats import WRITERS, read_cloud, write, write_cloud, writer_of, written
from tests.datasets.raw import labeled_cloud


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_written_is_read_back_in_order(tmp_path: Path, suffix: str) -> None:
    cloud = labeled_cloud()
    write_cloud(tmp_path / f"a{suffix}", **cloud)
    found = read_cloud(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(found.coord, cloud["coord"], rtol=0, atol=1e-7)
    np.testing.assert_array_equal(found.color, cloud["color"])
    np.testing.assert_array_equal(found.fields["label"], cloud["labels"])
    np.testing.assert_allclose(found.fields["confidence"], cloud["confidence"], rtol=0, atol=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("most", [0, 1, 2, 255])
def test_colors_of_any_darkness(tmp_path: Path, suffix: str, most: int) -> None:
    color = np.random.default_rng(0).integers(0, most, (20, 3), endpoint=True).astype(np.uint8)
    write_cloud(tmp_path / f"a{suffix}", labeled_cloud(20)["coord"], color=color)
    found = read_cloud(tmp_path / f"a{suffix}")
    assert found.black == (most == 0)
    np.testing.assert_array_equal(np.zeros_like(color) if found.black else found.color, color)


@pytest.mark.parametrize("suffix", WRITERS)
def test_coordinates_alone(tmp_path: Path, suffix: str) -> None:
    write_cloud(tmp_path / f"a{suffix}", labeled_cloud(2)["coord"])
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
    cloud = labeled_cloud(3)
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
from pcseg.formats import WRITERS, write_cloud
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


KINDS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "f2", "?", ">i4", ">f8")
NAMES = ("intensity", "Intensity", "gps_time", "scalar_Größe (m)", "a b", "1st", "_", "rgb", "X", "coord", "file",
    "a,b", "h" * 40, "return_number", "synthetic", "flag_byte", "a:b", "beam[0]", "label", "confidence_2")  # fmt: skip


@st.composite
def fields(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Return a few columns (4,) of any types, with names that one format or another cannot hold."""
    columns = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6)):
        kind = np.dtype(draw(st.sampled_from(KINDS)))
        values: st.SearchStrategy = st.booleans()
        if kind.kind == "f":
            values = st.floats(width=8 * kind.itemsize, allow_subnormal=False)
        elif kind.kind in "iu":
            values = st.integers(max(-(2**53), int(np.iinfo(kind).min)), min(2**53, int(np.iinfo(kind).max)))
        columns[name] = np.array(draw(st.lists(values, min_size=4, max_size=4)), dtype=kind)
    return columns


@pytest.mark.parametrize("suffix", WRITERS)
@given(fields(), st.booleans())
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.differing_executors])
def test_other_columns_are_kept_or_reported(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, columns: dict, colored: bool
) -> None:
    path = tmp_path_factory.mktemp("a") / f"a{suffix}"
    cloud = labeled_cloud(4)
    color = cloud["color"] if colored else None
    normal = np.tile(np.float32([0, 0.6, 0.8]), (4, 1))
    reported = write_cloud(path, cloud["coord"], color=color, normal=normal, fields=columns, labels=cloud["labels"])
    found = read_cloud(path)
    assert found.normal is not None
    np.testing.assert_array_equal(found.normal, normal)
    np.testing.assert_array_equal(found.fields["label"], cloud["labels"])
    called = {d.found.rsplit(" column ", 1)[-1]: d.action.removeprefix("called ").split(", ")[0] for d in reported}
    scaled = {repr(d.found.rsplit(" column ", 1)[-1]) for d in reported if d.action.endswith("parts of 65535")}
    assert len(called) == len(reported)
    for name, values in columns.items():
        read = found.fields[called.get(repr(name), name)]
        if repr(name) in scaled:
            np.testing.assert_array_equal(read, np.round(values.astype(float) * 65535))
            continue
        np.testing.assert_array_equal(read.astype(values.dtype.newbyteorder("=")), values, err_msg=name)
        assert (
            read.dtype.kind
            in ("f", values.dtype.kind, "u" if values.dtype.kind in "b" else "i", "u" if suffix == ".las" else "i")
            or suffix == ".laz"
        )


def damaged(name: str) -> Callable:
    """Return a writer with one fault."""

    def write(stream, columns, path, remarks):
        columns = dict(columns)
        if name == "cut":
            columns = {key: values[:-1] for key, values in columns.items()}
        elif name == "swapped":
            columns = {key: values[::-1] for key, values in columns.items()}
        elif name == "gone":
            del columns["confidence"]
        else:
            columns[name] = columns[name].copy()
            columns[name][40] += 1 if name != "z" else 0.001
        WRITERS[path.suffix](stream, columns, path, remarks)

    return write


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("wrong", ["cut", "swapped", "gone", "z", "red", "label", "confidence", "garbage"])
def test_a_file_that_does_not_read_back_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, wrong: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("as it was")
    writer = damaged(wrong) if wrong != "garbage" else lambda stream, *_: stream.write(b"\x00\xff garbage")
    monkeypatch.setattr(write, "writer_of", lambda path: writer)
    monkeypatch.setattr(written, "ROWS", 25)
    reported = {
        "cut": "59 points instead of 60",
        "gone": "confidence is not among",
        "swapped": "of point 0",
        "garbage": ".",
    }
    with pytest.raises(InputError, match=reported.get(wrong, f"{wrong} of point 40 is")) as caught:
        write_cloud(path, **labeled_cloud())
    assert f"a{suffix}: not written, since it could not be read back" in str(caught.value)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["as it was"]


@pytest.mark.parametrize("suffix", WRITERS)
def test_labels_of_any_size(tmp_path: Path, suffix: str) -> None:
    labels = np.array([-1, 0, 255, 40_000, -70_000, 3_000_000_000])
    write_cloud(tmp_path / f"a{suffix}", labeled_cloud(6)["coord"], labels=labels)
    assert read_cloud(tmp_path / f"a{suffix}").fields["label"].tolist() == labels.tolist()


def test_integers_that_ply_cannot_hold_are_reported(tmp_path: Path) -> None:
    fields = {"id": np.array([2**60 + 1, 3]), "small": np.array([7, 8])}
    (reported,) = write_cloud(tmp_path / "a.ply", np.zeros((2, 3)), fields=fields)
    assert "id holds whole numbers beyond 53 bits" in str(reported)
    assert read_cloud(tmp_path / "a.ply").fields.keys() == {"small"}


def test_class_names_are_comments_in_ply(tmp_path: Path) -> None:
    names = {2: "ground", 40: "Büro\nund Haus"}
    write_cloud(tmp_path / "a.ply", np.eye(3), labels=np.array([2, 40, 2]), names=names)
    assert PlyData.read(str(tmp_path / "a.ply")).comments == ["class 2 ground", r"class 40 B\xfcro und Haus"]


def test_steps_of_wide_las_are_reported_for_each_axis(tmp_path: Path) -> None:
    coord = np.array([[0.0, 0, 0], [0.1234, 6e6, 100.5]])
    reported = write_cloud(tmp_path / "a.las", coord)
    assert [str(d).rpartition("a.las: ")[2] for d in reported] == ["y extends over 6000 km; written in steps of 0.01 m"]
    assert (np.abs(read_cloud(tmp_path / "a.las").coord - coord) <= [0.00005001, 0.005001, 0.00005001]).all()


def test_wide_las(tmp_path: Path) -> None:
    coord = np.array([[0.0, 0, 0], [6e6, 6e6, 100]])
    write_cloud(tmp_path / "a.laz", coord)
    np.testing.assert_allclose(read_cloud(tmp_path / "a.laz").coord, coord, rtol=0, atol=0.01)
