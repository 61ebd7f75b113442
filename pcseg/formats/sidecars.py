"""Read labels in a file beside a scan: Semantic3D's ``.labels`` and KITTI's ``.label``."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.parsing import parsing


def semantic3d_labels(scan: Path) -> Path | None:
    """Return the label file of a text file ``name.txt``, ``name.labels`` beside it; None if there is none."""
    path = scan.with_suffix(".labels")
    return path if path.is_file() else None


def with_semantic3d_labels(cloud: Cloud, path: Path) -> Cloud:
    """Return ``cloud`` with the field ``label`` (P,) int64 from ``path``, one integer per line; 0 means unlabeled."""
    with parsing(path, "label"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of an empty file: its number of labels is checked below
        values = np.loadtxt(path, comments=None, encoding="utf-8-sig", ndmin=2)
    if values.size and (values.shape[1] != 1 or not (np.abs(values) < 2**31).all() or (values % 1).any()):
        raise InputError(f"{path}: does not hold one whole number per line; write 0 for unlabeled points")
    return _labeled(cloud, path, {"label": values.reshape(-1).astype(np.int64)})


def kitti_labels(scan: Path) -> Path | None:
    """Return the label file of ``name.bin``, ``name.label`` beside it or in ``../labels``; None if there is none."""
    choices = (scan.with_suffix(".label"), scan.parent.parent / "labels" / f"{scan.stem}.label")
    return next((path for path in choices if path.is_file()), None)


def with_kitti_labels(cloud: Cloud, path: Path) -> Cloud:
    """Return ``cloud`` with fields ``label`` and ``instance`` (P,) int64 of its ``.label`` file."""
    label, instance = kitti_values(path)
    return _labeled(cloud, path, {"label": label, "instance": instance})


def kitti_values(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and objects (P,) int64 of a ``.label`` file, the low and high 16 bits of a uint32 per point."""
    with parsing(path, "label"):
        size = path.stat().st_size
        if size % 4:
            raise InputError(f"{path}: {size} bytes are not whole numbers of 4 bytes; it is cut off, copy it again")
        values = np.fromfile(path, "<u4").astype(np.int64)
    return values & 0xFFFF, values >> 16


def _labeled(cloud: Cloud, path: Path, fields: dict[str, np.ndarray]) -> Cloud:
    for name, values in fields.items():
        if len(values) != len(cloud):
            raise InputError(f"{path}: {len(values)} labels, but its scan has {len(cloud)} points; copy both again")
        if name in cloud.fields:
            raise InputError(
                f"{path}: gives the {name} of points that already have a column {name}; remove or rename one"
            )
    return replace(cloud, fields={**cloud.fields, **fields})
