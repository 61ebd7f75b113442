"""Write a scan with its predicted labels; LAS, LAZ and PLY keep all their contents and gain two columns."""

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
    """Write the scan ``source``, read as ``cloud`` of P points, with a ``label`` (P,) and a ``confidence`` (P,) per
    point.

    From LAS or LAZ to LAS or LAZ, and from PLY to PLY, all other columns stay as they are; existing columns of these
    two names are replaced. LAS also keeps scales, coordinate system and all other records, except the index of COPC
    and, in .laz, waveforms; PLY loses faces and lists. Between other formats, coordinates, colors, normals and all
    other columns are kept, with names and types that the format supports; of a table without names also the one taken
    for labels, as ``label_2``. ``paint`` (P, 3) uint8 replaces the colors.

    ``names`` maps the numbers in ``labels`` to class names; PLY keeps them as comments "class 2 ground".
    ``classification`` also writes the labels as the column of that name, LAS's standard one, with 0 for -1. Returns a
    report of everything that could not be kept unchanged.

    The file appears complete or not at all. Raises InputError if it does not read back equal, if it cannot be written,
    or if ``source`` has changed since it was read.
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
    # A column without a name that was taken for labels may be another: it is kept beside them.
    fields = {name: v for name, v in cloud.fields.items() if not cloud.named or name.lower() not in columns}
    if classification:
        fields["classification"] = columns["classification"]
    color = np.zeros((len(cloud), 3), np.uint8) if cloud.black else cloud.color
    color = color if paint is None else paint
    return write_cloud(
        path, cloud.coord, color=color, normal=cloud.normal, fields=fields, labels=labels, confidence=confidence,
        names=names,
    )  # fmt: skip


def las_classes(labels: np.ndarray, path: Path, names: Mapping[int, str] | None = None) -> np.ndarray:
    """Return ``labels`` (P,) as LAS classification: uint8, with 0 (never classified) for -1; raises InputError above
    255.
    """
    for label in (labels.min(), labels.max()) if len(labels) else ():
        if not -1 <= label <= 255:
            name = (names or {}).get(int(label), "a class")
            raise InputError(f"{path}: {name} has the number {label}, but classification holds 0 to 255; leave it out")
    return np.where(labels < 0, 0, labels).astype(np.uint8)
