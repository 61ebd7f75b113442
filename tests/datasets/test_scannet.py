"""Raw ScanNet: labels by name from NYU40 ids, objects, superpoints, alignment, splits, and known defects."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE, SCANNET20
from pcseg.datasets import ScannetReader, is_scannet
from pcseg.datasets.scannet import scannet20_of_nyu40, vertex_normals
from pcseg.errors import InputError
from tests.datasets.raw import scannet_scene

LISTS = Path(__file__).parents[3].parent / "shared" / "data" / "lists"
TSV = "id\traw_category\tcategory\tcount\tnyu40id\n1\toffice chair \tchair\t9\t5\n2\tobject\tobject\t9\t40\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    scannet_scene(tmp_path / "scans/scene0000_00")
    scannet_scene(tmp_path / "scans/scene0001_00")
    scannet_scene(tmp_path / "scans_test/scene0707_00", labeled=False)
    return tmp_path


def test_a_scene(root: Path) -> None:
    scene, defects = ScannetReader(str(root)).read("train/scene0000_00")
    assert scene.coord[:, 0].tolist() == [0, 1, 0, 1, 2]
    assert scene.color is not None
    assert scene.color[:, 0].tolist() == [10, 20, 30, 40, 50]
    assert scene.normal is not None
    assert scene.normal.tolist() == [[0, 0, 1]] * 4 + [[0, 0, 0]]
    assert scene.segment is not None
    chair = SCANNET20.index("chair")
    assert scene.segment.tolist() == [chair] * 3 + [IGNORE] * 2
    assert scene.instance is not None
    assert scene.instance.tolist() == [0, 0, 0, -1, -1]
    assert scene.superpoint is not None
    assert scene.superpoint.tolist() == [0, 0, 0, 1, 1]
    assert len(defects) == 1
    assert "labels.ply: label 50 is not a NYU40 id (1 points)" in str(defects[0])


def test_labels_from_objects_where_there_is_no_labels_ply(root: Path) -> None:
    (root / "scans/scene0000_00/scene0000_00_vh_clean_2.labels.ply").unlink()
    reader = ScannetReader(str(root))
    with pytest.raises(InputError, match=r"labels\.combined\.tsv: no such file"):
        reader.read("train/scene0000_00")
    (root / "scannetv2-labels.combined.tsv").write_text(TSV)
    scene, defects = reader.read("train/scene0000_00")
    assert scene.segment is not None
    assert scene.segment.tolist() == [SCANNET20.index("chair")] * 3 + [IGNORE] * 2
    assert defects == []
    (root / "scannetv2-labels.combined.tsv").write_text(TSV.replace("office chair", "throne"))
    scene, defects = reader.read("train/scene0000_00")
    assert scene.segment is not None
    assert (scene.segment == IGNORE).all()
    assert "category 'office chair' is not in" in str(defects[0])


def test_hidden_and_missing_labels(root: Path) -> None:
    scene, defects = ScannetReader(str(root)).read("test/scene0707_00")
    assert scene.segment is None
    assert defects == []
    scannet_scene(root / "scans/scene0002_00", labeled=False)
    scene, defects = ScannetReader(str(root)).read("train/scene0002_00")
    assert scene.segment is None
    assert "unlabeled" in str(defects[0])


def test_alignment_is_an_option(root: Path) -> None:
    scene, _ = ScannetReader(str(root), align=True).read("train/scene0000_00")
    plain, _ = ScannetReader(str(root)).read("train/scene0000_00")
    expected = np.stack([10 - plain.coord[:, 1], 20 + plain.coord[:, 0], 30 + plain.coord[:, 2]], axis=1)
    np.testing.assert_allclose(scene.coord, expected)
    info = root / "scans/scene0000_00/scene0000_00.txt"
    info.write_text("axisAlignment = 1 2 3\n")
    with pytest.raises(InputError, match="axisAlignment is not 16 numbers"):
        ScannetReader(str(root), align=True).read("train/scene0000_00")
    info.write_text("colorWidth = 1296\n")
    scene, defects = ScannetReader(str(root), align=True).read("train/scene0000_00")
    np.testing.assert_array_equal(scene.coord, plain.coord)
    assert any("no axisAlignment" in str(d) for d in defects)


def test_splits_by_folder_and_by_list(root: Path) -> None:
    assert ScannetReader(str(root)).scenes() == ["test/scene0707_00", "train/scene0000_00", "train/scene0001_00"]
    lists = root / "lists"
    lists.mkdir()
    with pytest.raises(InputError, match=r"scannetv2_train\.txt: no such file"):
        ScannetReader(str(root), str(lists)).scenes()
    (lists / "scannetv2_train.txt").write_text("scene0009_00\nscene0009_01\n")
    (lists / "scannetv2_val.txt").write_text("scene0001_00\n")
    (lists / "scannetv2_test.txt").write_text("scene0707_00\n")
    reader = ScannetReader(str(root), str(lists))
    assert reader.scenes() == ["test/scene0707_00", "unlisted/scene0000_00", "val/scene0001_00"]
    reported = "\n".join(map(str, reader.remarks()))
    assert "train: 2 of the 2 listed scenes are missing, scene0009_00 first" in reported
    assert "1 scenes are in none of the lists" in reported


@pytest.mark.parametrize(
    ("file", "content", "found"),
    [
        ("_vh_clean_2.0.010000.segs.json", json.dumps({"segIndices": [1, 2]}), "2 segments for 5 vertices"),
        ("_vh_clean_2.0.010000.segs.json", "{}", "no list segIndices"),
        ("_vh_clean_2.0.010000.segs.json", "[]", "no list segIndices"),
        ("_vh_clean_2.0.010000.segs.json", json.dumps({"segIndices": [1.5] * 5}), "no list segIndices"),
        ("_vh_clean_2.0.010000.segs.json", json.dumps({"segIndices": ["1"] * 5}), "no list segIndices"),
        ("_vh_clean_2.0.010000.segs.json", "[" * 100_000, "segs.json: not a readable JSON file"),
        (".aggregation.json", "{}", "no segGroups"),
        ("_vh_clean_2.ply", "ply\n", "not a readable PLY"),
    ],
)
def test_damaged_scenes(root: Path, file: str, content: str, found: str) -> None:
    (root / f"scans/scene0000_00/scene0000_00{file}").write_text(content)
    with pytest.raises(InputError, match=found):
        ScannetReader(str(root)).read("train/scene0000_00")


def test_other_vertex_counts_and_absent_meshes(root: Path) -> None:
    scenes = root / "scans"
    (scenes / "scene0000_00/scene0000_00_vh_clean_2.labels.ply").write_bytes(
        (scenes / "scene0001_00/scene0001_00_vh_clean_2.ply").read_bytes()
    )
    (scenes / "scene0001_00/scene0001_00_vh_clean_2.ply").unlink()
    with pytest.raises(InputError, match="0 labels for 5 vertices"):
        ScannetReader(str(root)).read("train/scene0000_00")
    with pytest.raises(InputError, match=r"vh_clean_2\.ply: no such file"):
        ScannetReader(str(root)).read("train/scene0001_00")


def test_links_and_folders_that_are_not_used(root: Path) -> None:
    scannet_scene(root / "disk/scene0005_00")
    (root / "scans/scene0005_00").symlink_to(root / "disk/scene0005_00")
    (root / "scans/scene0006_00").symlink_to("/nowhere")
    scannet_scene(root / "scans/scene0007_00_copy")
    reader = ScannetReader(str(root))
    assert [name for name in reader.scenes() if "train" in name] == [f"train/scene000{i}_00" for i in (0, 1, 5)]
    assert reader.read("train/scene0005_00")[0].labels_from == "labels.ply"
    reported = "\n".join(map(str, reader.remarks()))
    assert "scene0006_00: a link to /nowhere, which is not there; not used" in reported
    assert "1 folders of meshes, scene0007_00_copy first, are not called sceneNNNN_NN; not used" in reported
    scannet_scene(root / "scene0001_00")
    with pytest.raises(InputError, match=r"scene0001_00: .*scans/scene0001_00 is the same scene; remove one"):
        ScannetReader(str(root)).scenes()


@pytest.mark.parametrize("matrix", ["nan " * 16, "2 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1", "0 " * 16])
def test_an_alignment_that_is_no_rotation(root: Path, matrix: str) -> None:
    (root / "scans/scene0000_00/scene0000_00.txt").write_text(f"axisAlignment = {matrix}\n")
    with pytest.raises(InputError, match="axisAlignment is not a rotation and shift"):
        ScannetReader(str(root), align=True).read("train/scene0000_00")


@pytest.mark.parametrize("text", ["raw_category\tnyu40id\nchair\tx\n", "a\x00b", '"' + "x" * 200_000, "raw_category\n"])
def test_a_damaged_table_of_categories(root: Path, text: str) -> None:
    (root / "scans/scene0000_00/scene0000_00_vh_clean_2.labels.ply").unlink()
    (root / "scannetv2-labels.combined.tsv").write_text(text)
    with pytest.raises(InputError, match=r"combined\.tsv: no columns raw_category and nyu40id"):
        ScannetReader(str(root)).read("train/scene0000_00")


def test_every_nyu40_id() -> None:
    labels, defects = scannet20_of_nyu40(np.arange(41), "here")
    assert defects == []
    assert [SCANNET20.names[label] for label in labels if label != IGNORE] == list(SCANNET20.names)
    assert labels[[0, 13, 15, 22, 40]].tolist() == [IGNORE] * 5
    assert labels[14] == SCANNET20.index("desk")


def test_normals_are_those_of_a_sphere() -> None:
    corners = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]], float)
    faces = np.array([[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]])
    np.testing.assert_allclose(vertex_normals(corners * 3, faces), corners, rtol=0, atol=1e-6)


def test_recognized(root: Path) -> None:
    assert is_scannet(str(root))
    assert not is_scannet(str(root / "scans/scene0000_00"))
    with pytest.raises(InputError, match="no scans"):
        ScannetReader(str(root / "scans/scene0000_00")).scenes()


@pytest.mark.skipif(not LISTS.is_dir(), reason="the official lists are not here")
def test_official_lists_and_table(root: Path) -> None:
    remarks = "\n".join(map(str, ScannetReader(str(root), str(LISTS)).remarks()))
    assert "of the 1201 listed" in remarks
    assert "of the 312 listed" in remarks
    (root / "scannetv2-labels.combined.tsv").write_bytes((LISTS / "scannetv2-labels.combined.tsv").read_bytes())
    (root / "scans/scene0000_00/scene0000_00_vh_clean_2.labels.ply").unlink()
    scene, defects = ScannetReader(str(root)).read("train/scene0000_00")
    assert scene.segment is not None
    assert scene.segment[0] == SCANNET20.index("chair")
    assert defects == []
