"""A scan with its predicted labels: LAS, LAZ and PLY files keep all that they hold and gain two columns."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pcseg.data.readers.cloud import Cloud
from pcseg.data.readers.labelled_las import copy_las
from pcseg.data.readers.labelled_ply import copy_ply
from pcseg.data.readers.write import label_columns, write_cloud
from pcseg.files import atomic_path


def write_labelled(
    source: Path,
    path: str | os.PathLike[str],
    cloud: Cloud,
    labels: np.ndarray,
    confidence: np.ndarray,
    paint: np.ndarray | None = None,
) -> None:
    """Write the scan ``source``, read as ``cloud`` of P points, with a ``label`` (P,) and a ``confidence`` (P,) each.

    From LAS or LAZ to LAS or LAZ, and from PLY to PLY, ``path`` is ``source`` with these two columns added, or
    replaced if it has them: every other column stays as it is, and in LAS the scales, the coordinate system and all
    other records too (not COPC's index, nor waveforms). Of a PLY file faces and lists are left out. Between other formats coordinates
    and colours are kept. ``paint`` (P, 3) uint8 takes the place of the scan's colours.

    Atomic; raises InputError where the place cannot be written or ``source`` is no longer what was read.
    """
    path = Path(path)
    kinds = {".las": copy_las, ".laz": copy_las, ".ply": copy_ply}
    copier = kinds.get(path.suffix.lower())
    if copier is None or copier is not kinds.get(source.suffix.lower()):
        color = cloud.color if paint is None else paint
        write_cloud(path, cloud.coord, color=color, labels=labels, confidence=confidence)
        return
    columns = label_columns(labels, confidence)
    if paint is not None:
        columns |= dict(zip(("red", "green", "blue"), paint.astype(np.uint8).T, strict=True))
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        copier(stream, source, path, columns)
