"""A copy of a PLY scan with columns added or replaced; faces and lists are left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from plyfile import PlyElement

from pcseg.data.readers.columns import color_names
from pcseg.data.readers.ply import open_ply
from pcseg.data.readers.write import ROWS, Columns, check_count


def copy_ply(stream: IO[bytes], source: Path, path: Path, columns: Columns, comments: Sequence[str] = ()) -> None:
    """Write the points of ``source`` with ``columns`` to ``stream``, its comments and these ``comments`` before them."""
    points = open_ply(source)
    check_count(source, len(points), columns)
    replaced = {*columns, *(color_names(points.columns) if "red" in columns else ())}
    kept = [name for name in points.columns if name not in replaced and name.lower() not in columns]
    table = {name: points.columns[name] for name in kept} | dict(columns)
    kinds = [(name, values.dtype.newbyteorder("<")) for name, values in table.items()]
    properties = PlyElement.describe(np.empty(0, kinds), "vertex").properties
    head = ["ply", "format binary_little_endian 1.0", *(f"comment {text}" for text in (*points.comments, *comments))]
    head += [*(f"obj_info {text}" for text in points.infos), f"element vertex {len(points)}"]
    stream.write("\n".join([*head, *map(str, properties), "end_header\n"]).encode("ascii", "replace"))
    for start in range(0, len(points), ROWS):
        piece = np.empty(min(ROWS, len(points) - start), kinds)
        for name, values in table.items():
            piece[name] = values[start : start + ROWS]
        stream.write(piece.tobytes())
