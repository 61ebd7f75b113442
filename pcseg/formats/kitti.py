"""Read KITTI scans (.bin): rows of float32 without a header, x y z intensity, and their labels in a file beside
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.columns import to_cloud
from pcseg.formats.parsing import parsing
from pcseg.formats.sidecars import kitti_labels, with_kitti_labels
from pcseg.formats.table_columns import unreadable

KITTI = ("x", "y", "z", "intensity")


def read_kitti(path: Path, columns: Sequence[str] = ()) -> Cloud:
    """Return the points of a KITTI scan; ``fields``: ``intensity`` and, if there is a ``.label`` file, ``label``,
    ``instance``.

    ``columns`` names the columns of rows of another length, e.g. x y z intensity ring in nuScenes. Raises InputError if
    the file does not hold such rows, since many other files end in .bin too.
    """
    names = tuple(columns) or KITTI
    with parsing(path, "KITTI"):
        size = path.stat().st_size
        if size == 0:
            raise InputError(f"{path}: no point in it; remove the file or copy it again")
        values = np.fromfile(path, "<f4")
        five = not columns and size % 20 == 0 and _has_rings(values.reshape(-1, 5))
        if five or (not columns and (size % 16 or not _plausible(values.reshape(-1, 4)))):
            remedy = "give it another suffix if it is not a scan"
            if five:
                remedy = "rows of 5, as in nuScenes, must be named: columns x, y, z, intensity, ring"
            raise InputError(f"{path}: {size} bytes are not rows of x y z intensity as in KITTI; {remedy}")
        if size % (4 * len(names)):
            raise InputError(
                f"{path}: {size} bytes are not rows of {len(names)} numbers of 4 bytes ({' '.join(names)})"
            )
        rows = values.reshape(-1, len(names))
        cloud = to_cloud(dict(zip(names, rows.T, strict=True)), path)
        cloud = replace(cloud, defects=(*unreadable(rows, names, path), *cloud.defects))
    labels = kitti_labels(path)
    return cloud if labels is None else with_kitti_labels(cloud, labels)


def _plausible(rows: np.ndarray) -> bool:
    """Return whether nearly all rows (P, 4 or more) are points in meters with an intensity; other data have any
    magnitude.
    """
    size = np.abs(rows[:, :4])
    fits = (np.isnan(size) | (size == 0) | ((size > 1e-7) & (size < 1e6))).all(axis=1) & ~(rows[:, 3] < 0)
    return bool(fits.mean() > 0.99 and (size > 0).any())


def _has_rings(rows: np.ndarray) -> bool:
    """Return whether rows (P, 5) are plausible, the last column holds laser numbers, and most coordinates are
    fractions.
    """
    ring, coord = rows[:, 4], rows[:, :3]
    lasers = ((ring >= 0) & (ring < 256) & (ring == np.rint(ring))).all()
    return bool(lasers and float((coord != np.rint(coord)).mean()) > 0.5 and _plausible(rows))
