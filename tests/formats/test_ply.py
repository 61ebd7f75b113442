"""PLY files of many tools are read; ambiguous ones are refused with the reason; changes are reported."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.formats.ply import open_ply, read_ply_mesh
from tests.formats.ply_files import FORMATS, ROWS, XYZ, head, read

VERTEX = f"element vertex 2\n{XYZ}"


FACE = "element face 1\nproperty list uchar int vertex_indices\n"


RAW = np.array([1, 2, 3, 4, 5, 6], "<f4").tobytes()


BINARY = head(VERTEX, "binary_little_endian")


LIKE_THE_VERTICES = {
    "upper case": head(VERTEX).upper().replace(" X", " x").replace(" Y", " y").replace(" Z", " z") + ROWS,
    "no version": head(VERTEX).replace(" 1.0", "") + ROWS,
    "blank lines before ply": "\n\n" + head(VERTEX) + ROWS,
    "UTF-16": ("\ufeff" + head(VERTEX) + ROWS).encode("utf-16-le"),
    "a line that is no comment": head(f"Created by hand\n{VERTEX}") + ROWS,
    "end_header in a comment": head(f"comment end_header follows\n{VERTEX}") + ROWS,
    "comments between properties": head(VERTEX.replace("property float y",
    "comment y\nobj_info up\nproperty float y")) + ROWS,
    "unsigned char": head(f"{VERTEX}property unsigned char red\n") + "1 2 3 9\n4 5 6 9\n",
    "long in text": head(f"{VERTEX}property long label\n") + "1 2 3 9\n4 5 6 9\n",
    "long of 4 bytes": head(f"{VERTEX}property long label\n", "binary_little_endian").encode()
    + np.array([(1, 2, 3, 7), (4, 5, 6, 8)], "<f4,<f4,<f4,<i4").tobytes(),
    "decimal commas": head(VERTEX) + "1,0 2,0 3,0\n4,0 5,0 6,0\n",
    "commas between": head(VERTEX) + "1,2,3\n4,5,6\n",
    "a number a line": head(VERTEX) + "1\n2\n3\n4\n5\n6\n",
    "all on one line": head(VERTEX) + "1 2 3 4 5 6",
    "a vertex on two lines": head(f"{VERTEX}property uchar red\n") + "1 2 3\n9\n4 5 6\n9\n",
    "no line end at the end": head(VERTEX) + ROWS[:-1],
    "rows of blanks after": head(VERTEX) + ROWS + " \n\n",
    "odd bytes after the points": BINARY.encode() + RAW + b"bye\n",
    "1.#QNAN": head(f"{VERTEX}property float q\n") + "1 2 3 1.#QNAN\n4 5 6 -1.#IND\n",
    "a list that is missing": head(f"{VERTEX}property list uchar int vertex_indices\n") + ROWS,
    "a camera before": head(f"element camera 1\n{XYZ}{VERTEX}") + "7 8 9\n" + ROWS,
    "points that are fewer": head(f"element marker 1\n{XYZ}element cloud 2\n{XYZ}") + "7 8 9\n" + ROWS,
    "an empty vertex element": head(f"element vertex 0\n{XYZ}element point 2\n{XYZ}") + ROWS,
    "faces cut off": head(VERTEX + FACE.replace("1", "9"), "binary_little_endian").encode() + RAW + b"\3\0\0",
    "an element of nothing": head(VERTEX + "element face 3\n", "binary_little_endian").encode() + RAW,
    "faces of nonsense": head(VERTEX + FACE, "binary_little_endian").encode() + RAW + b"\3" + bytes([255] * 12),
    "tristrips": head(f"{VERTEX}element tristrips 1\nproperty list int int vertex_indices\n") + ROWS + "4 0 1 0 -1\n",
    "edges": head(f"{VERTEX}element edge 1\nproperty int vertex1\nproperty int vertex2\n") + ROWS + "0 1\n",
}  # fmt: skip


@pytest.mark.parametrize("name", LIKE_THE_VERTICES)
def test_unusual_but_unambiguous_headers_are_read(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, LIKE_THE_VERTICES[name])
    assert found.coord.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("a line that is no comment", r":3: 'Created by hand' in the header"),
        ("odd bytes after the points", "4 bytes after the last point; left out"),
        ("a camera before", "element camera of 1 rows besides vertex; left out"),
        ("faces cut off", "the file ends within its 9 rows of face"),
        ("faces of nonsense", r"the first face has the corners \[-1, -1, -1\]"),
        ("a list that is missing", "vertex_indices is a list; left out"),
    ],
)
def test_changes_in_reading_are_reported(tmp_path: Path, name: str, reported: str) -> None:
    (defect,) = read(tmp_path, LIKE_THE_VERTICES[name]).defects
    with pytest.raises(ValueError, match=reported):
        raise ValueError(str(defect))


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ("", "is empty"),
        ("solid cube\n", "begins with 'solid cube', not with 'ply'"),
        ("ply\nformat ascii 1.0\nelement vertex 2\n", "no line 'end_header'"),
        (head(VERTEX, "binary_middle_endian") + ROWS, "line 2 of its header reads 'format binary_middle_endian 1.0'"),
        (head(VERTEX).replace("vertex 2", "vertex two") + ROWS, "line 3 of its header reads 'element vertex two'"),
        (head(VERTEX).replace("vertex 2", "vertex -2") + ROWS, "line 3 of its header reads 'element vertex -2'"),
        (head(VERTEX).replace("vertex 2", "vertex") + ROWS, "line 3 of its header reads 'element vertex'"),
        (head(VERTEX).replace("float y", "quaternion y") + ROWS, "line 5 of its header reads 'property quaternion y'"),
        (head(VERTEX).replace("float y", "float x") + ROWS, "there is a x already"),
        (head("property float x\n"), "write a line 'element vertex' with the number of points"),
        (head(VERTEX).replace("format ascii 1.0\n", "") + ROWS, "no line 'format'"),
        (head("element vertex 2\nproperty float x\nproperty float y\n") + "1 2\n3 4\n", "no element has x, y and z"),
        (head(VERTEX.replace("vertex", "a") + VERTEX.replace("vertex", "b")) + ROWS * 2,
        r"a \(line 3\) and b \(line 7\)"),
        (head(VERTEX) + "1 2 3\n", "declares 2 points, but holds 1"),
        (head(VERTEX) + ROWS + ROWS, "declares 2 points .line 3., but holds 4"),
        (BINARY.encode() + RAW[:12], "declares 2 rows of element vertex .line 3., but holds 1"),
        (BINARY.encode() + RAW + bytes(24), "declares 2 points .line 3., but holds 4"),
        (BINARY.encode() + RAW + RAW, "declares 2 points .line 3., but holds 4"),
        (head(VERTEX.replace(" 2", " 999999999999999")) + ROWS, "declares 999999999999999 points, but holds 2"),
        (BINARY.replace("vertex 2", "vertex 999999999999999").encode() + RAW, "holds 2; it is cut off"),
        (head(VERTEX) + "1 2 3\n4 5 6 7\n", "line 9 reads '4 5 6 7', but 3 numbers are needed"),
        (head(VERTEX) + "1 2 3\n\n4 5 six\n", "line 10 reads '4 5 six'"),
        (head(VERTEX) + "1 2\n3 4 5 6\n", "line 8 reads '1 2'"),
        (head(f"element vertex 1\n{XYZ}property list uchar int seen\n",
        "binary_little_endian").encode() + RAW[:12] + b"\xff", "a list 'seen' of 255"),
        (head(f"{VERTEX}property long q\n{FACE}", "binary_little_endian").encode() + RAW + bytes(21),
        "q .line 7. is long, of 4 or 8"),
    ],
)  # fmt: skip
def test_the_reason_of_a_refusal(tmp_path: Path, content: str | bytes, reported: str) -> None:
    with pytest.raises(InputError, match=reported) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "a.ply") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_whole_numbers_that_hold_others_are_kept(tmp_path: Path) -> None:
    colored = VERTEX + "".join(f"property uchar {c}\n" for c in ("red", "green", "blue")) + "property uchar label\n"
    found = read(tmp_path, head(colored) + "1 2 3 0.5 1.0 0 300\n4 5 6 0 1 0 nan\n")
    assert found.color is not None
    assert found.color.tolist() == [[128, 255, 0], [0, 255, 0]]
    assert found.fields["label"][0] == 300
    assert [d.found for d in found.defects if "declared" in d.found] == [
        "red is declared uchar, but holds other numbers", "label is declared uchar, but holds other numbers"
    ]  # fmt: skip


def test_coordinates_keep_the_digits_of_the_text(tmp_path: Path) -> None:
    found = read(tmp_path, head(VERTEX.replace(" 2", " 1")) + "500000.123 4500000.456 0.1\n")
    assert found.coord.tolist() == [[500000.123, 4500000.456, 0.1]]


def test_second_columns_of_a_name_are_kept(tmp_path: Path) -> None:
    found = read(tmp_path, head(f"{VERTEX}property float q\nproperty float q\n") + "1 2 3 7 8\n4 5 6 9 10\n")
    assert (found.fields["q"].tolist(), found.fields["q_2"].tolist()) == ([7, 9], [8, 10])
    assert "a second q; called q_2" in str(found.defects[0])


def test_gaussian_splats_are_colored(tmp_path: Path) -> None:
    names = ["nx", "ny", "nz", *(f"f_dc_{i}" for i in range(3)), *(f"f_rest_{i}" for i in range(45)), "opacity"]
    table = np.zeros((2, 3 + len(names)), "<f4")
    table[:, :3] = [[1, 2, 3], [4, 5, 6]]
    table[0, 6:9] = [0.5 / 0.28209479177387814, 0, -9]
    found = read(
        tmp_path,
        head(VERTEX + "".join(f"property float {n}\n" for n in names), "binary_little_endian").encode()
        + table.tobytes(),
    )
    assert found.color is not None
    assert found.color.tolist() == [[255, 128, 0], [128, 128, 128]]
    assert len(found.fields) == 3 + 45 + 1
    assert "Gaussian splats" in str(found.defects[0])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("first", [True, False])
def test_triangles(tmp_path: Path, form: str, first: bool) -> None:
    declared = [f"element vertex 3\n{XYZ}", "element face 2\nproperty list uchar int vertex_index\nproperty uchar q\n"]
    order = FORMATS[form]
    if order:
        data = [
            np.arange(9).astype(f"{order}f4").tobytes(),
            b"".join(struct.pack(f"{order}B3iB", 3, 0, 1, 2, 7) for _ in range(2)),
        ]
    else:
        data = [b"0 1 2\n3 4 5\n6 7 8\n", b"3 0 1 2 7\n" * 2]
    step = 1 if first else -1
    (tmp_path / "a.ply").write_bytes(head("".join(declared[::step]), form).encode() + b"".join(data[::step]))
    cloud, triangles = read_ply_mesh(tmp_path / "a.ply")
    assert cloud.coord.ravel().tolist() == list(range(9))
    assert triangles is not None
    assert triangles.tolist() == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize("row", ["4 0 1 0 1", "3 0 1 5", "3 0 1 x"])
def test_faces_that_are_no_triangles_of_the_points(tmp_path: Path, row: str) -> None:
    (tmp_path / "a.ply").write_text(head(VERTEX + FACE) + ROWS + f"{row}\n")
    cloud, triangles = read_ply_mesh(tmp_path / "a.ply")
    assert triangles is None
    assert len(cloud) == 2
    assert bool(cloud.defects) == (row[0] == "3")


def test_a_binary_file_is_mapped(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(BINARY.encode() + RAW)
    values = open_ply(tmp_path / "a.ply").columns["x"]
    while values.base is not None and not isinstance(values, np.memmap):
        values = values.base
    assert isinstance(values, np.memmap)
