"""Labels that lie in a file of their own beside a scan: Semantic3D's ``.labels`` and KITTI's ``.label``."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.parsing import parsing


def semantic3d_labels(scan: Path) -> Path | None:
    """The file of labels that belongs to a text file ``name.txt``: ``name.labels`` beside it; None where there is none."""
    path = scan.with_suffix(".labels")
    return path if path.is_file() else None


def with_semantic3d_labels(cloud: Cloud, path: Path) -> Cloud:
    """``cloud`` with a field ``label`` (P,) int64 from ``path``, one whole number a line; in Semantic3D 0 means unlabeled."""
    with parsing(path, "label"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty file: its count is told below
        values = np.loadtxt(path, comments=None, encoding="utf-8-sig", ndmin=2)
    if values.size and (values.shape[1] != 1 or not (np.abs(values) < 2**31).all() or (values % 1).any()):
        raise InputError(f"{path}: does not hold one whole number a line; write 0 where unknown")
    return _labeled(cloud, path, {"label": values.reshape(-1).astype(np.int64)})


def kitti_labels(scan: Path) -> Path | None:
    """The file of labels that belongs to ``name.bin``: ``name.label`` beside it or in ``../labels``; None where none is."""
    choices = (scan.with_suffix(".label"), scan.parent.parent / "labels" / f"{scan.stem}.label")
    return next((path for path in choices if path.is_file()), None)


def with_kitti_labels(cloud: Cloud, path: Path) -> Cloud:
    """``cloud`` with fields ``label`` and ``instance`` (P,) int64: the low and the high 16 bits of a uint32 a point."""
    with parsing(path, "label"):
        size = path.stat().st_size
        if size % 4:
            raise InputError(f"{path}: {size} bytes are no whole numbers of 4 bytes; it is cut off, copy it again")
        values = np.fromfile(path, "<u4").astype(np.int64)
    return _labeled(cloud, path, {"label": values & 0xFFFF, "instance": values >> 16})


def _labeled(cloud: Cloud, path: Path, fields: dict[str, np.ndarray]) -> Cloud:
    for name, values in fields.items():
        if len(values) != len(cloud):
            raise InputError(f"{path}: {len(values)} labels, but its scan has {len(cloud)} points; copy both again")
        if name in cloud.fields:
            raise InputError(
                f"{path}: gives the {name} of points that have a column {name} already; remove or rename one"
            )
    return replace(cloud, fields={**cloud.fields, **fields})
