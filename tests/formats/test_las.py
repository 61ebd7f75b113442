"""Every column of every LAS and LAZ format is read and copied, described columns and records too."""

from __future__ import annotations

import struct
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
from tests.formats.las_scans import EXTRA, KINDS, compare, edited, scan, write


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
