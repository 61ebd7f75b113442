"""Text files of points, by the conventions of the tools that write them; a bad line is told by number."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcseg.data.readers import read_cloud
from pcseg.errors import InputError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1 2 3\n4 5 6\n", set()),
        ("4 5\n", None),
        ("2\n1 2 3 0.5 10 20 30\n4 5 6 0.1 1 2 3\n", {"intensity"}),
        ("//X Y Z R G B Label\n1 2 3 10 20 30 5\n4 5 6 1 2 3 nan\n", {"Label"}),
        ("# x, y, z, intensity\n1, 2, 3, 0.5\n4, 5, 6, 0.7\n", {"intensity"}),
        ("x;y;z;class\n1;2;3;0\n4;5;6;1\n", {"class"}),
        ("1 2 3 7\n4 5 6 8\n", {"label"}),
        ("1\t2\t3\t10\t20\t30\t7\n\n4\t5\t6\t1\t2\t3\t7\n", {"label"}),
        ("1 2 3 a\n4 5 6 b\n", None),
        ("1 2 3 9 9\n4 5 6 9 9\n", {"column4", "column5"}),
        ("\ufeff1 2 3\r\n4 5 6\r\n", set()),
    ],
)
def test_text(tmp_path: Path, text: str, names: set[str] | None) -> None:
    (tmp_path / "a.xyz").write_bytes(text.encode())
    if names is None:
        with pytest.raises(InputError, match=r"a\.xyz"):
            read_cloud(tmp_path / "a.xyz")
        return
    found = read_cloud(tmp_path / "a.xyz")
    assert found.coord.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert set(found.fields) == names


def test_pts_begins_with_its_number_of_points(tmp_path: Path) -> None:
    (tmp_path / "a.pts").write_text("2\n1 2 3 -5 10 20 30\n4 5 6 -6 1 2 3\n")
    found = read_cloud(tmp_path / "a.pts")
    named = read_cloud(tmp_path / "a.pts", ("x", "y", "z", "reflectance", "r", "g", "b"))
    assert named.fields["reflectance"].tolist() == [-5, -6]
    assert found.color is not None
    assert found.color.tolist() == [[10, 20, 30], [1, 2, 3]]
    assert found.fields["intensity"].tolist() == [-5, -6]


def test_text_tells_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("//X Y Z\n1 2 3\n\n4 5 6\n7 eight 9\n")
    with pytest.raises(InputError, match=r"a\.txt: line 5 reads '7 eight 9', but 3 numbers are needed"):
        read_cloud(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_text("1 2 3 -1 0 1\n1 2 3 0.5 0.5 0.5\n")
    with pytest.raises(InputError, match="negative, so not colours"):
        read_cloud(tmp_path / "a.txt")
    with pytest.raises(InputError, match="6 columns, but 4 names"):
        read_cloud(tmp_path / "a.txt", ("x", "y", "z", "label"))
