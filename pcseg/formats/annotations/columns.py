"""Labels as a column of a point file (CloudCompare, semantic-segmentation-editor, LAS) or as SemanticKITTI's .label."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.files import atomic_path
from pcseg.formats.annotations.annotation import Annotation, LabeledScan, dense
from pcseg.formats.cloud import Cloud
from pcseg.formats.columns import USUAL_LABELS
from pcseg.formats.files import read_cloud
from pcseg.formats.sidecars import kitti_values
from pcseg.formats.write import write_cloud

ZERO = frozenset({"0"})
"""The number of unlabeled points in SemanticKITTI's files and in those of semantic-segmentation-editor."""

UNCLASSIFIED = frozenset({"0", "1"})
"""ASPRS codes of points that are not classified."""


def read_column(path: Path, column: str = "") -> Annotation:
    """Return the labels in a column of a point file: ``column``, or the first of USUAL_LABELS that is there.

    The numbers are those of the classes, as in classes.yaml; NaN and -1 mean unlabeled, and so does 0 (of LAS also 1)
    where no class has it. Raises InputError where there is no such column.
    """
    cloud = read_cloud(path)
    name = _find(cloud, column, path)
    las = path.suffix.lower() in (".las", ".laz")
    return dense(cloud.fields[name], None, f"{path} ({name})", cloud.coord, UNCLASSIFIED if las else ZERO)


def read_kitti_label(path: Path) -> Annotation:
    """Return the labels of a SemanticKITTI ``.label`` file: the low 16 bits of each number; the others are objects."""
    return dense(kitti_values(path)[0], None, path, None, ZERO)


def write_kitti(folder: Path, scan: LabeledScan) -> list[Path]:
    """Write ``<folder>/<split>/{velodyne/<scene>.bin, labels/<scene>.label}`` with the numbers of the classes.

    Coordinates are without the scan's origin, intensities 0; unlabeled points are 0. Returns the files.
    """
    split, _, name = scan.name.rpartition("/")
    root = folder / (split or "train")
    places = [root / "velodyne" / f"{name}.bin", root / "labels" / f"{name}.label"]
    codes = scan.codes(0xFFFF, 0, places[1])
    rows = np.zeros((len(scan.coord), 4), "<f4")
    rows[:, :3] = scan.coord
    for place, values in zip(places, (rows, codes.astype("<u4")), strict=True):
        with atomic_path(place) as temporary:
            values.tofile(temporary)
    return places


def write_editor(folder: Path, scan: LabeledScan) -> list[Path]:
    """Write ``<folder>/<scene>.pcd`` as semantic-segmentation-editor exports it: x y z [rgb] label object.

    Coordinates are without the scan's origin; unlabeled points are 0, and no point belongs to an object (-1).
    """
    place = _place(folder, scan, ".pcd")
    label = scan.codes(2**31 - 1, 0, place).astype(np.int32)
    write_cloud(place, scan.coord, color=scan.color, fields={"label": label, "object": np.full_like(label, -1)})
    return [place]


def write_cloudcompare(folder: Path, scan: LabeledScan) -> list[Path]:
    """Write ``<folder>/<scene>.txt`` with the line ``//X Y Z R G B label``; unlabeled points are nan."""
    place = _place(folder, scan, ".txt")
    names, styles, columns = ["X", "Y", "Z"], ["%.6f"] * 3, list(scan.places.T)
    if scan.color is not None:
        names, styles, columns = [*names, "R", "G", "B"], [*styles, "%d", "%d", "%d"], [*columns, *scan.color.T]
    rows = np.stack([*columns, _with_nan(scan)], axis=1)
    with atomic_path(place) as temporary:
        np.savetxt(temporary, rows, fmt=[*styles, "%g"], header=f"//{' '.join([*names, 'label'])}", comments="")
    return [place]


def write_ply_column(folder: Path, scan: LabeledScan) -> list[Path]:
    """Write ``<folder>/<scene>.ply`` with the float property ``scalar_label``, CloudCompare's; unlabeled is nan."""
    place = _place(folder, scan, ".ply")
    names = dict(zip(scan.classes.to_codes(np.arange(len(scan.classes))).tolist(), scan.classes.names, strict=True))
    label = _with_nan(scan).astype(np.float32)
    write_cloud(place, scan.places, color=scan.color, fields={"scalar_label": label}, names=names)
    return [place]


def write_las_classes(folder: Path, scan: LabeledScan) -> list[Path]:
    """Write ``<folder>/<scene>.las`` with the numbers of the classes as classification; unlabeled points are 0."""
    place = _place(folder, scan, ".las")
    codes = scan.codes(255, 0, place).astype(np.uint8)
    write_cloud(place, scan.places, color=scan.color, fields={"classification": codes})
    return [place]


def _find(cloud: Cloud, column: str, path: Path) -> str:
    lower = {name.lower(): name for name in cloud.fields}
    for name in (column.lower(), f"scalar_{column.lower()}") if column else USUAL_LABELS:
        if name in lower:
            return lower[name]
    there = ", ".join(cloud.fields) or "coordinates and colors"
    wanted = f"column '{column}'" if column else "column that is known to hold labels"
    raise InputError(f"{path}: has no {wanted}, only {there}; name it: column=...")


def _with_nan(scan: LabeledScan) -> np.ndarray:
    return np.where(scan.labels == IGNORE, np.nan, scan.classes.to_codes(scan.labels).astype(np.float64))


def _place(folder: Path, scan: LabeledScan, ending: str) -> Path:
    place = folder / scan.name
    return place.with_name(f"{place.name}{ending}")
