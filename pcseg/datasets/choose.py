"""Choose the reader of a folder of raw data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcseg.datasets.class_file import open_classes
from pcseg.datasets.contract import SceneReader
from pcseg.datasets.folder import open_folder
from pcseg.datasets.pointcept import is_pointcept, open_pointcept
from pcseg.datasets.s3dis import S3disReader, is_s3dis
from pcseg.datasets.scannet import ScannetReader, is_scannet
from pcseg.errors import InputError

CHOICES = {
    "s3dis": ("stairs",),
    "scannet": ("lists", "align"),
    "folder": ("classes", "keep"),
    "pointcept": ("classes", "keep"),
}
"""Kinds of data sets, and the options of each."""


def open_dataset(root: str, kind: str = "auto", choices: Mapping[str, Any] | None = None) -> SceneReader:
    """Return the reader of the data set in the folder ``root``.

    ``kind`` is one of CHOICES, or "auto" to detect it from the files. ``choices`` are options of the kind; None means
    the default. Raises InputError for an option of another kind.
    """
    if not Path(root).is_dir():
        raise InputError(f"{root}: no such folder; give the folder of the raw data")
    kind = _kind(root) if kind == "auto" else kind
    if kind not in CHOICES:
        raise InputError(f"dataset={kind}: no such kind of data; write auto, {', '.join(CHOICES)}")
    chosen = {key: value for key, value in (choices or {}).items() if value is not None}
    foreign = sorted(set(chosen) - set(CHOICES[kind]))
    if foreign:
        raise InputError(f"{foreign[0]}={chosen[foreign[0]]}: a {kind} data set has no such choice; leave it out")
    if kind == "s3dis":
        return S3disReader(root, **chosen)
    if kind == "scannet":
        return ScannetReader(root, **chosen)
    if kind == "folder":
        return open_folder(root, **chosen)
    classes = open_classes(chosen["classes"]).classes if "classes" in chosen else None
    return open_pointcept(root, classes, chosen.get("keep"))


def _kind(root: str) -> str:
    if is_s3dis(root):
        return "s3dis"
    if is_scannet(root):
        return "scannet"
    return "pointcept" if is_pointcept(root) else "folder"
