"""The labeled copy of a scan in LAS, LAZ and PLY holds all that the scan holds, and two more columns."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tracemalloc
from pathlib import Path

import laspy
import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from pcseg.errors import InputError
from pcseg.formats import WRITERS, encode, labeled_las, read_cloud, write_labeled, written
from tests.formats.labeled_scans import CONFIDENCE, LABELS, PAINT, copied, las, ply


@pytest.fixture(autouse=True)
def several_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy the clouds of these tests in pieces, as large ones are."""
    for module in (labeled_las, encode, written):
        monkeypatch.setattr(module, "ROWS", 7)


@pytest.mark.parametrize(("before", "after"), [(".las", ".laz"), (".laz", ".LAS"), (".las", ".las")])
def test_las_keeps_every_column_and_record(tmp_path: Path, before: str, after: str) -> None:
    source, path = las(tmp_path / f"a{before}"), tmp_path / f"b{after}"
    copied(source, path)
    given, found = laspy.read(source), laspy.read(path)
    names = [n for n in given.points.array.dtype.names if n != "Label"]
    assert list(found.points.array.dtype.names) == [*names, "label", "confidence"]
    for name in names:
        np.testing.assert_array_equal(found.points.array[name], given.points.array[name], err_msg=name)
    np.testing.assert_array_equal(found["label"], LABELS)
    np.testing.assert_array_equal(found["confidence"], CONFIDENCE)
    assert found["label"].dtype == np.int16
    np.testing.assert_array_equal(found["amplitude"], given["amplitude"])  # a scaled column
    for key in ("point_format.id", "version", "scales", "offsets", "mins", "maxs", "number_of_points_by_return"):
        here, there = found.header, given.header
        for part in key.split("."):
            here, there = getattr(here, part), getattr(there, part)
        assert str(here) == str(there), key
    assert found.header.are_points_compressed == (after == ".laz")
    kept = [v for v in found.header.vlrs if v.user_id == "mine"]
    assert [v.record_data for v in kept] == [b"kept"]
    assert [v.string for v in found.header.vlrs.get("WktCoordinateSystemVlr")] == ['PROJCS["somewhere"]']
    assert [(v.user_id, v.record_data) for v in found.header.evlrs] == [("big", b"kept too")]
    assert not [v for v in found.header.vlrs if v.user_id == "copc"]  # an index of offsets in the other file
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_las_keeps_the_descriptions_of_extra_columns(tmp_path: Path) -> None:
    copied(las(tmp_path / "a.las"), tmp_path / "b.las")
    with laspy.open(tmp_path / "b.las") as file:
        (vlr,) = file.header.vlrs.get("ExtraBytesVlr")
    structs = {s.format_name(): s for s in vlr.extra_bytes_structs}
    assert list(structs) == ["amplitude", "beam", "echo", "label", "confidence"]
    assert structs["echo"].no_data.tolist() == [-1]
    assert structs["beam"].description.startswith(b"direction")
    assert not any(s.min_is_relevant() or s.max_is_relevant() for s in structs.values())  # that of laspy would be wrong


@pytest.mark.parametrize(
    ("point_format", "version", "wanted"),
    [(0, "1.1", (2, "1.2")), (1, "1.2", (3, "1.2")), (4, "1.3", (5, "1.3")), (6, "1.4", (7, "1.4")),
    (2, "1.4", (2, "1.4"))],
)  # fmt: skip
def test_las_is_painted_even_where_it_had_no_colors(
    tmp_path: Path, point_format: int, version: str, wanted: tuple[int, str]
) -> None:
    source = las(tmp_path / "a.las", point_format, version)
    copied(source, tmp_path / "b.las", PAINT)
    given, found = laspy.read(source), laspy.read(tmp_path / "b.las")
    assert (found.header.point_format.id, str(found.header.version)) == wanted
    np.testing.assert_array_equal(np.stack([found.red, found.green, found.blue], axis=1), PAINT.astype(np.uint16) * 257)
    for name in {*given.points.array.dtype.names} - {"Label", "red", "green", "blue"}:
        np.testing.assert_array_equal(found.points.array[name], given.points.array[name], err_msg=name)
    assert found["label"].tolist() == LABELS.tolist()


@pytest.mark.parametrize("suffix", [".las", ".laz"])
@pytest.mark.parametrize(("point_format", "version", "most"),
    [(0, "1.2", 31), (3, "1.2", 31), (2, "1.2", 31), (6, "1.4", 255), (7, "1.4", 255), (8, "1.4", 255)])  # fmt: skip
