"""Write pictures that virtual cameras take of a scan as posed frames, in the layout of exported ScanNet scenes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pcseg.errors import InputError
from pcseg.files import atomic_path, write_json
from pcseg.pseudo.camera import Camera
from pcseg.pseudo.project import nearest_points, point_spacing

MOST_CLASSES = 255
"""Classes that a label picture of 8 bits can tell apart, beside unlabeled."""

SETTINGS = "settings.json"
"""File in the folder of a scan: the settings that its pictures were taken with."""


def write_views(
    folder: str | os.PathLike[str],
    cameras: Sequence[Camera],
    points: np.ndarray,
    colors: np.ndarray,
    labels: np.ndarray | None = None,
    names: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> int:
    """Write ``color/<i>.png``, ``pose/<i>.txt``, ``intrinsic/intrinsic_color.txt``; return the number of pictures.

    ``points`` (P, 3) and the poses are in one frame; ``colors`` (P, 3) uint8, black where no point is drawn
    (:func:`pcseg.pseudo.project.nearest_points`). With ``labels`` (P,), IGNORE where unknown, of the classes ``names``,
    also ``label/<i>.png``: 1 + the label, 0 for none, as ``label/classes.json`` tells. No depth: which points are seen
    is told by the points. ``settings``, JSON, are kept in SETTINGS. Cameras that see none write nothing. The folder
    takes its name when it is whole. Raises InputError for cameras that are not alike, and for more than MOST_CLASSES
    classes.
    """
    if len({(camera.size, camera.intrinsic.tobytes()) for camera in cameras}) > 1:
        raise InputError("cameras: their sizes or matrices differ; give those of one kind")
    if len(names) > MOST_CLASSES:
        raise InputError(f"labels: {len(names)} classes; label pictures tell {MOST_CLASSES} apart")
    spacing, written = point_spacing(points), 0
    with atomic_path(folder) as temporary:
        for kind in ("color", "pose", "intrinsic", *["label"] * (labels is not None)):
            (temporary / kind).mkdir(parents=True)
        if settings is not None:
            write_json(temporary / SETTINGS, settings)
        if cameras:
            _write_matrix(temporary / "intrinsic" / "intrinsic_color.txt", cameras[0].intrinsic)
        if labels is not None:
            meaning = {"0": "unlabeled"} | {str(number + 1): name for number, name in enumerate(names)}
            write_json(temporary / "label" / "classes.json", meaning)
        for camera in cameras:
            row = nearest_points(camera, points, spacing=spacing)
            if (row < 0).all():
                continue
            seen = (row >= 0)[..., None]
            Image.fromarray(np.where(seen, colors[row], 0).astype(np.uint8)).save(temporary / f"color/{written}.png")
            if labels is not None:
                drawn = np.where(row >= 0, labels[row] + 1, 0)
                Image.fromarray(drawn.astype(np.uint8)).save(temporary / f"label/{written}.png")
            _write_matrix(temporary / f"pose/{written}.txt", camera.pose)
            written += 1
    return written


def _write_matrix(path: Path, matrix: np.ndarray) -> None:
    np.savetxt(path, matrix, fmt="%.12g")
