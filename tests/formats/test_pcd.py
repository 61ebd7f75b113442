"""PCD files in their three encodings, against an LZF encoder written here."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.formats import Cloud, read_cloud
from tests.oracles.lzf import lzf_literal

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
    assert [d.found for d in found.defects] == ["hist has shape (4, 2) and type int16, not one number a point"]
    (tmp_path / "b.pcd").write_bytes(PCD.format(data).encode() + body[: len(body) * 2 // 3])
    with pytest.raises(InputError, match=r"b\.pcd"):
        read_cloud(tmp_path / "b.pcd")


HEAD = "VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 2\nHEIGHT 1\nPOINTS 2\nDATA ascii\n"


ROWS = "1 2 3\n4 5 6\n"


BINARY = HEAD.replace("ascii", "binary")


RAW = np.array([1, 2, 3, 4, 5, 6], "<f4").tobytes()


def read(folder: Path, content: str | bytes) -> Cloud:
    (folder / "a.pcd").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_cloud(folder / "a.pcd")


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (HEAD.replace("COUNT 1 1 1\n", "") + ROWS, ""),
        (HEAD.replace("SIZE 4 4 4\n", "").replace("TYPE F F F\n", "") + ROWS, ""),
        (HEAD.replace("FIELDS", "COLUMNS") + ROWS, ""),
        (HEAD.replace("WIDTH 2\nHEIGHT 1\n", "") + ROWS, ""),
        (HEAD.replace("POINTS 2\n", "") + ROWS, ""),
        (HEAD.replace("WIDTH 2\nHEIGHT 1", "WIDTH 1\nHEIGHT 2") + ROWS, ""),
        ("\ufeff" + HEAD + "\n" + ROWS.replace("\n", "  \n\n"), ""),
        (HEAD + ROWS.replace(" ", ","), ""),
        (HEAD.lower().replace("\nfields", "\n# x y z\nfields") + ROWS, ""),
        (HEAD.replace("POINTS 2", "POINTS -1") + ROWS, "POINTS -1; read the 2 points that it holds"),
        (HEAD.replace("WIDTH 2", "WIDTH 7") + ROWS, "WIDTH 7 times HEIGHT 1; read the 2 points"),
        (BINARY.replace("POINTS 2", "POINTS 5").encode() + RAW, "POINTS 5; read the 2 points"),
        (BINARY.encode() + RAW + bytes(30), "30 bytes after the last point; left out"),
        (
            HEAD.replace("DATA", "VIEWPOINT 1 0 0 1 0 0 0\nDATA") + ROWS,
            "VIEWPOINT 1 0 0 1 0 0 0, the pose of the sensor",
        ),
    ],
)
def test_unusual_but_unambiguous_headers_are_read(tmp_path: Path, content: str | bytes, reported: str) -> None:
    found = read(tmp_path, content)
    assert found.coord.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert len(found.defects) == bool(reported)
    assert reported in "".join(map(str, found.defects))


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ("", "is empty"),
        ("ply\n", "no line 'DATA'"),
        (HEAD.replace("DATA ascii", "DATA-ascii") + ROWS, "no line 'DATA'"),
        (HEAD.replace("ascii", "hdf5") + ROWS, "line 9: DATA hdf5 is unknown"),
        (HEAD.replace("FIELDS x y z\n", "") + ROWS, "no line 'FIELDS'"),
        (BINARY.replace("SIZE 4 4 4\n", ""), "no line 'SIZE'"),
        (HEAD.replace("SIZE 4 4 4", "SIZE 4 4") + ROWS, "line 3: 2 values of SIZE for 3 FIELDS"),
        (HEAD.replace("SIZE 4 4 4", "SIZE 4 3 4") + ROWS, "no number has TYPE F and SIZE 3, as y has"),
        (HEAD.replace("SIZE 4 4 4", "SIZE 4 4 99999999999999") + ROWS, "SIZE 99999999999999, as z has"),
        (HEAD.replace("TYPE F F F", "TYPE F Q F") + ROWS, "TYPE Q and SIZE 4, as y has"),
        (HEAD.replace("COUNT 1 1 1", "COUNT 1 0 1") + ROWS, "line 5: COUNT 0 of y"),
        (HEAD.replace("COUNT 1 1 1", "COUNT 1 1 999999999") + ROWS, "declares 1000000001 numbers for each of 2 points"),
        (HEAD.replace("FIELDS x y z", "FIELDS x y x") + ROWS, "two FIELDS are called x"),
        (HEAD.replace("POINTS 2", "POINTS two") + ROWS, "line 8: POINTS two; give one whole number"),
        (HEAD.replace("POINTS 2\n", "").replace("WIDTH 2\n", "") + ROWS, "no line 'POINTS'"),
        (HEAD.replace("POINTS 2", "POINTS -1").replace("WIDTH 2", "WIDTH -2") + ROWS,
        "but holds 2 points; correct the header"),
        (HEAD + ROWS[:6], "declares POINTS 2 and WIDTH 2 times HEIGHT 1, but holds 1 points; it is cut off"),
        (HEAD + ROWS + ROWS, "but holds 4 points; correct the header"),
        (BINARY.encode() + RAW[:-1], "but holds 1 points; it is cut off"),
        (BINARY.replace(" 2\n", " 999999999999999\n").encode() + RAW, "but holds 2 points; it is cut off"),
        (HEAD + "1 2 3\n4 five 6\n", "line 11 reads '4 five 6'"),
        (BINARY.replace("FIELDS x y z", "FIELDS x rgb z").encode() + RAW, "no x, y and z"),
    ],
)  # fmt: skip
def test_the_reason_of_a_refusal(tmp_path: Path, content: str | bytes, reported: str) -> None:
    with pytest.raises(InputError, match=reported) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "a.pcd") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("count", "packed", "size"), [(10**8, 24, 12 * 10**8), (2, 24, 10**9), (2, 24, 25), (2, 10**6, 24)]
)
def test_impossible_sizes_are_refused_at_once(tmp_path: Path, count: int, packed: int, size: int) -> None:
    header = BINARY.replace(" 2\n", f" {count}\n").replace("DATA binary", "DATA binary_compressed")
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.pcd"):
        read(tmp_path, header.encode() + struct.pack("<II", packed, size) + lzf_literal(RAW)[:24])
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["rgb", "rgba"])
@pytest.mark.parametrize(
    ("size", "kind", "count", "rows"),
    [
        (4, "F", 1, ["16711680", "65280"]), (4, "F", 1, ["1.671168e+07", "65280.0"]),
        (4, "U", 1, ["16711680", "65280"]),
        (4, "I", 1, ["-65536", "65280"]), (8, "F", 1, ["16711680", "65280"]),
        (4, "F", 1, ["2.3418052e-38", "9.1476540e-41"]),
        (4, "U", 1, ["2.3418052e-38", "9.1476540e-41"]), (1, "U", 3, ["255 0 0", "0 255 0"]),
        (4, "F", 3, ["1 0 0", "0 1 0"]),
    ],
)  # fmt: skip
def test_every_spelling_of_a_packed_color(
    tmp_path: Path, name: str, size: int, kind: str, count: int, rows: list
) -> None:
    header = HEAD.replace("x y z", f"x y z {name}").replace("4 4 4", f"4 4 4 {size}").replace("F F F", f"F F F {kind}")
    found = read(tmp_path, header.replace("1 1 1", f"1 1 1 {count}") + f"1 2 3 {rows[0]}\n4 5 6 {rows[1]}\n")
    assert found.color is not None
    assert found.color.tolist() == [[255, 0, 0], [0, 255, 0]]
