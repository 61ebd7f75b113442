"""Point files of any format are read as other tools write them; damage is reported in one line."""

from __future__ import annotations

from pathlib import Path

import laspy
import numpy as np
import pye57
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plyfile import PlyData, PlyElement

from pcseg.errors import InputError
from pcseg.formats import FORMATS, WRITERS, read_cloud, write_cloud, write_labeled
from pcseg.formats.colors import color_to_uint8
from tests.datasets.raw import UTM, labeled_cloud


@pytest.mark.parametrize("text", [True, False])
def test_cloudcompare_ply(tmp_path: Path, text: bool) -> None:
    kinds = [("x", "f8"), ("y", "f8"), ("z", "f8"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]
    vertex = np.zeros(3, dtype=[*kinds, ("scalar_label", "f4")])
    vertex["x"] = UTM[0] + 0.001
    vertex["red"] = [1, 2, 3]
    vertex["scalar_label"] = [0, np.nan, 2]
    PlyData([PlyElement.describe(vertex, "vertex")], text=text).write(str(tmp_path / "a.ply"))
    found = read_cloud(tmp_path / "a.ply")
    np.testing.assert_allclose(found.coord[:, 0], UTM[0] + 0.001, rtol=0, atol=1e-8)
    assert found.color is not None
    assert found.color[:, 0].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(found.fields["scalar_label"], [0, np.nan, 2])


def test_ply_with_normals_lists_and_quads(tmp_path: Path) -> None:
    vertex = np.zeros(4, dtype=[(n, "f4") for n in ("X", "Y", "Z", "nx", "ny", "nz", "r", "g", "b")])
    vertex["nz"], vertex["r"] = 1, 1.0
    face = np.empty(2, dtype=[("vertex_indices", "O")])
    face["vertex_indices"] = [np.array([0, 1, 2, 3]), np.array([0, 1, 2])]
    elements = [PlyElement.describe(vertex, "vertex"), PlyElement.describe(face, "face")]
    PlyData(elements).write(str(tmp_path / "a.ply"))
    found = read_cloud(tmp_path / "a.ply")
    assert found.normal is not None
    assert found.normal.tolist() == [[0, 0, 1]] * 4
    assert found.color is not None
    assert found.color.tolist() == [[255, 0, 0]] * 4
    assert found.fields == {}


def las(path: Path, color: np.ndarray, classification: np.ndarray) -> None:
    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales, header.offsets = np.full(3, 0.001), UTM
    data = laspy.LasData(header)
    data.x, data.y, data.z = (np.zeros((len(color), 3)) + UTM + 0.005).T
    data.red, data.green, data.blue = color.T
    data.classification = classification
    data.write(str(path))


@pytest.mark.parametrize(("scale", "wanted"), [(257, [0, 128, 255]), (1, [0, 128, 255]), (256, [0, 128, 255])])
@pytest.mark.parametrize("suffix", [".las", ".laz", ".LAS"])
def test_las_colors_of_8_and_16_bits(tmp_path: Path, suffix: str, scale: int, wanted: list[int]) -> None:
    color = np.repeat(np.array([[0], [128], [255]], np.uint16) * scale, 3, axis=1)
    las(tmp_path / f"a{suffix}", color.astype(np.uint16), np.array([1, 2, 6]))
    found = read_cloud(tmp_path / f"a{suffix}")
    assert found.color is not None
    assert found.color[:, 0].tolist() == wanted
    assert found.fields["classification"].tolist() == [1, 2, 6]
    np.testing.assert_allclose(found.coord - UTM, 0.005, rtol=0, atol=1e-8)


@pytest.mark.parametrize("suffix", [".las", ".txt", ".pcd"])
def test_colors_that_are_all_black_are_none(tmp_path: Path, suffix: str) -> None:
    color = np.zeros((3, 3), np.uint8)
    write_cloud(tmp_path / f"a{suffix}", np.eye(3), color=color)
    found = read_cloud(tmp_path / f"a{suffix}")
    assert found.color is None
    assert f"a{suffix}: its colors are all black (0); read as a scan without color" in str(found.defects[-1])
    write_labeled(tmp_path / f"a{suffix}", tmp_path / "b.las", found, np.arange(3), np.ones(3))
    assert laspy.read(tmp_path / "b.las").red.tolist() == [0, 0, 0]  # the file keeps the fields
    write_labeled(tmp_path / f"a{suffix}", tmp_path / "b.las", found, np.arange(3), np.ones(3), color + np.uint8(9))
    assert laspy.read(tmp_path / "b.las").red.tolist() == [9 * 257] * 3
    color[1, 2] = 1
    write_cloud(tmp_path / "c.ply", np.eye(3), color=color)
    assert read_cloud(tmp_path / "c.ply").color is not None


def test_e57_stations_come_to_one_frame(tmp_path: Path) -> None:
    file = pye57.E57(str(tmp_path / "a.e57"), mode="w")
    local = {f"cartesian{a}": np.arange(3) + 0.5 for a in "XYZ"}
    color = {f"color{c}": np.array([1, 2, 3], np.uint8) for c in ("Red", "Green", "Blue")}
    for shift in (0.0, 10.0):
        file.write_scan_raw({**local, **color}, translation=UTM + shift)
    file.close()
    found = read_cloud(tmp_path / "a.e57")
    assert len(found) == 6
    np.testing.assert_allclose(found.coord[:, 0] - UTM[0], [0.5, 1.5, 2.5, 10.5, 11.5, 12.5], rtol=0, atol=1e-6)
    assert found.fields["scan"].tolist() == [0, 0, 0, 1, 1, 1]
    assert found.color is not None
    assert found.color[:, 2].tolist() == [1, 2, 3, 1, 2, 3]


def test_numpy_files(tmp_path: Path) -> None:
    table = np.array([[1, 2, 3, 0, 128, 255, 4], [4, 5, 6, 1, 2, 3, -1]], float)
    np.save(tmp_path / "a.npy", table)
    found = read_cloud(tmp_path / "a.npy")
    assert found.color is not None
    assert (found.color == table[:, 3:6]).all()
    assert found.fields["label"].tolist() == [4, -1]
    np.savez(
        tmp_path / "a.npz", xyz=table[:, :3], colors=table[:, 3:6] / 255, class_=np.array([[4], [5]]), other=np.zeros(9)
    )
    found = read_cloud(tmp_path / "a.npz")
    assert found.color is not None
    assert (found.color == table[:, 3:6]).all()
    assert found.fields["class_"].tolist() == [4, 5]
    assert "other" not in found.fields
    np.save(tmp_path / "b.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for bad in (np.zeros((2, 2)), np.zeros(5), np.zeros((0, 3)), np.array([["a", "b", "c"]])):
        np.save(tmp_path / "c.npy", bad)
        with pytest.raises(InputError, match=r"c\.npy"):
            read_cloud(tmp_path / "c.npy")
    np.savez(tmp_path / "d.npz", coord=np.zeros((3, 3)), color=np.zeros((2, 3)))
    for name in ("b.npy", "d.npz"):
        with pytest.raises(InputError, match=name):
            read_cloud(tmp_path / name)


@pytest.mark.parametrize("suffix", FORMATS)
def test_empty_missing_and_cut_files_are_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with pytest.raises(InputError, match="no such file"):
        read_cloud(path)
    contents = [b"", b"\x00\xff\x00 garbage \n more"]
    if suffix in WRITERS and WRITERS[suffix] is not WRITERS[".txt"]:  # a shorter text is still a whole text
        write_cloud(path, **labeled_cloud())
        whole = path.read_bytes()
        contents += [whole[: int(len(whole) * part)] for part in (0.05, 0.3, 0.6, 0.95)]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"a{suffix}") as caught:
            read_cloud(path)
        assert "\n" not in str(caught.value)


def test_las_cut_between_two_points(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.las", **labeled_cloud())
    with laspy.open(str(tmp_path / "a.las")) as file:
        start, size = file.header.offset_to_point_data, file.header.point_format.size
    whole = (tmp_path / "a.las").read_bytes()
    (tmp_path / "a.las").write_bytes(whole[: start + 20 * size])
    with pytest.raises(InputError, match="20 points, but its header says 60"):
        read_cloud(tmp_path / "a.las")


def test_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("")
    with pytest.raises(InputError, match=r"unknown format '\.obj'; give one of \.ply"):
        read_cloud(tmp_path / "a.obj")


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=20))
def test_colors_of_every_range_come_to_bytes(rows: list[tuple[int, int, int]]) -> None:
    wanted = np.array([*rows, (255, 255, 255), (0, 0, 0)], np.uint8)  # values that show the range
    for values in (wanted, wanted.astype(float), wanted / 255, wanted / 127.5 - 1, wanted.astype(np.uint16) * 257):
        np.testing.assert_array_equal(color_to_uint8(values, "here"), wanted)


def test_impossible_colors() -> None:
    for values in ([[-3.0, 0, 0]], [[70000, 0, 0]], [[-1, 5, 5]]):
        with pytest.raises(InputError, match="here: colors run from"):
            color_to_uint8(np.array(values), "here")
    assert color_to_uint8(np.array([[np.nan, 1.0, 0.5]]), "here").tolist() == [[0, 255, 128]]
