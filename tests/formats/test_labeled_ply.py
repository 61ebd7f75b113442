"""The labeled copy of a PLY scan keeps every column under its name and type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plyfile import PlyData, PlyProperty

from pcseg.formats import encode, read_cloud, write_labeled, written
from tests.formats.labeled_scans import CONFIDENCE, COUNT, LABELS, PAINT, copied, ply


@pytest.fixture(autouse=True)
def several_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy the clouds of these tests in pieces, as large ones are."""
    for module in (encode, written):
        monkeypatch.setattr(module, "ROWS", 7)


@pytest.mark.parametrize("how", [{"text": True}, {"byte_order": ">"}, {"byte_order": "<"}])
def test_ply_keeps_every_column(tmp_path: Path, how: dict[str, object]) -> None:
    given = ply(tmp_path / "a.ply", **how)
    copied(tmp_path / "a.ply", tmp_path / "b.ply")
    data = PlyData.read(str(tmp_path / "b.ply"))
    (element,) = data.elements
    names = [n for n in given.dtype.names or () if n not in ("label", "seen")]
    assert [p.name for p in element.properties] == [*names, "label", "confidence"]
    assert all(isinstance(p, PlyProperty) for p in element.properties)
    for name in names:
        assert element[name].dtype == given.dtype[name]
        np.testing.assert_array_equal(element[name], given[name], err_msg=name)
    np.testing.assert_array_equal(element["label"], LABELS)
    np.testing.assert_array_equal(element["confidence"], CONFIDENCE)
    assert (data.comments, data.obj_info) == (["by hand"], ["shift 1 2 3"])


def test_ply_is_painted_under_the_names_it_had_or_not(tmp_path: Path) -> None:
    given = ply(tmp_path / "a.ply", colors=("R", "G", "B"))
    copied(tmp_path / "a.ply", tmp_path / "b.ply", PAINT)
    vertex = PlyData.read(str(tmp_path / "b.ply"))["vertex"]
    assert not {"R", "G", "B"} & {p.name for p in vertex.properties}
    np.testing.assert_array_equal(vertex["time"], given["time"])
    found = read_cloud(tmp_path / "b.ply")
    np.testing.assert_array_equal(found.color, PAINT)
    np.testing.assert_array_equal(found.coord[:, 0], given["x"])


def test_ply_comments_name_the_current_classes_only(tmp_path: Path) -> None:
    ply(tmp_path / "a.ply")
    for source, path, names in (("a.ply", "b.ply", {1: "tree"}), ("b.ply", "c.ply", {2: "ground", 5: "tree"})):
        cloud = read_cloud(tmp_path / source)
        write_labeled(tmp_path / source, tmp_path / path, cloud, LABELS, CONFIDENCE, names=names)
    assert PlyData.read(str(tmp_path / "c.ply")).comments == ["by hand", "class 2 ground", "class 5 tree"]


def test_unusual_ply_columns_are_copied_and_reported(tmp_path: Path) -> None:
    names = ["scalar Größe", "x", "y", "z", "id", "far"]
    rows = "".join(f"{i}.5 1 2 {i} {i} {2**60 + i}\n" for i in range(COUNT))
    types = ["float", "double", "double", "float", "int64", "int64"]
    head = "".join(f"property {t} {n}\n" for t, n in zip(types, names, strict=True))
    text = (
        f"ply\nformat ascii 1.0\nelement vertex {COUNT}\n{head}element face 1\nproperty list uchar int vertex_indices\n"
    )
    (tmp_path / "a.ply").write_text(f"{text}end_header\n{rows}3 0 1 2\n", encoding="utf-8")
    cloud = read_cloud(tmp_path / "a.ply")
    reported = write_labeled(tmp_path / "a.ply", tmp_path / "b.ply", cloud, LABELS, CONFIDENCE)
    vertex = PlyData.read(str(tmp_path / "b.ply"))["vertex"]
    assert [p.name for p in vertex.properties] == ["scalar_Gr_e", "x", "y", "z", "id", "label", "confidence"]
    assert vertex["id"].tolist() == list(range(COUNT))
    assert [d.action for d in reported] == ["called scalar_Gr_e", "left out", "left out"]
    assert "besides its points: face" in reported[2].found
