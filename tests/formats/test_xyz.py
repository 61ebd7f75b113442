"""Text files of points follow the conventions of the tools that write them; a bad line is reported with its number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.formats import read_cloud, xyz


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


def test_refused_text_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("//X Y Z\n1 2 3\n\n4 5 6\n7 eight 9\n")
    with pytest.raises(InputError, match=r"a\.txt: line 5 reads '7 eight 9', but 3 numbers are needed"):
        read_cloud(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_text("1 2 3 -1 0 1\n1 2 3 0.5 0.5 0.5\n")
    with pytest.raises(InputError, match="negative, so not colors"):
        read_cloud(tmp_path / "a.txt")
    with pytest.raises(InputError, match="6 columns, but 4 names"):
        read_cloud(tmp_path / "a.txt", ("x", "y", "z", "label"))


@pytest.mark.parametrize("token", ["-nan(ind)", "1.#QNAN", "NA", "None", "-1.#IND", "n/a"])
@pytest.mark.parametrize("header", ["", "//X Y Z scalar_Label\n", "x y z scalar_Label\n"])
@pytest.mark.parametrize("first", [1, 5, 30])
def test_first_rows_without_a_label_are_points(tmp_path: Path, token: str, header: str, first: int) -> None:
    rows = [f"{i}.25 {i + 1}.5 {i % 7}.125 {token if i < first else i % 2}" for i in range(30)]
    (tmp_path / "a.txt").write_text(header + "\n".join(rows))
    found = read_cloud(tmp_path / "a.txt")
    assert found.coord[:, 0].tolist() == [i + 0.25 for i in range(30)]
    (labels,) = found.fields.values()
    np.testing.assert_array_equal(labels, [np.nan] * first + [i % 2 for i in range(first, 30)])
    assert f"{first} of 30 values" in str(found.defects[0])


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('"X","Y","Z","Classification"\n1,2,3,2.000\n4,5,6,1.000\n', {"Classification"}),  # PDAL
        ('"","X","Y","Z"\n"1",1,2,3\n"2",4,5,6\n', {"index"}),  # R, write.csv
        ('"X" "Y" "Z"\n"1" 1 2 3\n"2" 4 5 6\n', {"index"}),  # R, write.table
        (",x,y,z,label\n0,1,2,3,2\n1,4,5,6,1\n", {"index", "label"}),  # pandas
        ("\tx\ty\tz\n0\t1\t2\t3\n1\t4\t5\t6\n", {"index"}),
        ("//X,Y,Z,Scalar field,Original cloud index\n1,2,3,1,0\n4,5,6,1,0\n", {"Scalar field", "Original cloud index"}),
        ("//X;Y;Z;Illuminance (PCV)\n2\n1;2;3;0.1\n4;5;6;0.1\n", {"Illuminance (PCV)"}),  # CloudCompare
        ('"Points:0","Points:1","Points:2","RGB:0","RGB:1","RGB:2"\n1,2,3,4,5,6\n4,5,6,7,8,9\n', set()),  # ParaView
        ("x [m],y [m],z [m],Range [m]\n1,2,3,4\n4,5,6,7\n", {"Range"}),
        ("X(m) Y(m) Z(m)\n1 2 3\n4 5 6\n", set()),
        ("x y z\nm m m\n1 2 3\n4 5 6\n", set()),
        ('"V1" "V2" "V3"\n1 2 3\n4 5 6\n', set()),  # R, of a table without names
        ("Column1,Column2,Column3,Column4\n1,2,3,4\n4,5,6,7\n", {"label"}),
        ("x,y,z,\n1,2,3,\n4,5,6,\n", set()),
        ("x,y,z\n1,2,3,\n4,5,6,\n", set()),
        ("1,2,3,\n4,5,6,7\n", {"label"}),
        ("x\ty\tz\tmy label\n1\t2\t3\t\n4\t5\t6\t7\n", {"my label"}),
        ("# x y z\n# made with my tool\n1 2 3\n4 5 6\n", set()),
        ("# my office scan\n1 2 3\n4 5 6\n", set()),
        ("# columns: x y z label\n1 2 3 4\n4 5 6 7\n", {"label"}),
        ("% x y z w\n1 2 3 4\n4 5 6 7\n", {"w"}),
        ("1 2 3 # first\n# second scan\n4 5 6 // last\n\x1a", set()),
        ("x y z\n1 2 3\nx y z\n4 5 6\n", set()),
        ("1 , 2 , 3,7\n4 , 5 , 6,7\n", {"label"}),
        ("x y z label\n1,2,3,4\n4,5,6,7\n", {"label"}),
        ("x y z rgb\n1 2 3 16711680\n4 5 6 255\n", set()),
        ("x,y,z,R,G,B,A\n1,2,3,4,5,6,255\n4,5,6,4,5,6,255\n", {"A"}),
        ("1\n1 2 3 7 10 20 30\n1\n4 5 6 7 10 20 30\n", {"intensity"}),  # two scans in one PTS
    ],
)
def test_headers_are_known_by_what_they_are(tmp_path: Path, text: str, fields: set[str]) -> None:
    (tmp_path / "a.csv").write_text(text)
    found = read_cloud(tmp_path / "a.csv")
    assert found.coord.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert set(found.fields) == fields


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y,z\n", "no point in it"),
        ("7\n", "nothing but the number 7"),
        ("My office scan\n1 2 3\n", "line 1 reads 'My office scan', neither numbers nor names with x, y and z"),
        (",0,1,2\n0,1,2,3\n", "line 1 reads ',0,1,2', neither numbers nor names"),
        ("x y z\nfloat float float\n1 2 3\n", "line 2 reads 'float float float', but an earlier line has names"),
        ("x y z w\n1 2 3\n", "3 columns, but 4 names"),
        ("X Y Z\n1 1.5 2.5 3.5\n2 1.5 2.5 3.5\n", "4 columns, but 3 names"),
        ("x y z label label\n1 2 3 4 5\n", "two columns are called label"),
        ("x y z label Label\n1 2 3 4 5\n", "label and Label both look like labels"),
        ("x y z X Y Z\n1 2 3 4 5 6\n", "both look like coordinates"),
        ("5\n1 2 3 7 10 20 30\n4 5 6 7 10 20 30\n", "declares 5 points, but has 2"),
        ("x,y,z,label\n1,2,3,chair\n", "line 2 reads '1,2,3,chair'"),
        ("<html>\n<body>\n", "line 1 reads"),
        ("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary, not text"),
        ("1" * 200_000, "line 1 has more than 100000 characters"),
    ],
)
def test_text_that_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=rf"a\.csv: .*{message}"):
        read_cloud(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1\n1 2 3 7 10 20 30\n4 5 6 7 10 20 30\n", "declares 1 points, but has 2"),
        ("x [mm],y [mm],z [mm]\n1,2,3\n", "names the unit mm"),
        ("0,1,2\n1,2,3\n", "a.csv:1: the first point is 0 1 2"),
        ("1 2 3\n# second\n4 5 6\n", "1 comments between its rows"),
        ("1 2 inf\n4 5 6\n", "1 of 2 values of z are no finite number"),
    ],
)
def test_irregular_text_is_reported(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert any(found in str(defect) for defect in read_cloud(tmp_path / "a.csv").defects)


def test_names_of_other_encodings(tmp_path: Path) -> None:
    for encoding in ("latin1", "utf-8", "utf-16"):
        (tmp_path / "a.csv").write_bytes("x,y,Höhe,z\n1,2,3,4\n".encode(encoding))
        assert list(read_cloud(tmp_path / "a.csv").fields) == ["Höhe"]


def test_clean_files_are_read_the_fast_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xyz, "read_lines", None)
    for text in ("//X Y Z\n1 2 3\n4 5 nan\n", "x,y,z\r\n1, 2,3\r\n4 ,5,6\r\n", "\n\n# a\n2\n1\t2\t3\n\n4\t5\t6\n"):
        (tmp_path / "a.txt").write_text(text)
        assert len(read_cloud(tmp_path / "a.txt")) == 2


def test_names_that_the_user_gives_take_the_place_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ost Nord Hoehe Klasse\n1 2 3 4\n")
    found = read_cloud(tmp_path / "a.txt", ("x", "y", "z", "label"))
    assert (found.coord.tolist(), found.fields["label"].tolist()) == ([[1, 2, 3]], [4])


@pytest.mark.parametrize(
    "none", ["#NAME?", "#NULL!", "#NV", "#N/A", "(null)", "[NULL]", r"\N", "n.a.", "1.#J", "-1.#IO", "1.#R"]
)
def test_a_row_of_missing_values_is_a_point(tmp_path: Path, none: str) -> None:
    for name, text in (
        ("a.xyz", f"{none} {none} {none}\n4 5 6\n7 8 9\n"),
        ("a.csv", f'"x","y","z"\n"{none}","{none}","{none}"\n4,5,6\n7,8,9\n'),
        ("a.csv", f"x;y;z\n4;5;6\n{none};{none};{none}\n7;8;9\n"),
    ):
        (tmp_path / name).write_text(text)
        found = read_cloud(tmp_path / name)
        unreadable = np.isnan(found.coord).all(axis=1)
        assert unreadable.sum() == 1
        assert found.coord[~unreadable].tolist() == [[4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('"x","y","z","Withheld"\n1,2,3,FALSE\n4,5,6,TRUE\n7,8,9,NA\n', {"Withheld": [0, 1, None]}),  # R, lidR
        ("x,y,z,ground\n1,2,3,True\n4,5,6,False\n7,8,9,True\n", {"ground": [1, 0, 1]}),  # pandas
        ("x y z label\n1 1 2 3 7\n2 4 5 6 8\n3 7 8 9 9\n", {"index": [1, 2, 3], "label": [7, 8, 9]}),  # R, quote=FALSE
        ("sep=;\nX;Y;Z;I\n1,0;2,0;3,0;0,5\n4,0;5,0;6,0;0,25\n7,0;8,0;9,0;1\n", {"I": [0.5, 0.25, 1]}),  # Excel
        ('"sep=,"\nX,Y,Z\n"1,0","2,0","3,0"\n"4,0","5,0","6,0"\n"7,0","8,0","9,0"\n', {}),  # quoted decimal commas
        ("X\tY\tZ\tI\n1\t2\t3\t0,5\n4,0\t5,0\t6,0\t0,25\n7,0\t8,0\t9,0\t1\n", {"I": [0.5, 0.25, 1]}),
        ("Northing,EASTING,Height (m),Label\n2,1,3,5\n5,4,6,5\n8,7,9,6\n", {"Label": [5, 5, 6]}),  # surveyors
        ("easting northing elevation\n1 2 3\n4 5 6\n7 8 9\n", {}),
        (
            "x y z Easting Northing Height\n1 2 3 0 0 0\n4 5 6 0 0 0\n7 8 9 0 0 0\n",
            {"Easting": [0] * 3, "Northing": [0] * 3, "Height": [0] * 3},
        ),
        ("1 2 3\n4,0 5,0 6,0\n7,0 8 9,00\n", {}),  # the first row has no decimal
        ("1.D+00 0.2D+01 3d0\n4.0D0 5.0D0 6.0D0\n7 8 9\n", {}),  # Fortran
    ],
)
def test_tables_as_tools_write_them(tmp_path: Path, text: str, fields: dict[str, list[float | None]]) -> None:
    (tmp_path / "a.csv").write_text(text)
    found = read_cloud(tmp_path / "a.csv")
    assert found.coord.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert set(found.fields) == set(fields)
    for name, values in fields.items():
        np.testing.assert_array_equal(found.fields[name], np.array(values, dtype=float))


@pytest.mark.parametrize("text", ["x y z\n1 TRUE 3\n4 5 6\n", "x y z\nTRUE TRUE TRUE\n", "1 2 3 0\n1 2 3 TRUE\n"])
def test_a_flag_is_no_coordinate_and_no_number_among_numbers(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(InputError, match="TRUE"):
        read_cloud(tmp_path / "a.txt")


def test_returns_are_no_colors(tmp_path: Path) -> None:
    (tmp_path / "a.pts").write_text("1 2 3 120 1 1 0\n4 5 6 30 1 2 5\n7 8 9 0 2 2 5\n")  # ISPRS' Vaihingen
    with pytest.raises(InputError, match="look like numbers of returns"):
        read_cloud(tmp_path / "a.pts")
    found = read_cloud(tmp_path / "a.pts", ("x", "y", "z", "intensity", "return_number", "number_of_returns", "label"))
    assert found.fields["label"].tolist() == [0, 5, 5]


def test_labels_beside_may_begin_with_a_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1 2 3 5 9 9 9\n4 5 6 5 9 9 9\n")
    (tmp_path / "a.labels").write_bytes(b"\xef\xbb\xbf3\r\n4\r\n")
    assert read_cloud(tmp_path / "a.txt").fields["label"].tolist() == [3, 4]


def test_a_comment_may_begin_with_a_word(tmp_path: Path) -> None:
    for word in ("#Name", "#null", "#Num", "#value"):
        (tmp_path / "a.xyz").write_text(f"{word} of the columns: X Y Z\n1 2 3\n4 5 6\n")
        assert read_cloud(tmp_path / "a.xyz").coord.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("zeros", [1, 40, 5000])
def test_text_that_a_crash_left_half_written(tmp_path: Path, zeros: int) -> None:
    (tmp_path / "a.xyz").write_bytes(b"1 2 3\n4 5 6\n" + bytes(zeros))
    with pytest.raises(InputError, match="holds zeros from byte 12 on"):
        read_cloud(tmp_path / "a.xyz")
