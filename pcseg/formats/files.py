"""Read a point file of any format."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.defects import Defect
from pcseg.formats.e57 import read_e57
from pcseg.formats.kitti import read_kitti
from pcseg.formats.las import read_las
from pcseg.formats.npy import read_npy, read_npz
from pcseg.formats.pcd import read_pcd
from pcseg.formats.ply import read_ply
from pcseg.formats.ptx import read_ptx
from pcseg.formats.rounded import rounding_defects
from pcseg.formats.xyz import read_xyz
from pcseg.spool import New

NAMED: dict[str, Callable[[Path], Cloud]] = {
    ".ply": read_ply, ".las": read_las, ".laz": read_las, ".e57": read_e57, ".pcd": read_pcd,
    ".ptx": read_ptx,
}  # fmt: skip
"""Readers of formats that name their columns."""

TABLES: dict[str, Callable[[Path, Sequence[str]], Cloud]] = {
    ".npy": read_npy, ".npz": read_npz, ".bin": read_kitti,
    ".xyz": read_xyz, ".txt": read_xyz, ".asc": read_xyz, ".csv": read_xyz, ".pts": read_xyz,
}  # fmt: skip
"""Readers of formats whose columns may have to be named by the user."""

FORMATS = (*NAMED, *TABLES)


def read_cloud(path: str | os.PathLike[str], columns: Sequence[str] = (), new: New | None = None) -> Cloud:
    """Return all points of one file in its order; the format follows its suffix (see FORMATS).

    ``columns`` names the columns of a table without names (text, .npy), e.g. ``("x", "y", "z", "intensity")``. Points
    with NaN coordinates are kept; coordinates that float32 rounded are reported. Colors that are all black, as scanners
    without a camera write, are none, and reported. ``new`` makes the large arrays of LAS, LAZ and .npy files (see
    pcseg.spool); a .npy file is then mapped into memory. Raises InputError for a missing, damaged or empty file.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    if path.stat().st_size == 0 and suffix in FORMATS:
        raise InputError(f"{path}: is empty; remove the file or copy it again")
    if new is not None and suffix in (".las", ".laz"):
        cloud = read_las(path, new)
    elif new is not None and suffix == ".npy":
        cloud = read_npy(path, columns, new)
    elif suffix in NAMED:
        cloud = NAMED[suffix](path)
    elif suffix in TABLES:
        cloud = TABLES[suffix](path, columns)
    else:
        raise InputError(f"{path}: unknown format '{suffix}'; give one of {', '.join(FORMATS)}")
    if len(cloud) == 0:
        raise InputError(f"{path}: no point in it; remove the file or export it again")
    cloud = replace(cloud, defects=(*cloud.defects, *rounding_defects(str(path), cloud.coord)))
    return cloud if cloud.color is None or cloud.color.any() else _colorless(cloud, str(path))


def _colorless(cloud: Cloud, where: str) -> Cloud:
    """Return ``cloud``, whose colors are all black, as one without color."""
    black = Defect(where, None, "its colors are all black (0)", "read as a scan without color")
    return replace(cloud, color=None, black=True, defects=(*cloud.defects, black))
