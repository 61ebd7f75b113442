"""Text tables are exact if clean; every known damaged byte is repaired or dropped, and reported with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg.datasets.s3dis_text import read_table
from pcseg.errors import InputError
from pcseg.scenes.places import usable
from tests.datasets.raw import ALIGNED, ORIGINAL, object_lines


def plausible(rows: np.ndarray) -> np.ndarray:
    return usable(rows[:, :3]) & (rows[:, 3:] >= 0).all(axis=1) & (rows[:, 3:] <= 255).all(axis=1)


@pytest.mark.parametrize("style", [ALIGNED, ORIGINAL])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_clean_text_is_read_exactly_and_fast(
    tmp_path: Path, style: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcseg.datasets.s3dis_text._read_damaged", None)  # the slow way is not needed
    rows, lines = object_lines(500, 0, style)
    (tmp_path / "a.txt").write_bytes("".join(line + ending for line in lines).encode())
    found, defects = read_table(tmp_path / "a.txt", 6, plausible)
    np.testing.assert_array_equal(found, rows)
    assert defects == []


@pytest.mark.parametrize(
    ("damaged", "mended", "action"),
    [
        # the defects of the releases, as published in the threads about them
        (b"-0.87 -0.03 2.6 185\x00187 175", [-0.87, -0.03, 2.6, 185, 187, 175], "read as a blank"),
        (b"1 2 3 103.0\x100000 98.0 58.0", [1, 2, 3, 103, 98, 58], "left out"),
        (b"-9.1\x160 2 3 4 5 6", [-9.1, 2, 3, 4, 5, 6], "left out"),
        (b"1 2 3 167.\x1000000 5 6", [1, 2, 3, 167, 5, 6], "left out"),
        (b"1 2 3 56.00\x0200 5 6", [1, 2, 3, 56, 5, 6], "left out"),
        (b"1 2 3 4 5 21\x1d1.000000", [1, 2, 3, 4, 5, 211], "left out"),
        (b"1 2 3 4 5 \xff6", [1, 2, 3, 4, 5, 6], "left out"),
        (b"1\x0b2 2 3 4 5 6", [12, 2, 3, 4, 5, 6], "left out"),
        (b"1 2 3 185\xa0187 175", [1, 2, 3, 185, 187, 175], "read as a blank"),  # a blank to Python, not to the file
        (b"1\x0c2 3 4 5 6", [1, 2, 3, 4, 5, 6], "read as a blank"),
        (b"1 2 3 4\x1f5 6", [1, 2, 3, 4, 5, 6], "read as a blank"),
        (b"1 2\r3 4 5 6", [1, 2, 3, 4, 5, 6], "read as a blank"),
        # damage that cannot be repaired
        (b"1 2 3 4 5", None, "dropped"),
        (b"1 2 3 4 5 6 7", None, "dropped"),
        (b"1 2 3 4 5 green", None, "dropped"),
        (b"1 2 3 4 5 256", None, "dropped"),
        (b"1 2 nan 4 5 6", None, "dropped"),
        (b"1 2 inf 4 5 6", None, "dropped"),
        (b"\x00\x00\x00\x00", None, "dropped"),
        (b"1_0 2 3 4 5 6", None, "dropped"),
        (b"-nan(ind) 2 3 4 5 6", None, "dropped"),
        (b"1.#QNAN 2 3 4 5 6", None, "dropped"),
        (b"NA 2 3 4 5 6", None, "dropped"),
        (b"1e300 2 3 4 5 6", None, "dropped"),
    ],
)
@pytest.mark.parametrize("at", [0, 7, 20])
def test_a_damaged_line(tmp_path: Path, damaged: bytes, mended: list[float] | None, action: str, at: int) -> None:
    rows, lines = object_lines(20, 0)
    raw = [line.encode() for line in lines]
    raw.insert(at, damaged)
    raw.insert(at, b"")  # blank lines are not a defect, but count
    (tmp_path / "a.txt").write_bytes(b"\n".join(raw))
    found, defects = read_table(tmp_path / "a.txt", 6, plausible)
    wanted = rows if mended is None else np.insert(rows, at, mended, axis=0)
    np.testing.assert_array_equal(found, wanted)
    assert len(defects) == 1
    assert str(defects[0]).startswith(f"{tmp_path / 'a.txt'}:{at + 2}: ")
    assert action in defects[0].action


@given(st.binary(max_size=200))
def test_no_bytes_break_it(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("t") / "a.txt"
    path.write_bytes(content)
    error = ""
    rows = np.empty((0, 6))
    try:
        rows, _ = read_table(path, 6, plausible)
    except InputError as raised:
        error = str(raised)
    assert not error or (str(path) in error and "\n" not in error)
    assert rows.shape[1] == 6
    assert plausible(rows).all()


@given(st.integers(0, 10**6), st.sampled_from([0, 2, 11, 22, 28, 127, 200]), st.booleans())
def test_a_control_byte_anywhere_costs_at_most_its_line(
    tmp_path_factory: pytest.TempPathFactory, where: int, byte: int, insert: bool
) -> None:
    rows, lines = object_lines(10, 1)
    content = bytearray("".join(f"{line}\n" for line in lines).encode())
    content[where % len(content) : where % len(content) + (not insert)] = bytes([byte])
    path = tmp_path_factory.mktemp("t") / "a.txt"
    path.write_bytes(content)
    found, _ = read_table(path, 6, plausible)
    same = {tuple(row) for row in rows.tolist()} & {tuple(row) for row in found.tolist()}
    assert len(same) >= 8  # a byte in place of a line's end spoils two lines
    assert len(found) >= 8


def test_an_empty_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    rows, defects = read_table(tmp_path / "a.txt", 6, plausible)
    assert rows.shape == (0, 6)
    assert [str(d) for d in defects] == [f"{tmp_path / 'a.txt'}: the file is empty; skipped"]


@pytest.mark.parametrize("content", ["<html>\n<body>\n", "1 2 3\n4 5 6\n", "\n\n"])
def test_text_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(InputError, match="no line holds 6 plausible numbers"):
        read_table(tmp_path / "a.txt", 6, plausible)


def test_many_defects_are_counted_not_listed(tmp_path: Path) -> None:
    _, lines = object_lines(10, 0)
    (tmp_path / "a.txt").write_text("\n".join([*lines, *["x"] * 500]))
    found, defects = read_table(tmp_path / "a.txt", 6, plausible)
    assert len(found) == 10
    assert len(defects) == 21
    assert "480 more damaged lines; 480 of them dropped" in str(defects[-1])
