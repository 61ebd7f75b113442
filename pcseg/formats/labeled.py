"""A scan with its predicted labels: LAS, LAZ and PLY files keep all that they hold and gain two columns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.files import atomic_path
from pcseg.formats.cloud import Cloud
from pcseg.formats.defects import Defect
from pcseg.formats.labeled_las import copy_las
from pcseg.formats.labeled_ply import merged_ply
from pcseg.formats.write import class_remarks, label_columns, save, write_cloud
from pcseg.formats.written import check_written

_LAS = (".las", ".laz")


def write_labeled(
    source: Path,
    path: str | os.PathLike[str],
    cloud: Cloud,
    labels: np.ndarray,
    confidence: np.ndarray,
    paint: np.ndarray | None = None,
    *,
    names: Mapping[int, str] | None = None,
    classification: bool = False,
) -> tuple[Defect, ...]:
    """Write the scan ``source``, read as ``cloud`` of P points, with a ``label`` (P,) and a ``confidence`` (P,) each.

    From LAS or LAZ to LAS or LAZ, and from PLY to PLY, ``path`` is ``source`` with these two columns added, or
    replaced if it has them: every other column stays as it is, and in LAS the scales, the coordinate system and all
    other records too (not the index of COPC; waveforms not in .laz). Of a PLY file faces and lists are left out. Between other formats
    coordinates, colors, normals and all other columns are kept, under names and of types that the format has. ``paint``
    (P, 3) uint8 takes the place of the scan's colors.

    ``names`` gives the name of the class of each number in ``labels``; PLY files keep them as comments "class 2 ground".
    ``classification`` writes the labels as a column of that name too, which in LAS is the standard's; there 0 stands for
    -1. Returns what of the scan could not be kept as it is.

    Atomic, and read again before it takes its name; raises InputError where that differs, the place cannot be written or
    ``source`` is no longer what was read.
    """
    path = Path(path)
    suffixes = (source.suffix.lower(), path.suffix.lower())
    columns = label_columns(labels, confidence)
    if classification:
        columns["classification"] = las_classes(labels, path, names)
    if paint is not None:
        columns |= dict(zip(("red", "green", "blue"), paint.astype(np.uint8).T, strict=True))
    if suffixes[0] in _LAS and suffixes[1] in _LAS:
        wanted = dict(zip("xyz", cloud.coord.T, strict=True)) | columns
        with (
            atomic_path(path, check=lambda temporary: check_written(temporary, suffixes[1], wanted)) as temporary,
            open(temporary, "wb") as stream,
        ):
            copy_las(stream, source, path, columns)
        return ()
    if suffixes == (".ply", ".ply"):
        merged, remarks, defects = merged_ply(source, path, columns)
        save(path, merged, (*remarks, *class_remarks(names)))
        return tuple(defects)
    fields = {name: values for name, values in cloud.fields.items() if name.lower() not in columns}
    if classification:
        fields["classification"] = columns["classification"]
    color = cloud.color if paint is None else paint
    return write_cloud(
        path, cloud.coord, color=color, normal=cloud.normal, fields=fields, labels=labels, confidence=confidence, names=names
    )  # fmt: skip


def las_classes(labels: np.ndarray, path: Path, names: Mapping[int, str] | None = None) -> np.ndarray:
    """``labels`` (P,) as LAS classifies points: uint8, 0 (never classified) for -1; InputError beyond 255."""
    for label in (labels.min(), labels.max()) if len(labels) else ():
        if not -1 <= label <= 255:
            name = (names or {}).get(int(label), "a class")
            raise InputError(f"{path}: {name} has the number {label}, but classification holds 0 to 255; leave it out")
    return np.where(labels < 0, 0, labels).astype(np.uint8)
