"""LAZ of every kind that lazrs knows is read; damaged or impossible files are refused in one line."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import lazrs
import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.formats.las import read_las
from tests.formats.las_scans import LARGE, compare, edited, said, scan, write


def test_a_laz_of_many_chunks(tmp_path: Path) -> None:
    given = write(tmp_path / "a.laz", 3, "1.2", 130_001)
    compare(tmp_path / "a.laz", given)


@pytest.mark.parametrize(
    ("at", "form", "value", "said"),
    [
        (0, "<H", 0, "compressor 0"), (0, "<H", 9, "compressor 9"), (2, "<H", 1, "coder 1"),
        (32, "<H", 0, "0 items"), (32, "<H", 500, "500 items"), (34, "<H", 77, "of type 77"),
        (36, "<H", 21, "21 bytes"),
        (38, "<H", 99, "versions 99"), (0, "<H", 3, "compressor 3 for points of format 3"),
    ],
)  # fmt: skip
def test_laz_of_unknown_kinds(tmp_path: Path, at: int, form: str, value: int, said: str) -> None:
    record = scan(tmp_path / "a.laz").index(b"laszip encoded") - 2 + 54
    with pytest.raises(InputError, match=f"{said}.*decompress it with laszip"):
        read_las(edited(tmp_path / "a.laz", (record + at, form, value)))


@pytest.mark.parametrize(("kind", "version"), [(3, "1.2"), (7, "1.4")])
def test_impossible_laz_tables_are_refused(tmp_path: Path, kind: int, version: str) -> None:
    data = scan(tmp_path / "a.laz", kind, version)
    (start,) = struct.unpack_from("<I", data, 96)
    (table,) = struct.unpack_from("<q", data, start)
    for at, form, value in (
        (start, "<q", -1), (start, "<q", len(data) + 9), (start, "<q", start), (table, "<I", 5),
        (table + 4, "<I", LARGE),
        (table + 4, "<I", 0), (table + 4, "<I", 9), (table + 8, "<I", 12345), (start, "<q", table - 1),
        (data.index(b"laszip encoded") + 64, "<I", 0),
    ):  # fmt: skip
        (tmp_path / "a.laz").write_bytes(data)
        begun = time.monotonic()
        with pytest.raises(InputError, match=r"a\.laz"):
            read_las(edited(tmp_path / "a.laz", (at, form, value)))
        assert time.monotonic() - begun < 5
    streamed = bytes(data) + struct.pack("<q", table)  # the table of a file written to a pipe is found from its end
    (tmp_path / "a.laz").write_bytes(streamed)
    assert len(read_las(edited(tmp_path / "a.laz", (start, "<q", -1)))) == 300


def test_laz_without_chunks(tmp_path: Path) -> None:
    """Points in one piece without a table, the compressor 1 of LASzip, are read."""
    scan(tmp_path / "a.las")
    data = scan(tmp_path / "a.laz")
    (start,) = struct.unpack_from("<I", data, 96)
    (table,) = struct.unpack_from("<q", data, start)
    record = data.index(b"laszip encoded") - 2 + 54
    for chunk in (0, 50_000, 0xFFFFFFFF):
        struct.pack_into("<H", data, record, 1)
        struct.pack_into("<I", data, record + 12, chunk)
        (tmp_path / "a.laz").write_bytes(data[:start] + data[start + 8 : table])
        np.testing.assert_array_equal(read_las(tmp_path / "a.laz").coord, read_las(tmp_path / "a.las").coord)


def test_laz_of_chunks_of_any_size(tmp_path: Path) -> None:
    scan(tmp_path / "a.las")
    data = bytearray((tmp_path / "a.las").read_bytes())
    (start,) = struct.unpack_from("<I", data, 96)
    vlr = lazrs.LazVlr.new_for_compression(3, 0, True)
    record = vlr.record_data()
    struct.pack_into("<II", data, 96, start + 54 + len(record), 1)
    data[104] |= 0x80
    points = bytes(data[start:])
    with open(tmp_path / "a.laz", "w+b") as stream:
        stream.write(data[:start] + struct.pack("<2x16sHH32x", b"laszip encoded", 22204, len(record)) + record)
        packer = lazrs.LasZipCompressor(stream, vlr)
        packer.compress_chunks([points[: 34 * 100], points[34 * 100 : 34 * 101], points[34 * 101 :]])
        packer.done()
    np.testing.assert_array_equal(read_las(tmp_path / "a.laz").coord, read_las(tmp_path / "a.las").coord)
    at = (tmp_path / "a.laz").read_bytes().index(b"laszip encoded") + 64
    edited(tmp_path / "a.laz", (at, "<I", 0))  # as some writers of COPC do
    np.testing.assert_array_equal(read_las(tmp_path / "a.laz").coord, read_las(tmp_path / "a.las").coord)
    for count, wanted in ((301, "300 points, but its header says 301"), (0, "0 points, but it holds")):
        with pytest.raises(InputError, match=wanted):
            read_las(edited(tmp_path / "a.laz", (107, "<I", count)))
    assert "holds 300" in str(read_las(edited(tmp_path / "a.laz", (107, "<I", 99))).defects[0])


@pytest.mark.parametrize(("kind", "version"), [(3, "1.2"), (7, "1.4")])
def test_damaged_laz_costs_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: int, version: str) -> None:
    data = scan(tmp_path / "a.laz", kind, version)
    (start,) = struct.unpack_from("<I", data, 96)
    (table,) = struct.unpack_from("<q", data, start)
    rng = np.random.default_rng(kind)
    parts = [(0, start), (start, start + 8), (start + 8, table), (table, len(data)), (0, len(data))]
    refused = 0
    for turn in range(60):
        low, high = parts[turn % len(parts)]
        damaged = bytearray(data)
        for _ in range(rng.integers(1, 9)):
            damaged[rng.integers(low, high)] ^= 1 << rng.integers(0, 8)
        if turn % 7 == 0:
            damaged = damaged[: rng.integers(0, len(damaged))]
        (tmp_path / "a.laz").write_bytes(damaged)
        message = said(tmp_path / "a.laz")
        assert not message or message.startswith(f"{tmp_path / 'a.laz'}: ")
        assert "\n" not in message
        refused += bool(message)
    assert refused > 20
    assert capfd.readouterr() == ("", "")
