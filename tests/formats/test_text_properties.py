"""Tables in the style of any tool are read with equal values; a line that cannot be read is named."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.formats import Cloud, read_cloud

NONE = (
    "nan", "NaN", "-nan", "-nan(ind)", "nan(snan)", "1.#QNAN", "-1.#IND", "1.#QNAN0", "NA", "N/A", "n/a", "#N/A",
    "None", "null",
    "NULL", "<NA>", "-", "?", "********",
)  # fmt: skip
NUMBERS = ("%.3f", "%r", "%.9e", "%+.4f", "%08.2f", "%.0f.")
BAD = ("3O", "abc", "1.2.3", "0x10", "1_0", "٣", "--1", "1e", "nanny", "5 m", "1.5f", "l.0", "VRAI", "12:30", "$5")
COMMENTS = ("# made with my tool", "// 12 34 56", "% note", "#", "")


@dataclass(frozen=True)
class Table:
    """Cells of a text file and how they are written."""

    names: tuple[str, ...]
    cells: list[list[str]]
    separator: str = " "
    header: str = ""
    comments: tuple[tuple[int, str], ...] = ()
    trailing: bool = False
    end: str = "\n"
    last: bool = True
    encoding: str = "utf-8"

    def lines(self) -> list[tuple[int | None, str]]:
        """Return each line with the number of its row, None if it is not a row."""
        lines: list[tuple[int | None, str]] = [
            (i, self.separator.join(row) + self.separator * self.trailing) for i, row in enumerate(self.cells)
        ]
        for place, text in sorted(self.comments, reverse=True):
            lines.insert(place % (len(lines) + 1), (None, text))
        return [(None, self.header), *lines] if self.header else lines

    def content(self) -> bytes:
        text = self.end.join(line for _, line in self.lines()) + self.end * self.last
        return text.encode(self.encoding)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    separator = draw(st.sampled_from([" ", "\t", ",", ";", ", ", " , ", "   "]))
    count = draw(st.integers(1, 12))
    style = draw(st.sampled_from(NUMBERS))
    coord = st.floats(-1e6, 1e6, allow_nan=False)
    spelled = draw(st.lists(st.sampled_from((*NONE, "") if separator in ",;" else NONE), min_size=1, max_size=3))
    rare = draw(st.sampled_from([0.0, 0.1, 0.5]))

    def cell(text: str) -> str:
        return draw(st.sampled_from(spelled)) if rare and draw(st.floats(0, 1)) < rare else text

    names = ["x", "y", "z"]
    with_color, with_label = draw(st.booleans()), draw(st.booleans())
    names += ["red", "green", "blue"] * with_color + ["label"] * with_label
    rows = []
    for i in range(count):
        row = [cell(style % draw(coord)) for _ in range(3)]
        row += [str(draw(st.integers(0, 255))) if i else "200" for _ in range(3 * with_color)]
        row += [cell(str(draw(st.integers(-1, 40))))] * with_label
        row[-1] = row[-1] or ("7" if i == 0 else "")  # a last column that is always empty does not count
        rows.append(row)
    kind = draw(st.sampled_from(["none", "plain", "quoted", "//", "# ", "units", "index"]))
    if kind == "index" and separator in ",;\t":
        rows = [[str(i), *row] for i, row in enumerate(rows)]
        header = separator.join(["", *names])
    else:
        quote, unit = '"' * (kind == "quoted"), "[m]" * (kind == "units")
        header = separator.join(f"{quote}{name}{unit}{quote}" for name in names)
        header = {"none": "", "//": f"//{header}", "# ": f"# {header}"}.get(kind, header)
    comments = draw(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(COMMENTS)), max_size=3))
    return Table(
        names=("index", *names) if kind == "index" and separator in ",;\t" else tuple(names),
        cells=rows,
        separator=separator,
        header=header,
        comments=tuple(comments),
        trailing=separator in ",;" and draw(st.booleans()) and all(row[-1] for row in rows),
        end=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        last=draw(st.booleans()),
        encoding=draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])),
    )


def value(cell: str) -> float:
    return float(cell) if re.fullmatch(r"[-+\d.e]*\d[-+\d.e]*", cell) and "#" not in cell else np.nan


def check(found: Cloud, table: Table) -> None:
    wanted = dict(zip(table.names, np.array([[value(c) for c in row] for row in table.cells]).T, strict=True))
    np.testing.assert_array_equal(found.coord, np.stack([wanted.pop(axis) for axis in "xyz"], axis=1))
    if "red" in wanted:
        color = np.stack([wanted.pop(c) for c in ("red", "green", "blue")], axis=1)
        assert found.black == (not color.any())
        assert found.black or (found.color == color).all()
    assert set(found.fields) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_array_equal(found.fields[name], values)


def read(content: bytes, factory: pytest.TempPathFactory, suffix: str = ".txt") -> Cloud:
    path = factory.mktemp("t") / f"a{suffix}"
    path.write_bytes(content)
    return read_cloud(path)


@settings(deadline=None)
@given(tables())
def test_values_read_equal_values_written(tmp_path_factory: pytest.TempPathFactory, table: Table) -> None:
    found = read(table.content(), tmp_path_factory)
    check(found, table)
    unreadable = sum(np.isnan(value(c)) for row in table.cells for c in row)
    reported = sum(int(d.found.split(" of ")[0]) for d in found.defects if "no finite number" in d.found)
    assert reported == unreadable


@settings(deadline=None)
@given(tables(), st.data())
def test_any_other_token_is_refused_with_its_line(
    tmp_path_factory: pytest.TempPathFactory, table: Table, data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(table.cells) - 1))
    column = data.draw(st.integers(0, len(table.names) - 1))
    table.cells[row][column] = data.draw(st.sampled_from(BAD))
    line = next(i for i, (n, _) in enumerate(table.lines(), start=1) if n == row)
    with pytest.raises(InputError, match=rf"a\.txt: line {line} reads "):
        read(table.content(), tmp_path_factory)


@settings(deadline=None)
@given(tables(), st.booleans(), st.data())
def test_rows_of_wrong_length_are_refused_with_their_line(
    tmp_path_factory: pytest.TempPathFactory, table: Table, more: bool, data: st.DataObject
) -> None:
    cells = [[c or "1" for c in row] for row in table.cells] * 3  # most rows are whole
    row = data.draw(st.integers(0, len(cells) - 1))
    cells[row] = [*cells[row], "1"] if more else cells[row][:-1]
    table = replace(table, cells=cells, trailing=False, comments=())
    line = row + 1 + bool(table.header)
    with pytest.raises(InputError, match=rf"a\.txt: line {line} reads "):
        read(table.content(), tmp_path_factory)


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(-(10**8), 10**8)] * 3), min_size=2, max_size=9), st.sampled_from(";\t "))
def test_decimal_commas(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, int]], separator: str
) -> None:
    text = "\n".join(separator.join(f"{n / 100:.2f}".replace(".", ",") for n in row) for row in rows)
    found = read(text.encode(), tmp_path_factory)
    np.testing.assert_array_equal(found.coord, np.array([[float(f"{n / 100:.2f}") for n in row] for row in rows]))


def test_possible_thousands_separators_are_reported(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = read(b"1,234;2,345;3,456\n1,111;2,222;3,333\n", tmp_path_factory, ".csv")
    assert found.coord.tolist() == [[1.234, 2.345, 3.456], [1.111, 2.222, 3.333]]
    assert "commas in its numbers; read as decimal points" in str(found.defects[0])


@pytest.mark.parametrize(
    "text",
    [
        "1,5;2,5;3.5\n",
        "x;y;z\n1,5;2,5;3,5\n1.5;2.5;3.5\n",
    ],
)
def test_ambiguous_commas_are_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    with pytest.raises(InputError, match=r"a\.csv: line \d reads"):
        read(text.encode(), tmp_path_factory, ".csv")
