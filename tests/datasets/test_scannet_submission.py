"""A ScanNet submission holds the NYU40 id of each vertex, one file per scene at the root of a zip archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import SCANNET20, Classes
from pcseg.datasets.scannet_submission import write_scannet, zip_folder
from pcseg.errors import InputError

NYU40 = {"floor": 2, "chair": 5, "shower curtain": 28, "otherfurniture": 39}
"""Ids of the benchmark, from its documentation."""


def test_each_vertex_has_the_nyu40_id_of_its_class(tmp_path: Path) -> None:
    classes = Classes(tuple(NYU40)[::-1])
    labels = np.random.default_rng(0).integers(0, len(classes), 50)
    path = write_scannet(tmp_path / "out", "scene0707_00", labels, classes)
    assert path == tmp_path / "out" / "scene0707_00.txt"
    assert path.read_text() == "".join(f"{NYU40[classes.names[k]]}\n" for k in labels)


def test_all_classes_in_the_order_of_their_ids(tmp_path: Path) -> None:
    path = write_scannet(tmp_path, "scene", np.arange(20), SCANNET20)
    ids = [int(line) for line in path.read_text().split()]
    assert ids == [*range(1, 13), 14, 16, 24, 28, 33, 34, 36, 39]


def test_other_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'ceiling' is not a ScanNet class; use a network trained on ScanNet's 20"):
        write_scannet(tmp_path, "scene", np.zeros(3, int), Classes(("floor", "ceiling")))
    assert not any(tmp_path.iterdir())


def test_the_archive_holds_the_text_files_at_its_root(tmp_path: Path) -> None:
    for name in ("scene0708_00", "scene0707_00"):
        write_scannet(tmp_path / "out", name, np.array([1, 0]), SCANNET20)
    (tmp_path / "out" / "notes.md").write_text("not a submission")
    zip_folder(tmp_path / "out", tmp_path / "submission.zip")
    with zipfile.ZipFile(tmp_path / "submission.zip") as archive:
        assert archive.namelist() == ["scene0707_00.txt", "scene0708_00.txt"]
        assert archive.read("scene0708_00.txt") == b"2\n1\n"
