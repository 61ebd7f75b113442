"""CSV files as programs write them: delimiters, quotes, decimal commas; damaged ones are refused in one line."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from pcseg.budgets import csv_rows
from pcseg.budgets.clicks import read_clicks
from pcseg.budgets.label_imports import import_clicks
from pcseg.errors import InputError
from tests.budgets.damage import damaged, read_or_refused
from tests.scenes.rooms import CLASSES, room

SCAN = room("train/scene0000_00", 300)
OTHER = room("train/scene0001_00", 200)


def csv(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "clicks.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


HEAD, NUMBERED = "scene,x,y,z,class", "scene,index,class"


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


def test_a_decimal_comma_is_read_where_it_parts_nothing_else(tmp_path: Path) -> None:
    x, y, z = SCAN.coord[7].astype(float)
    for delimiter in ";\t|":
        row = delimiter.join(["scene0000_00", *(f"{v:.5f}".replace(".", ",") for v in (x, y, z)), "wall"])
        labels = import_clicks([SCAN], CLASSES, csv(tmp_path, HEAD.replace(",", delimiter), row))
        assert labels.scenes[0].index.tolist() == [7]


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
def test_a_row_that_is_no_click_is_named_with_its_line(tmp_path: Path, lines: tuple[str, ...], named: str) -> None:
    with pytest.raises(InputError, match=named) as error:
        import_clicks([SCAN, OTHER], CLASSES, csv(tmp_path, *lines))
    assert str(error.value).startswith(str(tmp_path / "clicks.csv"))
    assert "\n" not in str(error.value)


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
    path = tmp_path / "clicks.csv"
    for i in range(500):
        path.write_bytes(damaged(seed if i % 2 else numbered, draw, pieces))
        read_or_refused(path, lambda: import_clicks([SCAN, OTHER], CLASSES, path, max_distance=100))


def test_a_large_table_is_read_soon(tmp_path: Path) -> None:
    path = csv(tmp_path, HEAD, *(f"scene0000_00,{i}.5,2.25,0.5,wall" for i in range(50_000)))
    started = time.process_time()
    assert len(read_clicks(path)["scene0000_00"]) == 50_000
    assert time.process_time() - started < 5


def test_clicks_beyond_the_bound_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MOST_CSV", 30)
    with pytest.raises(InputError, match="has more than 30 bytes"):
        read_clicks(csv(tmp_path, NUMBERED, "scene0000_00,3,wall"))
