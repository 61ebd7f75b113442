"""Every column of every LAS and LAZ format is read; headers are checked; damage is reported in one line."""

from __future__ import annotations

import itertools
import struct
import time
from pathlib import Path

import laspy
import lazrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.formats.labeled_las import copy_las
from pcseg.formats.las import read_las
from pcseg.formats.las_header import read_header
from pcseg.formats.las_points import DESCRIPTION
from tests.datasets.raw import UTM

LEAST = {0: "1.1", 1: "1.1", 2: "1.2", 3: "1.2", 4: "1.3", 5: "1.3", 6: "1.4", 7: "1.4", 8: "1.4", 9: "1.4", 10: "1.4"}
VERSIONS = ("1.1", "1.2", "1.3", "1.4", "1.5")
KINDS = [
    (kind, v) for kind, v in itertools.product(LEAST, VERSIONS) if v >= LEAST[kind] and not (v == "1.5" and kind < 6)
]
EXTRA = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "2u2", "3f4", "3u1")


def write(path: Path, kind: int, version: str, count: int, extra: tuple[str, ...] = (), seed: int = 0) -> laspy.LasData:
    """Write a scan of random bits."""
    rng = np.random.default_rng(seed)
    header = laspy.LasHeader(point_format=kind, version=version)
    header.scales, header.offsets = np.array([0.001, 0.002, 0.01]), UTM
    header.add_extra_dims([laspy.ExtraBytesParams(f"e{k}", name) for k, name in enumerate(extra)])
    points = laspy.ScaleAwarePointRecord.zeros(count, header=header)
    for name in points.array.dtype.names:
        values = points.array[name]
        if values.dtype.kind == "f":
            values[...] = rng.normal(0, 1e5, values.shape)
        else:
            bounds = np.iinfo(values.dtype)
            values[...] = rng.integers(bounds.min, bounds.max, values.shape, values.dtype, endpoint=True)
    data = laspy.LasData(header, points)
    data.write(str(path))
    return laspy.read(str(path))


def scan(path: Path, kind: int = 3, version: str = "1.2", count: int = 300) -> bytearray:
    """Write a realistic scan, which is easier to compress, and return its bytes."""
    rng = np.random.default_rng(1)
    header = laspy.LasHeader(point_format=kind, version=version)
    header.scales = np.full(3, 0.001)
    data = laspy.LasData(header)
    data.x, data.y, data.z = rng.random((3, count)) * 10
    data.classification = rng.integers(0, 5, count).astype("u1")
    data.write(str(path))
    return bytearray(path.read_bytes())


def edited(path: Path, *changes: tuple[int, str, object]) -> Path:
    data = bytearray(path.read_bytes())
    for at, form, value in changes:
        struct.pack_into(form, data, at, value)
    path.write_bytes(data)
    return path


def said(path: Path) -> str:
    """Return the message with which a file is refused, or ""."""
    try:
        read_las(path)
    except InputError as error:
        return str(error)
    return ""


def compare(path: Path, given: laspy.LasData) -> None:
    """Compare every column with that of laspy."""
    cloud = read_las(path)
    np.testing.assert_array_equal(cloud.coord, np.stack([given.x, given.y, given.z], axis=1))
    seen = {"X", "Y", "Z"}
    if "red" in given.point_format.dimension_names:
        seen |= {"red", "green", "blue"}
        wide = np.stack([given.red, given.green, given.blue], axis=1)
        assert cloud.color is not None
        assert np.abs(cloud.color - wide / 257).max() <= 0.5
    for name in given.point_format.dimension_names:
        if name in seen:
            continue
        values = np.asarray(given[name])
        if values.ndim == 1:
            np.testing.assert_array_equal(cloud.fields[name], values, err_msg=name)
            seen.add(name)
        else:
            for k in range(values.shape[1]):
                np.testing.assert_array_equal(cloud.fields[f"{name}[{k}]"], values[:, k], err_msg=name)
                seen.add(f"{name}[{k}]")
    assert {*cloud.fields} <= seen


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS),
    ending=st.sampled_from(["las", "laz"]),
    count=st.integers(1, 40),
    extra=st.lists(st.sampled_from(EXTRA), max_size=4),
    seed=st.integers(0, 1000),
    to=st.sampled_from(["las", "laz"]),
)
def test_every_column_is_read_and_copied(
    tmp_path: Path, kind: tuple[int, str], ending: str, count: int, extra: list[str], seed: int, to: str
) -> None:
    path, copy = tmp_path / f"a.{ending}", tmp_path / f"b.{to}"
    given = write(path, *kind, count, tuple(extra), seed)
    if "red" in given.point_format.dimension_names:
        given.red[:1] = 65535  # values that show the range
        given.write(str(path))
        given = laspy.read(str(path))
    compare(path, given)
    labels, confidence = np.arange(count, dtype=np.uint8), np.linspace(0, 1, count, dtype=np.float32)
    with open(copy, "w+b") as stream:
        if kind[0] in (4, 5, 9, 10) and to == "laz":
            with pytest.raises(InputError, match="cannot hold the waveforms"):
                copy_las(stream, path, copy, {"label": labels, "confidence": confidence})
            return
        copy_las(stream, path, copy, {"label": labels, "confidence": confidence})
    found = laspy.read(str(copy))
    assert found.points.array.dtype.names == (*given.points.array.dtype.names, "label", "confidence")
    for name in given.points.array.dtype.names:
        np.testing.assert_array_equal(found.points.array[name], given.points.array[name], err_msg=name)
    np.testing.assert_array_equal(found["label"], labels)
    np.testing.assert_array_equal(found["confidence"], confidence)
    assert (found.header.point_format.id, str(found.header.version)) == (kind[0], max(kind[1], "1.2"))
    assert not read_header(copy).defects


