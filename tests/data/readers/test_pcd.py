"""PCD files in their three encodings, against an LZF encoder written here."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg.data.readers import read_cloud
from pcseg.data.readers.lzf import lzf_decompress
from pcseg.errors import InputError

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
