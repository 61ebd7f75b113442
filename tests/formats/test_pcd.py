"""PCD files in their three encodings, against an LZF encoder written here."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.formats import Cloud, read_cloud
from pcseg.formats.lzf import lzf_decompress

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
    """Return valid LZF without any compression."""
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
    assert [d.found for d in found.defects] == ["hist has shape (4, 2) and type int16, not one number a point"]
    (tmp_path / "b.pcd").write_bytes(PCD.format(data).encode() + body[: len(body) * 2 // 3])
    with pytest.raises(InputError, match=r"b\.pcd"):
        read_cloud(tmp_path / "b.pcd")


def lzf_compress(data: bytes) -> bytes:
    """Compress with a small, greedy LZF encoder, an independent statement of the format."""
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


TYPES = ("F4", "F8", "I1", "I2", "I4", "I8", "U1", "U2", "U4", "U8")


@st.composite
def tables(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Return fields in any order and of any types: x, y, z, two more, padding, and perhaps a packed color."""
    count = draw(st.integers(1, 5))
    columns = {}
    for name in draw(
        st.permutations(["x", "y", "z", "label", "Intensity", "_", *draw(st.sampled_from([(), ("rgb",), ("RGBA",)]))])
    ):
        kind = np.dtype("<u4" if name.lower() in ("rgb", "rgba") else f"<{draw(st.sampled_from(TYPES)).lower()}")
        if kind.kind == "f":
            values = st.floats(width=8 * kind.itemsize, allow_subnormal=False)
        else:
            values = st.integers(int(np.iinfo(kind).min), int(np.iinfo(kind).max))
        columns[name] = np.array(draw(st.lists(values, min_size=count, max_size=count)), dtype=kind)
    return columns


def encoded(columns: dict[str, np.ndarray], data: str, end: str, blank: str, packed_as: str) -> bytes:
    count = len(columns["x"])
    kinds = [
        ("F" if n.lower() in ("rgb", "rgba") and packed_as != "U" else v.dtype.kind.upper(), v.dtype.itemsize)
        for n, v in columns.items()
    ]
    lines = [
        "# made by hand, Büro",
        "",
        "VERSION .7",
        f"FIELDS {' '.join(columns)}",
        f"SIZE {' '.join(str(s) for _, s in kinds)}",
    ]
    lines += [
        f"TYPE {' '.join(k for k, _ in kinds)}",
        f"WIDTH {count}",
        f"HEIGHT 1{blank}",
        f"POINTS {count} # all",
        f"DATA{blank} {data.upper()}{blank}",
    ]
    if data == "ascii":
        rows = []
        for i in range(count):
            words = []
            for name, v in columns.items():
                if name.lower() in ("rgb", "rgba") and packed_as == "bits":
                    words.append(repr(float(v[i : i + 1].view("<f4")[0])))
                else:
                    words.append(
                        str(int(v[i]))
                        if v.dtype.kind in "iu"
                        else f"{v[i]:.9g}"
                        if v.dtype.itemsize == 4
                        else repr(float(v[i]))
                    )
            rows.append(f" {blank}".join(words) + blank + end)
        body = "".join(rows).encode()
    elif data == "binary":
        table = np.empty(count, [(n, v.dtype) for n, v in columns.items()])
        for name, values in columns.items():
            table[name] = values
        body = table.tobytes()
    else:
        whole = b"".join(v.tobytes() for v in columns.values())
        packed = lzf_compress(whole)
        body = struct.pack("<II", len(packed), len(whole)) + packed
    return end.join([*lines, ""]).encode() + body


@given(
    tables(), st.sampled_from(["ascii", "binary", "binary_compressed"]), st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", " ", "\t"]), st.sampled_from(["U", "number", "bits"]),
)  # fmt: skip
def test_values_read_equal_values_written(
    tmp_path_factory: pytest.TempPathFactory, columns: dict, data: str, end: str, blank: str, packed_as: str
) -> None:
    path = tmp_path_factory.mktemp("a") / "a.pcd"
    packed = next((n for n in columns if n.lower() in ("rgb", "rgba")), None)
    if packed and packed_as != "U" and (packed_as == "bits" or data != "ascii"):
        columns[packed] &= 0x00FFFFFF  # with alphas other than 0 and 255 the bits may be those of an ordinary float
        columns[packed] |= np.uint32(0xFF000000 if data != "ascii" and packed == "RGBA" else 0)
    path.write_bytes(encoded(columns, data, end, blank, packed_as))
    found = read_cloud(path)
    for i, axis in enumerate("xyz"):
        kind = columns[axis].dtype if columns[axis].dtype.kind == "f" else np.dtype(float)
        np.testing.assert_array_equal(found.coord[:, i].astype(kind), columns[axis].astype(kind))
    for name in ("label", "Intensity"):
        assert found.fields[name].dtype == columns[name].dtype
        np.testing.assert_array_equal(found.fields[name], columns[name], err_msg=name)
    assert set(found.fields) <= {"label", "Intensity"}
    if packed:
        assert found.color is not None
        bits = columns[packed]
        np.testing.assert_array_equal(found.color, np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=1))


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


def test_lzf_stops_as_soon_as_there_is_too_much() -> None:
    bomb = b"\0\0" + b"\xe0\xff\0" * 10_000  # 2.64 MB of zeros
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"more than \d{4} bytes after decompression instead of 1000"):
        lzf_decompress(bomb, 1000)
    assert tracemalloc.get_traced_memory()[1] < 10_000
    tracemalloc.stop()


@given(st.binary(max_size=60), st.integers(0, 300))
def test_damaged_lzf_is_one_kind_of_error(packed: bytes, size: int) -> None:
    try:
        assert len(lzf_decompress(packed, size)) == size
    except ValueError as error:
        assert str(error)  # noqa: PT017


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
