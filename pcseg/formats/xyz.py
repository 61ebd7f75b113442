"""Read text files of points: XYZ, TXT, ASC, CSV and PTS, with or without a line of column names."""

from __future__ import annotations

import warnings
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.defects import Defect
from pcseg.formats.numerals import read_flag, read_number
from pcseg.formats.parsing import parsing
from pcseg.formats.sidecars import semantic3d_labels, with_semantic3d_labels
from pcseg.formats.table_columns import table_cloud
from pcseg.formats.text_layout import Layout, find_layout
from pcseg.formats.text_lines import cells, is_comment, stripped, without_remark


def read_xyz(path: Path, columns: Sequence[str] = ()) -> Cloud:
    """Return the points of a text file: one per line, numbers separated by blanks, tabs, commas or semicolons.

    Column names come from ``columns``, else from a line of names (CloudCompare's ``//X Y Z R G B``), else by convention
    (see ``table_columns``). Every other line is a point, except comments and blank lines; the usual spellings of a
    missing value become NaN. The labels of Semantic3D, in a file beside it, become the field ``label``. Raises
    InputError that names the line if it holds anything else, or more or fewer numbers than the others, and if the file
    has fewer points than it declares.
    """
    with parsing(path, "text"):
        layout = find_layout(path, columns)
        rows, defects = _read_rows(path, layout)
        labels = semantic3d_labels(path)
        cloud = table_cloud(rows, columns or layout.names, path, layout.count is not None or labels is not None)
        cloud = replace(cloud, defects=(*defects, *cloud.defects))
    return cloud if labels is None else with_semantic3d_labels(cloud, labels)


def _read_rows(path: Path, layout: Layout) -> tuple[np.ndarray, list[Defect]]:
    """Return the numbers of all rows, (P, C) float64."""
    count, comments = layout.count, 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            rows = np.loadtxt(
                path, delimiter=layout.separator, skiprows=layout.skip, comments=None, encoding=layout.encoding, ndmin=2
            )
    except ValueError:  # not only plain numbers
        with open(path, encoding=layout.encoding, errors="replace") as stream:
            rows, count, comments = read_lines(enumerate(stream, start=1), layout, path)
    defects = []
    if count is not None and len(rows) < count:
        raise InputError(f"{path}: declares {count} points, but has {len(rows)}; copy it again, or fix that number")
    if count is not None and len(rows) > count:
        found = f"declares {count} points, but has {len(rows)}"
        defects.append(Defect(str(path), None, found, "all are read"))
    if layout.unit:
        found, action = f"its header names the unit {layout.unit}", "kept as it is; give scale: in classes.yaml"
        defects.append(Defect(str(path), None, found, action))
    if layout.decimal_comma:
        defects.append(Defect(str(path), None, "commas in its numbers", "read as decimal points"))
    if comments:
        defects.append(Defect(str(path), None, f"{comments} comments between its rows", "left out"))
    if not layout.names and rows[0].tolist() == list(range(rows.shape[1])):
        found = f"the first point is {' '.join(f'{v:g}' for v in rows[0])}"
        defects.append(Defect(str(path), layout.skip + 1, found, "kept; if it numbers the columns, remove that line"))
    return rows, defects


def read_lines(lines: Iterable[tuple[int, str]], layout: Layout, path: Path) -> tuple[np.ndarray, int | None, int]:
    """Read numbered lines one by one, with comments, quotes, decimal commas and spellings of NaN; slower than numpy.

    Returns the numbers (P, C), the number of points that all parts of the file declare, and the number of comments and
    repeated lines of names between the rows.
    """
    values, count, comments, points = array("d"), layout.count, 0, 0
    for number, line in lines:
        text = stripped(line)
        if number <= layout.skip or not text.strip():
            continue
        if is_comment(text) or text == layout.header:
            comments += 1
            continue
        if count == points and text.isdigit():  # the next part of a PTS file
            count += int(text)
            continue
        row = _numbers(text, layout)
        if row is None and (rest := without_remark(text)) != text:
            row = _numbers(rest, layout)
            comments += 1
        if row is None:
            raise InputError(
                f"{path}: line {number} reads {text[:60]!r}, but {layout.width} numbers are needed; fix or remove it"
            )
        values.extend(row)
        points += 1
    return np.frombuffer(values, dtype=np.float64).reshape(-1, layout.width), count, comments


def _numbers(text: str, layout: Layout) -> list[float] | None:
    """Return the numbers of a row; None if there are more or fewer than expected, or anything else."""
    parts = cells(text, layout.separator)
    if layout.decimal_comma:
        parts = [part.replace(".", "?.").replace(",", ".") for part in parts]  # with decimal commas, a point is invalid
    if len(parts) == layout.width + 1 and not parts[-1]:
        parts.pop()
    if len(parts) != layout.width:
        return None
    numbers = [(read_flag if i in layout.flags else read_number)(part) for i, part in enumerate(parts)]
    return None if None in numbers else numbers  # type: ignore[return-value]
