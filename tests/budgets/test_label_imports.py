"""Label budgets from elsewhere: ScanNet's lists, read without running them, and clicks, refused with their line number."""

from __future__ import annotations

import os
import pickle
import random
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch

from pcseg.budgets import csv_rows
from pcseg.budgets.clicks import read_clicks
from pcseg.budgets.label_imports import import_clicks, import_scannet, read_scannet_lists
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from tests.scenes.rooms import CLASSES, room

T = TypeVar("T")

SCAN = room("train/scene0000_00", 300)
OTHER = room("train/scene0001_00", 200)
POINTS = np.array([7, 3, 299, 100, 7], dtype=np.int64)


def saved(path: Path, content: object, old: bool = True) -> Path:
    """What torch.save wrote before its zip format; ``old``: with the module name that NumPy had before version 2."""
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


def csv(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "clicks.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_positions_snap_to_the_nearest_point_in_world_coordinates(tmp_path: Path) -> None:
    scene = replace(SCAN, segment=None, instance=None, origin=np.array([500_000.0, 4_000_000.0, 100.0]))
    world = scene.coord[[5, 250]].astype(np.float64) + scene.origin + 0.004
    rows = [f"scene0000_00,{x:.4f},{y:.4f},{z:.4f},{c}" for (x, y, z), c in zip(world, ("board", "wall"), strict=True)]
    labels = import_clicks([scene, OTHER], CLASSES, csv(tmp_path, "scene,x,y,z,class", *rows))
    assert labels.scenes[0].index.tolist() == [5, 250]
    assert labels.scenes[0].label.tolist() == [3, 1]
    assert labels.scenes[1].count == 0
    assert "scenes without any label: 1 (train/scene0001_00)" in labels.summary()


def test_indices_and_full_names_columns_in_any_order_and_a_byte_order_mark(tmp_path: Path) -> None:
    lines = ("\ufeffclass, scene, index, who", "wall, train/scene0001_00, 9, me", "wall,scene0001_00,9,you")
    labels = import_clicks([SCAN, OTHER], CLASSES, csv(tmp_path, *lines))
    assert [scene.index.tolist() for scene in labels.scenes] == [[], [9]]
    assert labels.scenes[1].label.tolist() == [1]


HEAD, NUMBERED = "scene,x,y,z,class", "scene,index,class"


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (("scene,x,y,klass", "a,1,2,b"), "line 1: columns scene,x,y,klass; write scene,x,y,z,class"),
        (("",), "line 1: columns"),
        ((HEAD, "scene0000_00,1,one,1,wall"), "line 2: y is 'one'; write a number"),
        ((HEAD, "scene0000_00,1,nan,1,wall"), "line 2: y is 'nan'; write a number"),
        ((HEAD, "scene0000_00,1,1,wall"), "line 2: has 4 columns, but the first line has 5"),
        ((HEAD, "scene0000_00,1,1,1,wall,extra"), "line 2: has 6 columns, but the first line has 5"),
        ((HEAD, "scene0000_00,90,1,1,wall"), r"line 2: the nearest point of train/scene0000_00 is 86.* m away"),
        (
            (NUMBERED, "scene0000_00,3,wall", "scene0000_00,4,Wall"),
            r"line 3: class 'Wall' is not one of: floor \(0\), wall \(1\)",
        ),
        ((NUMBERED, "scene0000_00,1.5,wall"), "line 2: index '1.5' is no whole number"),
        ((NUMBERED, "scene0000_00,300,wall"), "line 2: train/scene0000_00 has no point 300, only 0 to 299"),
        ((NUMBERED, "scene0000_00,-1,wall"), "line 2: train/scene0000_00 has no point -1"),
        (
            (NUMBERED, "scene0000_00,3,wall", "kitchen,3,wall"),
            "line 3: scene kitchen is not one of: train/scene0000_00",
        ),
        (
            (NUMBERED, "scene0000_00,3,wall", "scene0000_00,4,wall", "scene0000_00,3,floor"),
            "line 4: says floor where line 2 says wall",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, lines: tuple[str, ...], named: str) -> None:
    with pytest.raises(InputError, match=named) as error:
        import_clicks([SCAN, OTHER], CLASSES, csv(tmp_path, *lines))
    assert str(error.value).startswith(str(tmp_path / "clicks.csv"))
    assert "\n" not in str(error.value)


def test_a_scene_name_of_two_splits_must_be_written_in_full(tmp_path: Path) -> None:
    twin = replace(SCAN, name="val/scene0000_00")
    with pytest.raises(InputError, match="line 2: scene scene0000_00 may be train/scene0000_00 or val/scene0000_00"):
        import_clicks([SCAN, twin], CLASSES, csv(tmp_path, NUMBERED, "scene0000_00,3,wall"))
    full = import_clicks([SCAN, twin], CLASSES, csv(tmp_path, NUMBERED, "val/scene0000_00,3,wall"))
    assert [scene.count for scene in full.scenes] == [0, 1]


def test_the_distance_limit_is_the_users(tmp_path: Path) -> None:
    x, y, z = SCAN.coord[0]
    path = csv(tmp_path, HEAD, f"scene0000_00,{x},{y},{z - 5},wall")
    assert import_clicks([SCAN], CLASSES, path, max_distance=10).count == 1
    with pytest.raises(InputError, match="max_distance=0"):
        import_clicks([SCAN], CLASSES, path, max_distance=0)


def test_files_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_bytes(b"\xff\xfe\x00s\x00c")
    for name in ("clicks.csv", "none.csv"):
        with pytest.raises(InputError, match=name):
            import_clicks([SCAN], CLASSES, tmp_path / name)


ROWS = (("scene0000_00", 3, "wall"), ("train/scene0001_00", 12, "floor"), ("scene0001_00", 199, "board"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_ways_in_which_programs_write_tables(tmp_path: Path, delimiter: str, end: str, encoding: str) -> None:
    plain = import_clicks([SCAN, OTHER], CLASSES, csv(tmp_path, NUMBERED, *(f"{s},{i},{c}" for s, i, c in ROWS)))
    tables = {
        "plain": [("scene", "index", "class"), *ROWS],
        "quoted": [('"Scene"', '"Index"', '"CLASS"'), *((f'"{s}"', f'"{i}"', f'"{c}"') for s, i, c in ROWS)],
        "more columns": [("", "who", "class", "index", "scene"), *((9, "größe", c, i, s) for s, i, c in ROWS)],
        "whole floats": [("scene", "index", "class"), *((s, f"{i}.0", c) for s, i, c in ROWS)],
        "codes": [("scene", "index", "class"), *((s, i, CLASSES.index(c)) for s, i, c in ROWS)],
    }
    for name, table in tables.items():
        lines = [delimiter.join(map(str, row)) for row in table]
        texts = {
            name: lines,
            f"{name}, comments and blanks": [
                "# by me; on Monday",
                "",
                lines[0],
                "",
                *lines[1:],
                "#",
                delimiter * 2,
                "",
            ],
            f"{name}, a comment as its head": ["# " + lines[0], *lines[1:]],
            f"{name}, of Excel": [f"sep={delimiter}", *lines],
            f"{name}, blanks": [delimiter.join(f" {value}" for value in line.split(delimiter)) for line in lines],
        }
        for kind, text in texts.items():
            path = tmp_path / "clicks.csv"
            path.write_bytes((end.join(text) + end).encode(encoding))
            assert import_clicks([SCAN, OTHER], CLASSES, path).sha256 == plain.sha256, kind


def test_classes_are_told_by_their_numbers_where_the_files_have_them(tmp_path: Path) -> None:
    numbered = Classes(CLASSES.names, (), ((2, 9), (5,), (6,), (3,)))
    rows = [f"scene0000_00,{i},{code}" for i, code in enumerate((2, 9, 5, 6, 3, "wall", "+3"))]
    labels = import_clicks([SCAN], numbered, csv(tmp_path, NUMBERED, *rows))
    assert labels.scenes[0].label.tolist() == [0, 0, 1, 2, 3, 1, 3]
    for code in ("1", "0", "-1", "255", "9" * 5000, "wall 5", "٣"):
        with pytest.raises(InputError, match=r"line 2: class '.*' is not one of: floor \(2\), wall \(5\)") as error:
            import_clicks([SCAN], numbered, csv(tmp_path, NUMBERED, f"scene0000_00,3,{code}"))
        assert len(str(error.value)) < 500


def test_a_decimal_comma_is_read_where_it_parts_nothing_else(tmp_path: Path) -> None:
    x, y, z = SCAN.coord[7].astype(float)
    for delimiter in ";\t|":
        row = delimiter.join(["scene0000_00", *(f"{v:.5f}".replace(".", ",") for v in (x, y, z)), "wall"])
        labels = import_clicks([SCAN], CLASSES, csv(tmp_path, HEAD.replace(",", delimiter), row))
        assert labels.scenes[0].index.tolist() == [7]


def test_number_and_position_must_agree(tmp_path: Path) -> None:
    x, y, z = SCAN.coord[7]
    head = "index,scene,x,y,z,class"  # as pandas writes a table with its own row numbers
    assert import_clicks([SCAN], CLASSES, csv(tmp_path, head, f"7,scene0000_00,{x},{y},{z},wall")).spent == 1
    with pytest.raises(InputError, match="line 2: point 0 of train/scene0000_00 is not where x, y, z say"):
        import_clicks([SCAN], CLASSES, csv(tmp_path, head, f"0,scene0000_00,{x},{y},{z},wall"))


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ((NUMBERED, "scene0000_00;3;wall"), "line 2: has semicolons between its values, but the first line has commas"),
        (
            ("scene;index;class", "scene0000_00,3,wall"),
            "line 2: has commas between its values, but the first line has semicolons",
        ),
        (("scene index class", "scene0000_00 3 wall"), "line 1: columns scene index class; write"),
        ((NUMBERED, 'scene0000_00,3,"wall', "scene0000_00,4,wall"), "line 2: unexpected end of data"),
        ((NUMBERED, "scene0000_00,3,"), "line 2: has no class"),
        ((NUMBERED, ",3,wall"), "line 2: has no scene"),
        ((NUMBERED, "scene0000_00,,wall"), "line 2: index '' is no whole number"),
        ((NUMBERED, f"scene0000_00,{'9' * 18},wall"), "has no point 999999999999999999, only"),
        ((NUMBERED, f"scene0000_00,{'9' * 5000},wall"), r"index '9+\.\.\.' is no whole number"),
        ((NUMBERED, "scene0000_00,1_0,wall"), "index '1_0' is no whole number"),
        ((NUMBERED, "scene0000_00,٣,wall"), "is no whole number"),
        ((HEAD, "scene0000_00,1,1e999,1,wall"), "line 2: y is '1e999'"),
        ((HEAD, "scene0000_00,1,1_0,1,wall"), "line 2: y is '1_0'"),
        ((HEAD, f"scene0000_00,1,{'9' * 5000},1,wall"), r"line 2: y is '9+\.\.\.'"),
        (("scene,index,class,class", "a,1,b,c"), "line 1: the column class is there twice"),
        (("", "#", NUMBERED, "", "# x", "scene0000_00,x,wall"), "line 6: index 'x'"),
        (("x" * 10**6,), "line 1: field larger than field limit"),
    ],
)
def test_what_cannot_be_a_click_is_named_with_its_line(tmp_path: Path, lines: tuple[str, ...], named: str) -> None:
    test_a_mistake_is_named_with_its_line(tmp_path, lines, named)


def check_message(path: Path, read: Callable[[], T]) -> T | None:
    """What is read, or None where it was refused with one printable line that names the file."""
    try:
        return read()
    except InputError as caught:
        message = str(caught)
    assert message.startswith(str(path))
    assert message.isprintable()
    assert len(message) < 1000
    return None


def test_damaged_tables_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    draw = random.Random(8)
    seed = (
        "scene,x,y,z,class\n" + "scene0000_00,1.5,2.25,0.5,wall\n" * 3 + '"train/scene0001_00",1,1,1,"floor"\n'
    ).encode()
    numbered = b"scene,index,class\r\n# me\r\nscene0000_00,3,wall\r\nscene0001_00,12,1\r\n"
    pieces = [
        b",",
        b";",
        b'"',
        b"\n",
        b"\r",
        b"\x00",
        b"\xff\xfe",
        b"#",
        b"nan",
        b"1e999",
        b"9" * 400,
        b"-",
        b"\xe2\x80\xa8",
    ]
    for i in range(500):
        raw = bytearray(seed if i % 2 else numbered)
        for _ in range(draw.randint(1, 4)):
            at, kind = draw.randrange(len(raw)), draw.randrange(4)
            if kind == 0:
                raw[at] ^= 1 << draw.randrange(8)
            elif kind == 1:
                del raw[at : at + draw.randint(1, 20)]
            elif kind == 2:
                raw[at:at] = draw.choice(pieces)
            else:
                raw[at:at] = raw[draw.randrange(len(raw)) :][: draw.randint(1, 40)]
        path = tmp_path / "clicks.csv"
        path.write_bytes(bytes(raw))
        check_message(path, lambda path=path: import_clicks([SCAN, OTHER], CLASSES, path, max_distance=100))


def test_a_large_table_is_read_soon(tmp_path: Path) -> None:
    path = csv(tmp_path, HEAD, *(f"scene0000_00,{i}.5,2.25,0.5,wall" for i in range(50_000)))
    started = time.perf_counter()
    assert len(read_clicks(path)["scene0000_00"]) == 50_000
    assert time.perf_counter() - started < 5


def test_clicks_beyond_the_bound_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MOST_CSV", 30)
    with pytest.raises(InputError, match="has more than 30 bytes"):
        read_clicks(csv(tmp_path, NUMBERED, "scene0000_00,3,wall"))


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
    found = check_message(tmp_path / "points", lambda: read_scannet_lists(tmp_path / "points"))
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