def test_a_laz_of_many_chunks(tmp_path: Path) -> None:
    given = write(tmp_path / "a.laz", 3, "1.2", 130_001)
    compare(tmp_path / "a.laz", given)


def test_las_1_0_and_names_in_other_alphabets(tmp_path: Path) -> None:
    given = write(tmp_path / "a.las", 1, "1.1", 20, ("u1",))
    data = bytearray((tmp_path / "a.las").read_bytes())
    data[25] = 0
    at = data.index(b"e0\0")
    data[at : at + 6] = "Größe".encode("latin-1") + b"\0"
    (tmp_path / "a.las").write_bytes(data)
    cloud = read_las(tmp_path / "a.las")
    np.testing.assert_array_equal(cloud.fields["Größe"], given["e0"])
    with open(tmp_path / "b.las", "w+b") as stream:
        copy_las(stream, tmp_path / "a.las", tmp_path / "b.las", {"label": np.zeros(20, np.uint8)})
    np.testing.assert_array_equal(laspy.read(tmp_path / "b.las")["Größe"], given["e0"])


def test_described_scales_and_no_data_values(tmp_path: Path) -> None:
    header = laspy.LasHeader(point_format=0, version="1.2")
    header.add_extra_dims([
        laspy.ExtraBytesParams("range", "i2", scales=np.array([0.5]), offsets=np.array([10.0]), no_data=np.array([-1])),
        laspy.ExtraBytesParams("beam", "3i2", scales=np.array([1.0, 2.0, 0.0]), offsets=np.zeros(3)),
    ])  # fmt: skip
    data = laspy.LasData(header, laspy.ScaleAwarePointRecord.zeros(3, header=header))
    data.points.array["range"], data.points.array["beam"] = [4, -1, -1], [[1, 2, 3]] * 3
    data.write(str(tmp_path / "a.las"))
    cloud = read_las(tmp_path / "a.las")
    assert cloud.fields["range"].tolist() == [12.0, 9.5, 9.5]
    assert [cloud.fields[f"beam[{k}]"][0] for k in range(3)] == [1, 4, 3]
    said = " ".join(map(str, cloud.defects))
    assert "2 values of range" in said
    assert "beam[2] has the scale 0" in said


def describe(name: str, number: int, options: int = 0) -> bytes:
    return DESCRIPTION.pack(number, options, name.encode(), b"", b"", b"", *(0.0,) * 6, b"")


def longer(path: Path, kind: int, version: str, described: bytes, spare: bytes) -> int:
    """Write a scan with ``spare`` more bytes per point and ``described`` as their description; returns its number of
    points.
    """
    given = scan(path.with_suffix(".las"), kind, version, 50)
    start, width = struct.unpack_from("<I", given, 96)[0], struct.unpack_from("<H", given, 105)[0]
    rows = np.frombuffer(bytes(given[start:]), np.uint8).reshape(50, width)
    rows = np.concatenate([rows, np.tile(np.frombuffer(spare, np.uint8), (50, 1))], axis=1)
    record = struct.pack("<2x16sHH32x", b"LASF_Spec", 4, len(described)) + described if described else b""
    struct.pack_into("<II", given, 96, start + len(record), bool(described))
    struct.pack_into("<H", given, 105, width + len(spare))
    path.with_suffix(".las").write_bytes(bytes(given[:start]) + record + rows.tobytes())
    if path.suffix == ".laz":
        header = bytearray(given[:start])
        vlr = lazrs.LazVlr.new_for_compression(kind, len(spare))
        laszip = struct.pack("<2x16sHH32x", b"laszip encoded", 22204, len(vlr.record_data())) + vlr.record_data()
        struct.pack_into("<II", header, 96, start + len(record) + len(laszip), 1 + bool(described))
        header[104] |= 0x80
        with open(path, "w+b") as stream:
            stream.write(header + record + laszip)
            packer = lazrs.LasZipCompressor(stream, vlr)
            packer.compress_many(rows.tobytes())
            packer.done()
    return 50


