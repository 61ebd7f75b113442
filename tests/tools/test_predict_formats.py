"""tools/predict.py by format: columns kept as they were, labels written as the numbers of the files."""

from __future__ import annotations

import laspy
import numpy as np
import pytest
from laspy.vlrs.known import WktCoordinateSystemVlr
from plyfile import PlyData, PlyElement

import pcseg
import pcseg.formats
from pcseg.classes import Classes
from pcseg.formats import read_cloud
from tests.tools._runs import CLASSES, checkpoint, failed, room, tool_here
from tests.tools.scans import scan


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("net") / "last.safetensors")


@pytest.mark.parametrize("ending", ["las", "laz", "pcd", "npy", "xyz"])
def test_formats_in_and_out(net, tmp_path, ending):
    source, target = scan(tmp_path / f"scan.{ending}"), tmp_path / f"out.{ending}"
    done = tool_here("predict", f"checkpoint={net}", f"input={source}", f"output={target}", "device=cpu")
    assert done.returncode == 0, done.stderr
    found = read_cloud(target)
    given = read_cloud(source)
    np.testing.assert_allclose(found.coord, given.coord, atol=1e-4)
    np.testing.assert_array_equal(found.fields["label"], pcseg.load(net, "cpu").predict(given.coord, given.color)[0])


@pytest.mark.parametrize("paint", ["false", "true"])
def test_a_las_scan_keeps_its_columns_and_records(net, tmp_path, paint):
    scene = room("a/b", 3)
    header = laspy.LasHeader(point_format=7, version="1.4")
    header.offsets, header.scales = np.array([4.5e5, 5.4e6, 120.0]), np.full(3, 1e-3)
    header.add_extra_dims([laspy.ExtraBytesParams("range", "f4")])
    header.vlrs.append(WktCoordinateSystemVlr('PROJCS["somewhere"]'))
    given = laspy.LasData(header)
    given.x, given.y, given.z = (scene.coord + header.offsets).T
    given.red, given.green, given.blue = scene.color.T.astype(np.uint16) * 257
    given.classification, given.intensity = scene.segment + 2, np.arange(600)
    given.return_number, given.gps_time, given["range"] = 1 + np.arange(600) % 3, np.arange(600.0), np.arange(600.0)
    given.write(tmp_path / "scan.las")
    done = tool_here(
        "predict", f"checkpoint={net}", f"input={tmp_path}/scan.las", f"output={tmp_path}/o.laz", f"paint={paint}"
    )
    assert done.returncode == 0, done.stderr
    found = laspy.read(tmp_path / "o.laz")
    changed = {"red", "green", "blue"} if paint == "true" else set()
    for name in {*given.point_format.dimension_names} - changed:
        np.testing.assert_array_equal(found[name], given[name], err_msg=name)
    assert found.header.vlrs.get("WktCoordinateSystemVlr")[0].string == 'PROJCS["somewhere"]'
    cloud = read_cloud(tmp_path / "scan.las")
    np.testing.assert_array_equal(found["label"], pcseg.load(net, "cpu").predict(cloud.coord, cloud.color)[0])
    if changed:
        assert (found.red == CLASSES.palette()[found["label"]][:, 0].astype(np.uint16) * 257).all()


def test_a_ply_scan_keeps_its_properties(net, tmp_path):
    scene = room("a/b", 3)
    vertex = np.zeros(600, [(n, "f8") for n in "xyz"] + [(n, "f4") for n in ("nx", "ny", "nz", "scalar_Intensity")])
    vertex["x"], vertex["y"], vertex["z"] = scene.coord.T
    vertex["nz"], vertex["scalar_Intensity"] = 1, np.arange(600)
    PlyData([PlyElement.describe(vertex, "vertex")]).write(str(tmp_path / "scan.ply"))
    done = tool_here("predict", f"checkpoint={net}", f"input={tmp_path}/scan.ply", f"output={tmp_path}/o.ply")
    assert done.returncode == 0, done.stderr
    found = PlyData.read(str(tmp_path / "o.ply"))["vertex"]
    assert [p.name for p in found.properties] == [*vertex.dtype.names, "label", "confidence"]
    for name in vertex.dtype.names:
        np.testing.assert_array_equal(found[name], vertex[name])


@pytest.fixture(scope="module")
def coded(tmp_path_factory):
    """A checkpoint whose classes have the numbers 2, 6 and 1000 (or 64) in files."""
    folder = tmp_path_factory.mktemp("coded")
    for name, last in (("las", 64), ("large", 1000)):
        classes = Classes(CLASSES.names, CLASSES.colors, ((2,), (6, 7), (last,)))
        checkpoint(folder / f"{name}.safetensors", classes=classes)
    return folder


@pytest.mark.parametrize("ending", ["ply", "las", "csv", "npy"])
def test_labels_are_written_as_the_numbers_of_the_files(coded, tmp_path, ending):
    source, target = scan(tmp_path / f"scan.{ending}", p4=0.0), tmp_path / f"out.{ending}"
    done = tool_here("predict", f"checkpoint={coded}/large.safetensors", f"input={source}", f"output={target}")
    assert done.returncode == 0, done.stderr
    assert "labels: 2 floor, 6 wall, 1000 chair; -1 unknown" in done.stdout
    given = read_cloud(source)
    labels, _ = pcseg.load(coded / "large.safetensors", "cpu").predict(given.coord, given.color)
    np.testing.assert_array_equal(read_cloud(target).fields["label"], np.array([2, 6, 1000])[labels])
    if ending == "ply":
        assert {"class 2 floor", "class 6 wall", "class 1000 chair"} <= set(PlyData.read(target).comments)


def test_labels_are_written_as_las_classification_when_asked_for(coded, tmp_path):
    source = scan(tmp_path / "scan.las")
    for asked in ("false", "true"):
        done = tool_here(
            "predict", f"checkpoint={coded}/las.safetensors", f"input={source}", f"output={tmp_path}/{asked}.las",
            f"classification={asked}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (laspy.read(tmp_path / "false.las").classification == 0).all()
    found = laspy.read(tmp_path / "true.las")
    np.testing.assert_array_equal(found.classification, found["label"])
    assert set(np.unique(found.classification)) <= {2, 6, 64}
    done = tool_here(
        "predict", f"checkpoint={coded}/large.safetensors", f"input={source}", f"output={tmp_path}/l.las",
        "classification=true",
    )  # fmt: skip
    failed(done, "chair", "1000")
    assert not (tmp_path / "l.las").exists()
