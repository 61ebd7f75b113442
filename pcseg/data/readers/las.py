"""LAS and LAZ files of every version, with their extra dimensions."""

from __future__ import annotations

from pathlib import Path

import laspy
import numpy as np

from pcseg.data.readers.cloud import Cloud
from pcseg.data.readers.columns import parsing, to_cloud
from pcseg.errors import InputError

_KEPT = ("intensity", "return_number", "number_of_returns", "classification")


def read_las(path: Path) -> Cloud:
    """The points of a LAS or LAZ file, with offset and scale applied in float64.

    ``fields`` are intensity, the returns, ``classification`` and the extra dimensions; the other standard
    dimensions (flags, times) are left out to save memory.
    """
    with parsing(path, "LAS"):
        las = laspy.read(path)
        if len(las.points) != las.header.point_count:
            raise InputError(
                f"{path}: {len(las.points)} points, but its header says {las.header.point_count}; "
                "it is cut off, copy it again"
            )
        there = set(las.point_format.dimension_names)
        names = [*_KEPT, "red", "green", "blue", *las.point_format.extra_dimension_names]
        columns = {name: np.asarray(las[name]) for name in names if name in there}
        # an extra dimension cannot take the place of a coordinate
        return to_cloud({**columns, "x": np.asarray(las.x), "y": np.asarray(las.y), "z": np.asarray(las.z)}, path)