TWICE = describe("label_", 1) + describe("label_", 1) + describe("x", 1) + describe("", 1) + describe("intensity", 1)


@pytest.mark.parametrize(("kind", "version"), [(0, "1.2"), (7, "1.4")])
@pytest.mark.parametrize(("before", "after"), [("las", "las"), ("las", "laz"), ("laz", "laz"), ("laz", "las")])
@pytest.mark.parametrize(
    ("described", "spare", "wanted", "said"),
    [
        (b"", b"abc", {}, "3 bytes of each point are not described"),
        (b"", bytes(range(13)), {}, "13 bytes"),
        (b"", bytes(300), {}, "300 bytes"),
        (describe("dev", 3), b"\x01\x02" + bytes(27), {"dev": 513}, "27 bytes"),
        (describe("dev", 3) + describe("raw", 0, 25), b"\x01\x02" + bytes(27), {"dev": 513}, "27 bytes"),
        (describe("dev", 3) + describe("more", 10), b"\x01\x02", {"dev": 513}, "do not fit in its points: more"),
        (describe("dev", 3) + describe("odd", 77), b"\x01\x02\x03", {"dev": 513}, "type 77"),
        (TWICE, b"abcde", {"label_": 97, "label__2": 98, "x_2": 99, "extra": 100, "intensity_2": 101}, "of another"),
        (describe("dev", 3)[:-1], b"\x01\x02", {}, "cut off"),
    ],
)  # fmt: skip
def test_wrong_descriptions_of_extra_bytes_are_reported(
    tmp_path: Path, kind: int, version: str, before: str, after: str,
    described: bytes, spare: bytes, wanted: dict[str, int], said: str,
) -> None:  # fmt: skip
    source, copy = tmp_path / f"a.{before}", tmp_path / f"b.{after}"
    count = longer(source, kind, version, described, spare)
    cloud = read_las(source)
    assert {name: set(cloud.fields[name].tolist()) for name in wanted} == {k: {v} for k, v in wanted.items()}
    assert cloud.fields["classification"].any()
    assert said in " ".join(map(str, cloud.defects))
    with open(copy, "w+b") as stream:
        copy_las(stream, source, copy, {"label": np.arange(count, dtype=np.uint8)})
    found = laspy.read(copy)  # which is strict
    np.testing.assert_array_equal(found["label"], np.arange(count))
    np.testing.assert_array_equal(found.classification, cloud.fields["classification"])
    for name, value in wanted.items():
        assert set(found.points.array[name].tolist()) == {value}
    width = laspy.PointFormat(kind).size
    rows = np.frombuffer(found.points.array.tobytes(), np.uint8).reshape(count, -1)
    assert rows[0, width:-1].tobytes() == spare
    again = read_las(copy)
    assert {*again.fields} == {*cloud.fields, "label"}


def test_records_after_the_points_and_waveforms_are_kept(tmp_path: Path) -> None:
    given = write(tmp_path / "a.las", 9, "1.4", 20)
    given.evlrs = laspy.vlrs.vlrlist.VLRList([laspy.VLR("mine", 5, "kept", b"x" * 100_000)])
    given.evlrs.append(laspy.VLR("LASF_Spec", 65535, "", bytes(range(100))))
    given.evlrs.append(laspy.VLR("copc", 1000, "", b"places"))
    given.write(str(tmp_path / "a.las"))
    data = (tmp_path / "a.las").read_bytes()
    edited(tmp_path / "a.las", (227, "<Q", data.index(bytes(range(100))) - 60))
    with open(tmp_path / "b.las", "w+b") as stream:
        copy_las(stream, tmp_path / "a.las", tmp_path / "b.las", {"label": np.zeros(20, np.uint8)})
    found = laspy.read(tmp_path / "b.las")
    assert [(v.user_id, len(v.record_data)) for v in found.evlrs] == [("mine", 100_000), ("LASF_Spec", 100)]
    data = (tmp_path / "b.las").read_bytes()
    assert found.header.start_of_waveform_data_packet_record == data.index(bytes(range(100))) - 60
    np.testing.assert_array_equal(found.wavepacket_offset, given.wavepacket_offset)


def test_classes_beyond_the_bits_of_old_formats_are_refused(tmp_path: Path) -> None:
    scan(tmp_path / "a.las", count=20)
    classes = np.arange(20, dtype=np.uint8)
    with open(tmp_path / "b.las", "w+b") as stream:
        copy_las(stream, tmp_path / "a.las", tmp_path / "b.las", {"label": classes, "classification": classes})
    np.testing.assert_array_equal(laspy.read(tmp_path / "b.las").classification, classes)
    with (
        open(tmp_path / "b.las", "w+b") as stream,
        pytest.raises(InputError, match=r"classification 51, but .* 0 to 31"),
    ):
        copy_las(stream, tmp_path / "a.las", tmp_path / "b.las", {"label": classes, "classification": classes + 32})


LARGE = 0xFFFFFFF0


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
