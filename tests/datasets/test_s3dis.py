"""Raw S3DIS: labels by name, both releases, known defects, and missing rooms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE, S3DIS
from pcseg.datasets import S3disReader, is_s3dis
from pcseg.errors import InputError
from tests.datasets.raw import ALIGNED, ORIGINAL, s3dis_room

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "s3dis_raw"


@pytest.mark.parametrize("style", [ALIGNED, ORIGINAL])
def test_a_room(tmp_path: Path, style: str) -> None:
    rows = s3dis_room(tmp_path / "Area_3/office_1", {"ceiling_1": 9, "table_2": 8, "chair_1": 7, "chair_10": 6}, style)
    reader = S3disReader(str(tmp_path))
    assert reader.scenes() == ["Area_3/office_1"]
    scene, defects = reader.read("Area_3/office_1")
    order = ["ceiling_1", "chair_1", "chair_10", "table_2"]
    table = np.concatenate([rows[name] for name in order])
    assert defects == []
    np.testing.assert_array_equal(scene.coord, table[:, :3].astype(np.float32))
    np.testing.assert_array_equal(scene.color, table[:, 3:])
    assert scene.segment is not None
    assert scene.instance is not None
    assert [S3DIS.names[i] for i in scene.segment] == ["ceiling"] * 9 + ["chair"] * 13 + ["table"] * 8
    assert scene.instance.tolist() == [0] * 9 + [1] * 7 + [2] * 6 + [3] * 8


@pytest.mark.parametrize("spelling", ["stairs_1", "staris_1"])
@pytest.mark.parametrize(("stairs", "label"), [("clutter", 12), ("ignore", IGNORE)])
def test_stairs(tmp_path: Path, spelling: str, stairs: str, label: int) -> None:
    s3dis_room(tmp_path / "Area_1/hallway_1", {"floor_1": 5, spelling: 4})
    scene, defects = S3disReader(str(tmp_path), stairs).read("Area_1/hallway_1")
    assert scene.segment is not None
    assert scene.instance is not None
    assert scene.segment.tolist() == [1] * 5 + [label] * 4
    assert scene.instance.tolist() == [0] * 5 + [1 if label >= 0 else -1] * 4
    assert defects == []


def test_other_files_in_annotations(tmp_path: Path) -> None:
    room = tmp_path / "Area_5/office_36"
    s3dis_room(room, {"wall_3": 5, "wall_3 (1)": 5, "door_1 (1)": 3, "lamp_1": 2})
    (room / "Annotations" / ".DS_Store").write_bytes(b"\x00\x01")
    (room / "Annotations" / "Icon").write_bytes(b"")
    (room / "Annotations" / "board_1.txt").write_bytes(b"")
    scene, defects = S3disReader(str(tmp_path)).read("Area_5/office_36")
    assert scene.segment is not None
    # door_1 (1) has no original, so it is kept; lamp is not a class of S3DIS
    assert sorted(scene.segment.tolist()) == [IGNORE] * 2 + [2] * 5 + [6] * 3
    reported = "\n".join(map(str, defects))
    for text in ("wall_3 (1).txt: a second copy", "Icon: not a .txt file", "board_1.txt: the file is empty", "'lamp'"):
        assert text in reported
    assert len(defects) == 4


def test_a_scrambled_byte_is_reported_and_costs_no_room(tmp_path: Path) -> None:
    room = tmp_path / "Area_5/hallway_6"
    rows = s3dis_room(room, {"ceiling_1": 30})["ceiling_1"]
    file = room / "Annotations/ceiling_1.txt"
    lines = file.read_bytes().split(b"\n")
    at = next(i for i, row in enumerate(rows) if row[3] >= 100 and row[4] >= 100)  # 185 187 cannot be a single color
    parts = lines[at].split(b" ")
    lines[at] = b" ".join([*parts[:3], parts[3] + b"\x00" + parts[4], parts[5]])
    file.write_bytes(b"\n".join(lines))
    scene, defects = S3disReader(str(tmp_path)).read("Area_5/hallway_6")
    np.testing.assert_array_equal(scene.color, rows[:, 3:])
    assert len(defects) == 1
    assert f"ceiling_1.txt:{at + 1}:" in str(defects[0])


@pytest.mark.parametrize("angle", [0, 90, 180, 270, 35.5])
def test_original_pose_is_turned_about_the_center(tmp_path: Path, angle: float) -> None:
    rows = s3dis_room(tmp_path / "Area_2/WC_1", {"floor_1": 40}, ORIGINAL)["floor_1"]
    text = f"## Global alignment angle per disjoint space\n## Disjoint Space Name Angle\nWC_1 {angle}\nWC_2 0\n"
    (tmp_path / "Area_2/Area_2_alignmentAngle.txt").write_text(text)
    scene, defects = S3disReader(str(tmp_path)).read("Area_2/WC_1")
    center = (rows[:, :3].max(axis=0) + rows[:, :3].min(axis=0)) / 2
    flat = (rows[:, 0] - center[0]) + 1j * (rows[:, 1] - center[1])
    turned = flat * np.exp(-1j * np.deg2rad(angle))  # complex numbers: an independent way to rotate a plane
    np.testing.assert_allclose(scene.coord[:, 0], turned.real + center[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(scene.coord[:, 1], turned.imag + center[1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(scene.coord[:, 2], rows[:, 2], rtol=0, atol=1e-5)
    assert defects == []


def test_a_room_without_angle_keeps_its_pose_and_is_reported(tmp_path: Path) -> None:
    rows = s3dis_room(tmp_path / "Area_2/WC_1", {"floor_1": 4})["floor_1"]
    (tmp_path / "Area_2/Area_2_alignmentAngle.txt").write_text("# a\n# b\nWC_2 90\n")
    scene, defects = S3disReader(str(tmp_path)).read("Area_2/WC_1")
    np.testing.assert_allclose(scene.coord, rows[:, :3], rtol=0, atol=1e-5)
    assert "no angle for WC_1" in str(defects[0])
    (tmp_path / "Area_2/Area_2_alignmentAngle.txt").write_text("# a\n# b\nWC_1 x\n")
    with pytest.raises(InputError, match="'x'"):
        S3disReader(str(tmp_path)).read("Area_2/WC_1")


def test_every_room_folder_is_a_scene_even_if_broken(tmp_path: Path) -> None:
    s3dis_room(tmp_path / "Area_1/office_1", {"floor_1": 4})
    (tmp_path / "Area_1/office_2").mkdir()
    (tmp_path / "Area_1/office_3/Annotations").mkdir(parents=True)
    s3dis_room(tmp_path / "Area_1/office_4", {"floor_1": 0})
    s3dis_room(tmp_path / "Area_1/office_5", {"floor_1": 1})
    s3dis_room(tmp_path / "Area_1/office_6", {"lamp_1": 5})
    reader = S3disReader(str(tmp_path))
    assert reader.scenes() == [f"Area_1/office_{i}" for i in range(1, 7)]
    reader.read("Area_1/office_1")
    for room, error in ((2, "no Annotations"), (3, "no <class>"), (4, "no point"), (5, "1 points"), (6, "lamp")):
        with pytest.raises(InputError, match=error) as caught:
            reader.read(f"Area_1/office_{room}")
        assert f"office_{room}" in str(caught.value)


def test_a_nearly_whole_area_is_remarked(tmp_path: Path) -> None:
    for i in range(67):
        (tmp_path / f"Area_5/room_{i}").mkdir(parents=True)
    (tmp_path / "Area_1/room_1").mkdir(parents=True)
    assert "67 rooms, but the release has 68" in str(S3disReader(str(tmp_path)).remarks()[0])
    assert len(S3disReader(str(tmp_path)).remarks()) == 1


def test_the_folder_may_be_the_parent(tmp_path: Path) -> None:
    s3dis_room(tmp_path / "Stanford3dDataset_v1.2/Area_1/office_1", {"floor_1": 4})
    assert is_s3dis(str(tmp_path))
    assert S3disReader(str(tmp_path)).scenes() == ["Area_1/office_1"]


def test_links_are_followed_and_broken_ones_reported(tmp_path: Path) -> None:
    s3dis_room(tmp_path / "disk/Area_2/office_1", {"floor_1": 4})
    s3dis_room(tmp_path / "disk/rooms/office_2", {"floor_1": 4})
    (tmp_path / "in/Area_1").mkdir(parents=True)
    (tmp_path / "in/Area_2").symlink_to(tmp_path / "disk/Area_2")
    (tmp_path / "in/Area_1/office_2").symlink_to(tmp_path / "disk/rooms/office_2")
    (tmp_path / "in/Area_3").symlink_to("/nowhere")
    (tmp_path / "in/Area_1/office_3").symlink_to("/nowhere")
    s3dis_room(tmp_path / "in/Area-4/office_1", {"floor_1": 4})
    reader = S3disReader(str(tmp_path / "in"))
    assert reader.scenes() == ["Area_1/office_2", "Area_2/office_1"]
    assert [len(reader.read(name)[0]) for name in reader.scenes()] == [4, 4]
    reported = "\n".join(map(str, reader.remarks()))
    assert "Area_1/office_3: a link to /nowhere, which is not there; not used" in reported
    assert "in/Area_3: a link to /nowhere" in reported
    assert "Area-4: holds rooms, but is not called Area_<n>; not used" in reported
    (tmp_path / "disk/rooms/office_2/Annotations/chair_1.txt").symlink_to("/nowhere")
    _, defects = reader.read("Area_1/office_2")
    assert "chair_1.txt: a link to /nowhere" in str(defects[0])


def test_areas_of_several_folders(tmp_path: Path) -> None:
    s3dis_room(tmp_path / "part1/Area_1/office_1", {"floor_1": 4})
    s3dis_room(tmp_path / "part2/Area_2/office_1", {"floor_1": 4})
    assert S3disReader(str(tmp_path)).scenes() == ["Area_1/office_1", "Area_2/office_1"]
    s3dis_room(tmp_path / "part2/Area_1/office_1", {"floor_1": 4})
    with pytest.raises(InputError, match="two folders hold Area_1/office_1"):
        S3disReader(str(tmp_path)).scenes()


def test_endings_in_capitals_are_read(tmp_path: Path) -> None:
    s3dis_room(tmp_path / "Area_1/office_1", {"floor_1": 4, "chair_1": 3})
    folder = tmp_path / "Area_1/office_1/Annotations"
    (folder / "chair_1.txt").rename(folder / "chair_1.TXT")
    (folder / "more").mkdir()
    scene, defects = S3disReader(str(tmp_path)).read("Area_1/office_1")
    assert len(scene) == 7
    assert ["more" in str(d) for d in defects] == [True]


def test_a_stray_does_not_move_the_room_that_is_turned(tmp_path: Path) -> None:
    rows = s3dis_room(tmp_path / "Area_2/WC_1", {"floor_1": 40}, ORIGINAL)["floor_1"]
    (tmp_path / "Area_2/Area_2_alignmentAngle.txt").write_text("WC_1 90\n")
    with open(tmp_path / "Area_2/WC_1/Annotations/floor_1.txt", "a") as stream:
        stream.write("100000000 0 0 1 2 3\n")
    scene, defects = S3disReader(str(tmp_path)).read("Area_2/WC_1")
    center = (rows[:, :3].max(axis=0) + rows[:, :3].min(axis=0)) / 2
    turned = np.stack([rows[:, 1] - center[1] + center[0], center[0] - rows[:, 0] + center[1], rows[:, 2]], axis=1)
    np.testing.assert_allclose(scene.coord[:40] + scene.origin, turned, rtol=0, atol=1e-5)
    assert "1 of 41 points stand over 1000 m apart" in str(defects[0])


@pytest.mark.parametrize("angle", ["nan", "inf", "x"])
def test_an_angle_that_is_no_number(tmp_path: Path, angle: str) -> None:
    s3dis_room(tmp_path / "Area_2/WC_1", {"floor_1": 4})
    (tmp_path / "Area_2/Area_2_alignmentAngle.txt").write_text(f"WC_1 {angle}\n")
    with pytest.raises(InputError, match=f"the angle of WC_1 is '{angle}'; write degrees"):
        S3disReader(str(tmp_path)).read("Area_2/WC_1")


def test_wrong_folders_and_settings(tmp_path: Path) -> None:
    assert not is_s3dis(str(tmp_path))
    with pytest.raises(InputError, match="no Area_<n> folder"):
        S3disReader(str(tmp_path)).scenes()
    with pytest.raises(InputError, match="no such folder"):
        S3disReader(str(tmp_path / "nowhere")).scenes()
    with pytest.raises(InputError, match="stairs=wall"):
        S3disReader(str(tmp_path), "wall")


@pytest.mark.skipif(not REAL.is_dir(), reason="the real rooms are not here")
def test_real_rooms() -> None:
    reader = S3disReader(str(REAL))
    for name in reader.scenes():
        scene, defects = reader.read(name)
        files = sorted((REAL / name / "Annotations").glob("*.txt"))
        counts = [file.read_bytes().count(b"\n") for file in files]
        assert defects == []
        assert len(scene) == sum(counts)
        assert scene.segment is not None
        starts = np.cumsum([0, *counts[:-1]])
        for file, start in zip(files, starts, strict=True):
            first = [float(v) for v in file.read_text().split()[:3]]
            np.testing.assert_allclose(scene.coord[start], first, rtol=0, atol=1e-5)
            assert S3DIS.names[scene.segment[start]] == file.stem.rpartition("_")[0]