def test_labels_become_the_classification_of_las(
    tmp_path: Path, suffix: str, point_format: int, version: str, most: int
) -> None:
    source, path = las(tmp_path / "a.las", point_format, version), tmp_path / f"b{suffix}"
    labels = np.where(LABELS == 11, most, LABELS)
    cloud = read_cloud(source)
    write_labeled(source, path, cloud, labels, CONFIDENCE, classification=True)
    given, found = laspy.read(source), laspy.read(path)
    np.testing.assert_array_equal(found.classification, np.maximum(labels, 0))
    np.testing.assert_array_equal(found["label"], labels)
    for name in ("synthetic", "key_point", "withheld", "user_data", "intensity"):  # some share its byte
        np.testing.assert_array_equal(found[name], given[name], err_msg=name)
    path.unlink()
    with pytest.raises(InputError, match=str(most + 1)):
        write_labeled(source, path, cloud, labels + (labels == most), CONFIDENCE, classification=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.las"]


@pytest.mark.parametrize("suffix", WRITERS)
def test_labels_as_classification_from_and_to_other_formats(tmp_path: Path, suffix: str) -> None:
    ply(tmp_path / "a.ply")
    cloud = read_cloud(tmp_path / "a.ply")
    write_labeled(tmp_path / "a.ply", tmp_path / f"b{suffix}", cloud, LABELS, CONFIDENCE, classification=True)
    assert read_cloud(tmp_path / f"b{suffix}").fields["classification"].tolist() == np.maximum(LABELS, 0).tolist()
    with pytest.raises(InputError, match="trees has the number 300, but classification holds 0 to 255"):
        write_labeled(
            tmp_path / "a.ply", tmp_path / f"c{suffix}", cloud, LABELS * 0 + 300, CONFIDENCE, names={300: "trees"},
            classification=True,
        )  # fmt: skip


@pytest.mark.parametrize("name", ["a.las", "a.ply"])
def test_a_copy_that_does_not_read_back_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (las if name == "a.las" else ply)(tmp_path / name)
    cloud = read_cloud(tmp_path / name)
    shifted = dataclasses.replace(cloud, coord=cloud.coord + 0.01)
    monkeypatch.setattr(encode, "WRITERS", encode.WRITERS | {".ply": lambda stream, *_: stream.write(b"ply")})
    with pytest.raises(InputError, match=f"b{name}: not written, since it could not be read back"):
        write_labeled(tmp_path / name, tmp_path / f"b{name}", shifted, LABELS, CONFIDENCE)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("suffix", [s for s in WRITERS if s != ".ply"])
def test_between_formats_all_columns_remain(tmp_path: Path, suffix: str) -> None:
    given = ply(tmp_path / "a.ply")
    copied(tmp_path / "a.ply", tmp_path / f"b{suffix}")
    found = read_cloud(tmp_path / f"b{suffix}")
    assert found.color is not None
    assert found.normal is not None
    np.testing.assert_array_equal(found.color, np.stack([given[c] for c in ("red", "green", "blue")], axis=1))
    np.testing.assert_array_equal(found.normal, np.stack([given[c] for c in ("nx", "ny", "nz")], axis=1))
    for name in ("scalar_Intensity", "time", "ring"):
        own = "intensity" if name == "scalar_Intensity" and suffix in (".las", ".laz") else name
        np.testing.assert_array_equal(found.fields[own], given[name], err_msg=name)
    assert found.fields["label"].tolist() == LABELS.tolist()
    copied(tmp_path / "a.ply", tmp_path / f"b{suffix}", PAINT)
    np.testing.assert_array_equal(read_cloud(tmp_path / f"b{suffix}").color, PAINT)


def test_a_scan_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    las(tmp_path / "a.las")
    ply(tmp_path / "a.ply")
    for name in ("a.las", "a.ply"):
        cloud = read_cloud(tmp_path / name)
        with pytest.raises(InputError, match=rf"{name}: has 25 points, but had 24"):
            write_labeled(tmp_path / name, tmp_path / f"b{name}", cloud, LABELS[1:], CONFIDENCE[1:])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.las", "a.ply"]


def test_a_large_scan_is_never_in_memory_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (labeled_las, encode, written):
        monkeypatch.setattr(module, "ROWS", 5_000)
    count = 100_000
    las(tmp_path / "a.las", count=count)
    kinds = [(n, "f8") for n in ("x", "y", "z", "a", "b", "c", "d")]
    PlyData([PlyElement.describe(np.zeros(count, kinds), "vertex")]).write(str(tmp_path / "a.ply"))
    labels, confidence = np.zeros(count, np.int64), np.zeros(count, np.float32)
    for name in ("a.las", "a.ply"):
        cloud = read_cloud(tmp_path / name)
        size = (tmp_path / name).stat().st_size
        tracemalloc.start()
        write_labeled(tmp_path / name, tmp_path / f"b{name}", cloud, labels, confidence)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 0.5 * size, name


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    las(tmp_path / "a.las", count=20_000)
    PlyData([PlyElement.describe(np.zeros(20_000, [(n, "f8") for n in "xyz"]), "vertex")]).write(
        str(tmp_path / "a.ply")
    )
    program = f"""
import resource
from pathlib import Path
import numpy as np
from pcseg.formats import read_cloud, write_labeled
from pcseg.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
root = Path({str(tmp_path)!r})
for source, path in (("a.las", "b.las"), ("a.las", "b.laz"), ("a.ply", "b.ply")):
    cloud = read_cloud(root / source)
    try:
        write_labeled(root / source, root / path, cloud, np.zeros(len(cloud), int), np.zeros(len(cloud)))
    except InputError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    wanted = [f"{tmp_path}/b.{ending}: cannot write" for ending in ("las", "laz", "ply")]
    assert [line.partition(" (")[0] for line in done.stdout.splitlines()] == wanted
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.las", "a.ply"]
