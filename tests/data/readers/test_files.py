"""One point file of any format: read as written, by other tools' conventions too; damage is one clear line."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import laspy
import numpy as np
import pye57
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plyfile import PlyData, PlyElement

from pcseg.data.readers import FORMATS, WRITERS, read_cloud, write_cloud, writer_of
from pcseg.data.readers.cloud import color_to_uint8
from pcseg.data.readers.pcd import lzf_decompress
from pcseg.errors import InputError

UTM = np.array([500_000.0, 4_500_000.0, 100.0])


def points(count: int = 60) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "coord": np.round(rng.uniform(0, 30, (count, 3)), 3) + UTM,
        "color": rng.integers(0, 256, (count, 3)).astype(np.uint8),
        "labels": rng.integers(-1, 13, count),
        "confidence": rng.random(count).astype(np.float32),
    }


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_written_is_read_back_in_order(tmp_path: Path, suffix: str) -> None:
    cloud = points()
    write_cloud(tmp_path / f"a{suffix}", **cloud)
    found = read_cloud(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(found.coord, cloud["coord"], rtol=0, atol=1e-7)
    np.testing.assert_array_equal(found.color, cloud["color"])
    np.testing.assert_array_equal(found.fields["label"], cloud["labels"])
    np.testing.assert_allclose(found.fields["confidence"], cloud["confidence"], rtol=0, atol=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize("suffix", WRITERS)
def test_coordinates_alone(tmp_path: Path, suffix: str) -> None:
    write_cloud(tmp_path / f"a{suffix}", points(2)["coord"])
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
    cloud = points(3)
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


@pytest.mark.parametrize(("scale", "wanted"), [(257, [0, 128, 255]), (1, [0, 128, 255]), (256, [0, 128, 254])])
@pytest.mark.parametrize("suffix", [".las", ".laz", ".LAS"])
def test_las_colours_of_8_and_16_bits(tmp_path: Path, suffix: str, scale: int, wanted: list[int]) -> None:
    color = np.repeat(np.array([[0], [128], [255]], np.uint16) * scale, 3, axis=1)
    las(tmp_path / f"a{suffix}", color.astype(np.uint16), np.array([1, 2, 6]))
    found = read_cloud(tmp_path / f"a{suffix}")
    assert found.color is not None
    assert found.color[:, 0].tolist() == wanted
    assert found.fields["classification"].tolist() == [1, 2, 6]
    np.testing.assert_allclose(found.coord - UTM, 0.005, rtol=0, atol=1e-8)


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


PCD = """# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS x y z rgb label _ hist
SIZE 4 4 4 4 4 1 2
TYPE F F F F U U I
COUNT 1 1 1 1 1 3 2
WIDTH 2
HEIGHT 2
VIEWPOINT 0 0 0 1 0 0 0
POINTS 4
DATA {}
"""


def lzf_literal(data: bytes) -> bytes:
    """Valid LZF without any compression."""
    runs = [data[i : i + 32] for i in range(0, len(data), 32)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
def test_pcd(tmp_path: Path, data: str) -> None:
    kind = np.dtype(
        [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<f4"), ("label", "<u4"), ("_", "u1", 3), ("hist", "<i2", 2)]
    )
    table = np.zeros(4, dtype=kind)
    table["x"] = [0.25, 1.5, 2, np.nan]
    table["rgb"] = np.array([0xFF0102, 0x030405, 0x000000, 0x0A0B0C], np.uint32).view(np.float32)
    table["label"] = [7, 8, 9, 4_000_000_000]
    if data == "ascii":
        lines = [" ".join(repr(float(v)) for f in kind.names or () for v in np.atleast_1d(row[f])) for row in table]
        body = "\n".join(lines).encode()
    elif data == "binary":
        body = table.tobytes()
    else:
        columns = b"".join(np.ascontiguousarray(table[f]).tobytes() for f in kind.names or ())
        packed = lzf_literal(columns)
        body = struct.pack("<II", len(packed), len(columns)) + packed
    (tmp_path / "a.pcd").write_bytes(PCD.format(data).encode() + body)
    found = read_cloud(tmp_path / "a.pcd")
    np.testing.assert_array_equal(found.coord[:, 0], [0.25, 1.5, 2, np.nan])
    assert found.color is not None
    assert found.color.tolist() == [[255, 1, 2], [3, 4, 5], [0, 0, 0], [10, 11, 12]]
    assert found.fields["label"].tolist() == [7, 8, 9, 4_000_000_000]
    assert set(found.fields) == {"label"}
    (tmp_path / "b.pcd").write_bytes(PCD.format(data).encode() + body[: len(body) * 2 // 3])
    with pytest.raises(InputError, match=r"b\.pcd"):
        read_cloud(tmp_path / "b.pcd")


def lzf_compress(data: bytes) -> bytes:
    """A small, greedy LZF encoder: an independent statement of the format."""
    out, at, literal = bytearray(), 0, bytearray()
    while at < len(data):
        best, back = 0, 0
        for distance in range(1, min(at, 300) + 1):
            length = 0
            while length < 264 and at + length < len(data) and data[at + length] == data[at + length - distance]:
                length += 1
            if length > best:
                best, back = length, distance - 1
        if best >= 3:
            out += lzf_literal(bytes(literal))
            literal.clear()
            size = best - 2
            out += bytes([(size << 5) | back >> 8]) if size < 7 else bytes([(7 << 5) | back >> 8, size - 7])
            out.append(back & 255)
            at += best
        else:
            literal.append(data[at])
            at += 1
    return bytes(out + lzf_literal(bytes(literal)))


@given(st.lists(st.sampled_from([b"a", b"abc", b"\x00" * 40, b"xyzxyz", bytes(range(50))]), max_size=12))
def test_lzf_is_undone(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert lzf_decompress(lzf_compress(data), len(data)) == data


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1 2 3\n4 5 6\n", set()),
        ("4 5\n", None),
        ("2\n1 2 3 0.5 10 20 30\n4 5 6 0.1 1 2 3\n", {"intensity"}),
        ("//X Y Z R G B Label\n1 2 3 10 20 30 5\n4 5 6 1 2 3 nan\n", {"Label"}),
        ("# x, y, z, intensity\n1, 2, 3, 0.5\n4, 5, 6, 0.7\n", {"intensity"}),
        ("x;y;z;class\n1;2;3;0\n4;5;6;1\n", {"class"}),
        ("1 2 3 7\n4 5 6 8\n", {"label"}),
        ("1\t2\t3\t10\t20\t30\t7\n\n4\t5\t6\t1\t2\t3\t7\n", {"label"}),
        ("1 2 3 a\n4 5 6 b\n", None),
        ("1 2 3 9 9\n4 5 6 9 9\n", {"column4", "column5"}),
        ("\ufeff1 2 3\r\n4 5 6\r\n", set()),
    ],
)
def test_text(tmp_path: Path, text: str, names: set[str] | None) -> None:
    (tmp_path / "a.xyz").write_bytes(text.encode())
    if names is None:
        with pytest.raises(InputError, match=r"a\.xyz"):
            read_cloud(tmp_path / "a.xyz")
        return
    found = read_cloud(tmp_path / "a.xyz")
    assert found.coord.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert set(found.fields) == names


def test_pts_begins_with_its_number_of_points(tmp_path: Path) -> None:
    (tmp_path / "a.pts").write_text("2\n1 2 3 -5 10 20 30\n4 5 6 -6 1 2 3\n")
    found = read_cloud(tmp_path / "a.pts")
    named = read_cloud(tmp_path / "a.pts", ("x", "y", "z", "reflectance", "r", "g", "b"))
    assert named.fields["reflectance"].tolist() == [-5, -6]
    assert found.color is not None
    assert found.color.tolist() == [[10, 20, 30], [1, 2, 3]]
    assert found.fields["intensity"].tolist() == [-5, -6]


def test_text_tells_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("//X Y Z\n1 2 3\n\n4 5 6\n7 eight 9\n")
    with pytest.raises(InputError, match=r"a\.txt: line 5 reads '7 eight 9', but 3 numbers are needed"):
        read_cloud(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_text("1 2 3 -1 0 1\n1 2 3 0.5 0.5 0.5\n")
    with pytest.raises(InputError, match="negative, so not colours"):
        read_cloud(tmp_path / "a.txt")
    with pytest.raises(InputError, match="6 columns, but 4 names"):
        read_cloud(tmp_path / "a.txt", ("x", "y", "z", "label"))


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
    if suffix in WRITERS and WRITERS[suffix] is not WRITERS[".txt"]:  # a shorter text is a whole text
        write_cloud(path, **points())
        whole = path.read_bytes()
        contents += [whole[: int(len(whole) * part)] for part in (0.05, 0.3, 0.6, 0.95)]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"a{suffix}") as caught:
            read_cloud(path)
        assert "\n" not in str(caught.value)


def test_las_cut_between_two_points(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.las", **points())
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
def test_colours_of_every_range_come_to_bytes(rows: list[tuple[int, int, int]]) -> None:
    wanted = np.array([*rows, (255, 255, 255), (0, 0, 0)], np.uint8)  # the range must show
    for values in (wanted, wanted.astype(float), wanted / 255, wanted / 127.5 - 1, wanted.astype(np.uint16) * 257):
        np.testing.assert_array_equal(color_to_uint8(values, "here"), wanted)


def test_impossible_colours() -> None:
    for values in ([[-3.0, 0, 0]], [[70000, 0, 0]], [[-1, 5, 5]]):
        with pytest.raises(InputError, match="here: colours run from"):
            color_to_uint8(np.array(values), "here")
    assert color_to_uint8(np.array([[np.nan, 1.0, 0.5]]), "here").tolist() == [[0, 255, 128]]
