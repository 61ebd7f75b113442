"""The scenes of a split, and the classes of a data set or a scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.files import write_json
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_classes, scene_classes, write_scene
from tests.scenes.random_scene import scene


def test_list_scenes(tmp_path: Path) -> None:
    for name in ("Area_1/b", "Area_1/a", "Area_2/c"):
        write_scene(tmp_path, scene(name=name))
    (tmp_path / "Area_1" / ".a.12345678.tmp").mkdir()
    np.save(tmp_path / "Area_1" / ".a.12345678.tmp" / "coord.npy", np.zeros((1, 3)))
    found = list_scenes(tmp_path, ["Area_2", "Area_1"])
    assert [str(p.relative_to(tmp_path)) for p in found] == ["Area_2/c", "Area_1/a", "Area_1/b"]
    with pytest.raises(InputError, match=r"Area_7: no scene folder here \(found in .*: Area_1, Area_2\)"):
        list_scenes(tmp_path, ["Area_7"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"test: no scene folder .*: Area_1, Area_2\); choose by 'data\.test=\["):
        list_scenes(tmp_path, ["Area_1", "test"], "'data.test=[...]'")
    with pytest.raises(InputError, match="no such folder"):
        list_scenes(tmp_path / "nowhere", ["Area_1"])


def test_read_classes(tmp_path: Path) -> None:
    write_json(tmp_path / "dataset.json", {"classes": ["a", "b"], "colors": [[1, 2, 3], [4, 5, 6]]})
    assert read_classes(tmp_path) == Classes(("a", "b"), ((1, 2, 3), (4, 5, 6)))
    write_json(tmp_path / "dataset.json", {"classes": ["a", "b"]})
    with pytest.raises(InputError, match="no class list"):
        read_classes(tmp_path)


def test_codes_of_classes(tmp_path: Path) -> None:
    meta = {"classes": ["a", "b"], "colors": [[1, 2, 3], [4, 5, 6]], "codes": [[2], [5, 4]]}
    write_json(tmp_path / "dataset.json", meta)
    assert read_classes(tmp_path) == Classes(("a", "b"), ((1, 2, 3), (4, 5, 6)), ((2,), (5, 4)))
    assert scene_classes(tmp_path / "train/s").codes == ((2,), (5, 4))


def test_a_linked_scene_finds_the_classes_at_its_link_and_at_its_target(tmp_path: Path) -> None:
    write_scene(tmp_path / "disk", scene(name="train/s", classes=()))
    (tmp_path / "here/train").mkdir(parents=True)
    link = tmp_path / "here/train/s"
    link.symlink_to(tmp_path / "disk/train/s")
    with pytest.raises(InputError, match="does not name its classes"):
        scene_classes(link)
    for root, names in (("disk", ["a"]), ("here", ["b"])):  # the nearer one counts
        write_json(tmp_path / root / "dataset.json", {"classes": names, "colors": [[1, 2, 3]]})
        assert scene_classes(link).names == tuple(names)
    assert [p.name for p in list_scenes(tmp_path / "here", ["train"])] == ["s"]


def test_a_broken_scene_of_a_split_is_an_error(tmp_path: Path) -> None:
    for name in ("train/a", "train/b"):
        write_scene(tmp_path, scene(name=name))
    (tmp_path / "train/notes.txt").write_text("no scene, and no lost one")
    (tmp_path / "linked").symlink_to(tmp_path / "train")
    assert [str(p.relative_to(tmp_path)) for p in list_scenes(tmp_path, ["linked"])] == ["linked/a", "linked/b"]
    (tmp_path / "train/c").symlink_to("/nowhere/c")
    with pytest.raises(InputError, match=r"train/c: a link to /nowhere/c, which is not there"):
        list_scenes(tmp_path, ["train"])
    (tmp_path / "train/c").unlink()
    (tmp_path / "train/b/coord.npy").unlink()
    with pytest.raises(InputError, match=r"train/b: arrays of a scene, but no coord\.npy"):
        list_scenes(tmp_path, ["train"])
