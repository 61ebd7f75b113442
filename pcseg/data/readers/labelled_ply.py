"""A copy of a PLY scan with columns added or replaced; faces and lists are left out."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from plyfile import PlyElement, PlyListProperty

from pcseg.data.readers.columns import color_names
from pcseg.data.readers.ply import open_ply, points_of
from pcseg.data.readers.write import ROWS, Columns, check_count


def copy_ply(stream: IO[bytes], source: Path, path: Path, columns: Columns) -> None:
    data = open_ply(source)
    element = points_of(data, source)
    check_count(source, len(element), columns)
    plain = [p.name for p in element.properties if not isinstance(p, PlyListProperty)]
    replaced = {*columns, *(color_names(plain) if "red" in columns else ())}
    kept = [name for name in plain if name not in replaced and name.lower() not in columns]
    kinds = [(name, element.data.dtype[name].newbyteorder("<")) for name in kept]
    kinds += [(name, values.dtype) for name, values in columns.items()]
    properties = PlyElement.describe(np.empty(0, kinds), "vertex").properties
    head = ["ply", "format binary_little_endian 1.0", *(f"comment {text}" for text in data.comments)]
    head += [*(f"obj_info {text}" for text in data.obj_info), f"element vertex {len(element)}"]
    stream.write("\n".join([*head, *map(str, properties), "end_header\n"]).encode("ascii", "replace"))
    for start in range(0, len(element), ROWS):
        rows = element.data[start : start + ROWS]
        table = np.empty(len(rows), kinds)
        for name in kept:
            table[name] = rows[name]
        for name, values in columns.items():
            table[name] = values[start : start + ROWS]
        stream.write(table.tobytes())
