"""ScanNet's official lists: they are read without running them, and refused where they do not fit."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pcseg.budgets.label_imports import import_scannet, read_scannet_lists
from pcseg.classes import IGNORE
from pcseg.errors import InputError
from tests.budgets.damage import read_or_refused
from tests.scenes.rooms import CLASSES, room

SCAN = room("train/scene0000_00", 300)
POINTS = np.array([7, 3, 299, 100, 7], dtype=np.int64)


def saved(path: Path, content: object, old: bool = True) -> Path:
    """Save as torch did before its zip format; ``old``: with the module name that NumPy had before version 2."""
    torch.save(content, path, _use_new_zipfile_serialization=False)
    if old:
        path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    return path


@pytest.mark.parametrize("old", [True, False])
def test_an_official_list_gives_the_truth_of_its_points(tmp_path: Path, old: bool) -> None:
    path = saved(tmp_path / "points4", {"scene0000_00": POINTS, "scene0707_00": POINTS}, old)
    labels = import_scannet([SCAN], CLASSES, path)
    entry = labels.scenes[0]
    assert SCAN.segment is not None
    assert entry.index.tolist() == [3, 7, 100, 299]
    assert np.array_equal(entry.label, SCAN.segment[entry.index])
    assert labels.parameters == {"source": "points4"}
    assert labels.seed is None


def test_listed_points_without_a_class_are_spent(tmp_path: Path) -> None:
    assert SCAN.segment is not None
    both = np.array([np.flatnonzero(SCAN.segment == IGNORE)[0], np.flatnonzero(SCAN.segment == 1)[0]])
    labels = import_scannet([SCAN], CLASSES, saved(tmp_path / "p", {"scene0000_00": both}))
    assert (labels.spent, labels.count) == (2, 1)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_list_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "evil", {"scene0000_00": Evil(tmp_path / "ran")})
    with pytest.raises(InputError, match=r"evil: is not an official") as error:
        read_scannet_lists(path)
    assert "\n" not in str(error.value)
    (tmp_path / "plain").write_bytes(pickle.dumps({"scene0000_00": Evil(tmp_path / "ran")}, protocol=2))
    with pytest.raises(InputError, match="plain: is not an official"):
        read_scannet_lists(tmp_path / "plain")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"scene0000_00": np.array([300])}, "lists point 300 of train/scene0000_00, which has 300"),
        ({"scene0000_00": np.array([-1, 5])}, "lists point -1"),
        ({"scene0009_00": POINTS}, "does not list train/scene0000_00"),
        ({"scene0000_00": [[1, 2]]}, "scene0000_00 is not a list"),
        ({"scene0000_00": "abc"}, "scene0000_00 is not a list"),
        ([1, 2], "holds a list"),
        ({}, "holds a dict"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path: Path, content: object, named: str) -> None:
    with pytest.raises(InputError, match=named):
        import_scannet([SCAN], CLASSES, saved(tmp_path / "points", content))


def test_missing_and_truncated_lists_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data_efficient"):
        read_scannet_lists(tmp_path / "none")
    path = saved(tmp_path / "cut", {"scene0000_00": POINTS})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="cut: is not an official"):
        read_scannet_lists(path)


@pytest.mark.parametrize(
    "content",
    [
        {"scene0000_00": torch.zeros(1, dtype=torch.int64).expand(10**9)},
        {"scene0000_00": np.array([2**63], dtype=np.uint64)},
        {"scene0000_00": torch.zeros(3, dtype=torch.int64).to_sparse()},
        {"scene0000_00": [[1], [2, 3]]},
        {"scene0000_00": np.array([1.5])},
        {"scene0000_00": {"a": 1}},
        {f"scene000{i}_00": POINTS for i in range(9)} | {"scene0000_00": torch.arange(3)},
    ],
)
def test_lists_of_other_kinds_are_refused_or_read(tmp_path: Path, content: dict[str, object]) -> None:
    torch.save(content, tmp_path / "points")
    found = read_or_refused(tmp_path / "points", lambda: read_scannet_lists(tmp_path / "points"))
    assert found is None or len(found["scene0000_00"]) == 3


def test_a_packed_list_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"scene0000_00": torch.zeros(10**6, dtype=torch.int64)}, tmp_path / "points")
    with (
        zipfile.ZipFile(tmp_path / "points") as plain,
        zipfile.ZipFile(tmp_path / "packed", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(InputError, match="packed: is not an official ScanNet point list"):
        read_scannet_lists(tmp_path / "packed")
