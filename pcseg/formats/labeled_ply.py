"""Add or replace columns of a PLY scan; faces and lists are left out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pcseg.formats.columns import color_names
from pcseg.formats.defects import Defect
from pcseg.formats.fitted import fit
from pcseg.formats.ply import open_ply
from pcseg.formats.write import Columns, check_count

_CLASS = re.compile(r"class -?\d+ ")


def merged_ply(source: Path, path: Path, columns: Columns) -> tuple[dict[str, np.ndarray], list[str], list[Defect]]:
    """Return the columns of ``source`` merged with ``columns``, the remarks of its header, and a report of all changes.

    Binary columns of ``source`` stay on the disk. Raises InputError if its number of points has changed.
    """
    points = open_ply(source)
    check_count(source, len(points), columns)
    replaced = {*columns, *(color_names(points.columns) if "red" in columns else ())}
    kept = {n: v for n, v in points.columns.items() if n not in replaced and n.lower() not in columns}
    others, changes = fit(kept, columns, str(path), ".ply")
    added, more = fit(columns, (), str(path), ".ply")
    remarks = [f"comment {text}" for text in points.comments if not _CLASS.match(text)]
    remarks += [f"obj_info {text}" for text in points.infos]
    left = (
        [Defect(str(source), None, f"besides its points: {', '.join(points.others)}", "left out")]
        if points.others
        else []
    )
    return others | added, remarks, [*changes, *more, *left]
