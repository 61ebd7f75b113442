"""Every file of raw data is listed once, through links; everything not followed or not used is reported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pcseg.datasets.listing import broken_links, list_files, not_used


def files_in(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def listed(root: Path) -> tuple[list[str], list[str]]:
    files, defects = list_files(root)
    return [str(path.relative_to(root)) for path in files], [
        str(d).replace(f"{os.path.realpath(root)}/", "") for d in defects
    ]


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    files_in(tmp_path / "disk", "far/a.las", "far/deep/b.las", "c.las")
    files_in(tmp_path / "in", "train/d.las")
    (tmp_path / "in/test").symlink_to(tmp_path / "disk/far")
    (tmp_path / "in/val").symlink_to("test")  # a link to a link
    (tmp_path / "in/train/c.las").symlink_to(tmp_path / "disk/c.las")
    (tmp_path / "in/train/more").symlink_to(tmp_path / "disk/far/deep")
    found, defects = listed(tmp_path / "in")
    assert defects == []
    assert found == [
        "test/a.las", "test/deep/b.las", "train/c.las", "train/d.las", "train/more/b.las", "val/a.las", "val/deep/b.las"
    ]  # fmt: skip
    (tmp_path / "link").symlink_to("in")
    assert listed(tmp_path / "link")[0] == found


@pytest.mark.parametrize("target", [".", "..", "../..", "../a"])
def test_a_link_back_is_reported_and_not_followed(tmp_path: Path, target: str) -> None:
    files_in(tmp_path, "in/a/b/c.las")
    (tmp_path / "in/a/loop").symlink_to(target)
    found, defects = listed(tmp_path / "in")
    assert found == ["a/b/c.las"]
    assert len(defects) == 1
    assert "a/loop: a link back to" in defects[0]


def test_folders_that_link_to_each_other_are_read_once(tmp_path: Path) -> None:
    for name in "abcdefgh":
        files_in(tmp_path, f"train/{name}/{name}.las")
    for one in "abcdefgh":
        for other in "abcdefgh":
            if one != other:
                (tmp_path / f"train/{one}/{other}").symlink_to(f"../{other}")
    found, defects = listed(tmp_path)
    assert sorted(Path(name).name for name in found) == [f"{name}.las" for name in "abcdefgh"]
    assert all("same folder as" in text or "link back" in text for text in defects)


def test_links_to_nowhere_are_reported(tmp_path: Path) -> None:
    files_in(tmp_path, "train/a.las")
    (tmp_path / "test").symlink_to("/nowhere/test")
    (tmp_path / "train/b.las").symlink_to("b.las")  # to itself
    found, defects = listed(tmp_path)
    assert found == ["train/a.las"]
    assert defects == [
        "test: a link to /nowhere/test, which is not there; not used",
        "train/b.las: a link to b.las, which is not there; not used"
    ]  # fmt: skip
    assert len(broken_links([tmp_path, tmp_path / "train"])) == 2
    assert broken_links([tmp_path], lambda name: name.startswith("scene")) == []


def test_folders_that_may_not_be_read_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files_in(tmp_path, "train/a.las", "test/b.las")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if path.name == "test":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert listed(tmp_path) == (["train/a.las"], ["test: cannot be listed (Permission denied); its files are not used"])


def test_unused_files_are_counted_by_kind(tmp_path: Path) -> None:
    names = ["a.jpg", "b.JPG", "a.las.bak", "x.xyz.gz", "README", ".hidden", "v1.2.tif"]
    (defect,) = not_used(tmp_path, [tmp_path / name for name in names], (".las", ".xyz"))
    assert str(defect) == (
        f"{tmp_path}: 7 files of other kinds: .jpg (2), .las.bak (1), .xyz.gz (1), without ending (1), hidden (1), "
        ".tif (1); not used"
    )
    assert not_used(tmp_path, [], (".las",)) == []
    (defect,) = not_used(tmp_path, [tmp_path / f"a.{i}" for i in range(50)], ())
    assert "50 files" in str(defect)
    assert "others (42)" in str(defect)


def test_litter_is_no_data(tmp_path: Path) -> None:
    files_in(tmp_path, "train/.DS_Store", "train/._a.las", "Thumbs.db", "train/a.las", ".git/config")
    assert listed(tmp_path) == ([".git", "train/a.las"], [])
