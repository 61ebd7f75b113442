"""Labels of other tools: read from files that were written by hand, and written and read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.annotation_imports import import_annotations
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.formats.annotations import WRITERS, LabeledScan
from tests.budgets.annotated import CLASSES, CODES, COORD, FILES, LABELS, ORIGIN, WORLD, attributes, scene, written


def imported(source: Path, *, classes: Classes = CLASSES, **choices: object) -> np.ndarray:
    """Return the labels (P,) of the scene that an import finds in ``source``."""
    labels = import_annotations([scene()], classes, source, **choices)  # type: ignore[arg-type]
    return labels.labels(replace(scene(), classes=classes.names))


@pytest.mark.parametrize("tool", FILES)
def test_the_files_of_each_tool_give_its_labels(tmp_path: Path, tool: str) -> None:
    source = FILES[tool](tmp_path / tool)
    assert imported(source).tolist() == LABELS.tolist()
    single = [path for path in tmp_path.rglob("room*") if path.suffix in (".json", ".label", ".asc", ".ply", ".las")]
    if single:
        assert imported(single[0]).tolist() == LABELS.tolist()


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("colored", [True, False])
def test_what_is_written_for_a_tool_comes_back(tmp_path: Path, name: str, colored: bool) -> None:
    color = np.arange(36, dtype=np.uint8).reshape(12, 3) * 7 if colored else None
    scan = LabeledScan("train/room", COORD, ORIGIN, color, LABELS, CLASSES)
    files = WRITERS[name](tmp_path / "out", scan)
    assert sorted(files) == sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert imported(tmp_path / "out").tolist() == LABELS.tolist()
    single = [path for path in files if path.suffix in (".json", ".label", ".bin") and path.name.startswith("room")]
    for path in [path for path in single if "velodyne" not in path.parts]:
        assert imported(path).tolist() == LABELS.tolist()


def test_a_scan_at_its_place_tells_which_points_a_scene_has_dropped(tmp_path: Path) -> None:
    codes = np.insert(CODES, 5, 6)
    written(tmp_path / "labels" / "room.label", codes.astype("<u4").tobytes())
    with pytest.raises(InputError, match="is of 13 points, not the 12 of train/room"):
        imported(tmp_path)
    rows = np.pad(np.insert(COORD, 5, np.nan, axis=0), ((0, 0), (0, 1))).astype("<f4")
    written(tmp_path / "velodyne" / "room.bin", rows.tobytes())
    written(tmp_path / "pointclouds" / "room.txt", "0 0 0\n1 1 1\n")  # of other points
    assert imported(tmp_path).tolist() == LABELS.tolist()


def test_dropped_and_subsampled_points_are_found_by_place(tmp_path: Path) -> None:
    coord = np.insert(WORLD, [0, 5], [[np.nan] * 3, [np.inf, 0, 0]], axis=0)
    codes = np.insert(CODES, [0, 5], 6)
    rows = [" ".join([*map(str, point), str(code)]) for point, code in zip(coord.tolist(), codes, strict=True)]
    written(tmp_path / "a" / "room.txt", "\n".join(["//X Y Z label", *rows]))
    assert imported(tmp_path / "a").tolist() == LABELS.tolist()
    few = [1, 4, 7]
    close = WORLD[few] + [[0.03, 0, 0], [0.02, 0, 0], [0, 0, 0.01]]
    twice = np.vstack([close, WORLD[4] + [0.08, 0, 0]])  # another label, farther from the same point
    rows = [" ".join(map(str, row)) for row in np.column_stack([twice, [2, 6, 4, 2]]).tolist()]
    written(tmp_path / "b" / "room.txt", "\n".join(["//X Y Z label", *rows]))
    found = imported(tmp_path / "b")
    assert np.flatnonzero(found != IGNORE).tolist() == few
    assert found[few].tolist() == LABELS[few].tolist()
    with pytest.raises(InputError, match=r"4 labeled points are up to 0\.08 m from .* raise max_distance \(0\.01\)"):
        imported(tmp_path / "b", max_distance=0.01)


def box(name: str, center: list[float], size: list[float], **more: object) -> dict[str, object]:
    axes, sides = ("x", "y", "z"), ("length", "width", "height")
    found = {"name": name, "centroid": dict(zip(axes, center, strict=True))}
    return found | {"dimensions": dict(zip(sides, size, strict=True)), "rotations": dict.fromkeys(axes, 0.0)} | more


def test_boxes_label_the_points_inside_and_the_smallest_counts(tmp_path: Path) -> None:
    whole = box("ground", (WORLD.mean(axis=0)).tolist(), [100, 100, 100])
    small = box("house", WORLD[4].tolist(), [0.2, 0.2, 0.2])
    written(tmp_path / "room.json", {"folder": "x", "filename": "room.ply", "objects": [small, whole]})
    assert imported(tmp_path).tolist() == [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("radians", [False, True])
def test_boxes_are_turned(tmp_path: Path, radians: bool) -> None:
    """The long side of a box along x comes to lie along the line from point 3 to point 10, whose slope is measured."""
    start, end = WORLD[3], WORLD[10]
    lead = end - start
    yaw = np.arctan2(lead[1], lead[0])
    tilt = -np.arctan2(lead[2], np.hypot(lead[0], lead[1]))
    angles = np.array([0, tilt, yaw])
    values = angles if radians else np.degrees(angles) % 360
    turned = box("tree", ((start + end) / 2).tolist(), [float(np.linalg.norm(lead)) + 0.01, 0.02, 0.02])
    turned["rotations"] = dict(zip("xyz", values.tolist(), strict=True))
    written(tmp_path / "room.json", {"objects": [turned]})
    assert np.flatnonzero(imported(tmp_path) == 1).tolist() == [3, 10]


def test_boxes_by_their_corners_and_cuboids(tmp_path: Path) -> None:
    c, s = np.cos(0.5), np.sin(0.5)
    signs = np.array(
        [[-1, -1, -1], [-1, 1, -1], [1, 1, -1], [1, -1, -1], [-1, -1, 1], [-1, 1, 1], [1, 1, 1], [1, -1, 1]]
    )
    corners = (signs * [1.4, 0.5, 0.5]) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + WORLD[5]
    written(tmp_path / "a" / "room.json", {"objects": [{"name": "tree", "vertices": corners.tolist()}]})
    table = lambda values: dict(zip("xyz", values, strict=True))  # noqa: E731
    geometry = {"position": table(WORLD[5].tolist()), "rotation": table([0, 0, 0.5]), "dimensions": table([2.8, 1, 1])}
    figure = {"objectKey": "k", "geometryType": "cuboid_3d", "geometry": geometry}
    content = {"objects": [{"key": "k", "classTitle": "tree"}], "figures": [figure]}
    written(tmp_path / "b" / "ann" / "room.pcd.json", content)
    own = (WORLD - WORLD[5]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    wanted = np.flatnonzero((np.abs(own) <= [1.4, 0.5, 0.5]).all(axis=1))
    assert 0 < len(wanted) < 12
    for folder in ("a", "b"):
        assert np.flatnonzero(imported(tmp_path / folder) == 1).tolist() == wanted.tolist()


def test_asprs_codes_by_name(tmp_path: Path) -> None:
    source = FILES["las"](tmp_path)
    named = Classes(("Ground", "High_Vegetation", "building", "medium vegetation"))
    wanted = LABELS.copy()
    wanted[7] = 3
    assert imported(source, classes=named, codes="asprs").tolist() == wanted.tolist()
    joined = Classes(("ground", "vegetation", "buildings"))
    assert imported(source, classes=joined, codes="asprs").tolist() == LABELS.tolist()
    with pytest.raises(InputError, match="codes=asprs: the class sofa is none of ASPRS's"):
        imported(source, classes=Classes(("ground", "sofa")), codes="asprs")


def test_the_split_decides_between_scenes_of_one_name(tmp_path: Path) -> None:
    for split, code in (("train", 2), ("val", 6)):
        written(tmp_path / split / "room.label", np.full(12, code, "<u4").tobytes())
    rooms = [scene(), scene("val/room"), scene("val/empty")]
    labels = import_annotations(rooms, CLASSES, tmp_path)
    assert [set(entry.label.tolist()) for entry in labels.scenes] == [{0}, {2}, set()]
    assert labels.rule == "import"
    (tmp_path / "train" / "room.label").unlink()
    with pytest.raises(InputError, match="may be of train/room or val/room; put it in a folder named as its split"):
        import_annotations(rooms, CLASSES, tmp_path)
    written(tmp_path / "val" / "more" / "room.label", b"")
    with pytest.raises(InputError, match=r"val/room has an annotation in .*, too; keep one"):
        import_annotations(rooms[1:], CLASSES, tmp_path)


def test_names_that_mean_no_label(tmp_path: Path) -> None:
    source = FILES["labelcloud"](tmp_path)
    two = Classes(("ground", "tree"))
    with pytest.raises(InputError, match=r"class 'house' is not one of: ground .* leave it out by ignore=\[house\]"):
        imported(source, classes=two)
    assert imported(source, classes=two, ignore=("house",)).tolist() == np.where(LABELS == 2, -1, LABELS).tolist()
    four = Classes((*CLASSES.names, "background"))
    assert imported(source, classes=four).tolist() == np.where(LABELS == -1, 3, LABELS).tolist()


def test_zero_is_a_label_where_a_class_has_it(tmp_path: Path) -> None:
    written(tmp_path / "room.label", np.arange(12, dtype="<u4").clip(0, 2).tobytes())
    assert imported(tmp_path, classes=Classes(CLASSES.names)).tolist() == [0, 1] + [2] * 10
    scan = LabeledScan("train/room", COORD, ORIGIN, None, LABELS, Classes(CLASSES.names))
    for name in ("kitti", "editor", "las"):
        with pytest.raises(InputError, match="ground has the number 0, which means unlabeled there"):
            WRITERS[name](tmp_path / name, scan)
    with pytest.raises(InputError, match="tree has the number 300, but the format holds 0 to 255"):
        WRITERS["las"](tmp_path, replace(scan, classes=Classes(CLASSES.names, codes=((2,), (300,), (6,)))))


def test_a_label_as_the_api_gives_it_and_numbers_without_categories(tmp_path: Path) -> None:
    written(tmp_path / "room.json", {"label_status": "LABELED", "attributes": attributes()})
    numbered = Classes(CLASSES.names, codes=((10,), (30,), (20,)))
    assert imported(tmp_path, classes=numbered).tolist() == LABELS.tolist()


def test_choices_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="max_distance=0"):
        imported(tmp_path, max_distance=0)
    with pytest.raises(InputError, match="codes=las: must be one of classes, asprs"):
        imported(tmp_path, codes="las")
    written(tmp_path / "room.asc", "//X Y Z label mine\n" + "".join(f"{x} {y} {z} 2 6\n" for x, y, z in WORLD.tolist()))
    assert set(imported(tmp_path, column="Mine").tolist()) == {2}
    with pytest.raises(InputError, match="has no column 'his', only label, mine; name it: column="):
        imported(tmp_path, column="his")
