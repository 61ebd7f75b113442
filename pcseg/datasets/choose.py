"""Choose the reader of a folder of raw data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcseg.datasets.camvid import CamvidReader, is_camvid
from pcseg.datasets.cityscapes import CityscapesReader, is_cityscapes
from pcseg.datasets.class_file import open_classes
from pcseg.datasets.contract import SceneReader
from pcseg.datasets.crops import CropReader
from pcseg.datasets.folder import open_folder
from pcseg.datasets.frames import FramesReader, is_frames, open_frames
from pcseg.datasets.images import ImagesReader, is_images, open_images
from pcseg.datasets.pointcept import is_pointcept, open_pointcept
from pcseg.datasets.s3dis import S3disReader, is_s3dis
from pcseg.datasets.scannet import ScannetReader, is_scannet
from pcseg.datasets.voc import VocReader, is_voc
from pcseg.errors import InputError

CHOICES = {
    "s3dis": ("stairs",),
    "scannet": ("lists", "align"),
    "folder": ("classes", "keep"),
    "pointcept": ("classes", "keep"),
    "images": ("classes", "crops"),
    "camvid": ("crops",),
    "voc": ("lists", "crops"),
    "cityscapes": ("crops",),
    "frames": ("classes", "lists", "crops"),
}
"""Kinds of data sets, and the options of each; the scenes of those from images on are pictures."""


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
    crops = chosen.pop("crops", None)
    reader = _open(root, kind, chosen)
    return reader if crops is None else CropReader(reader, crops)


def _open(root: str, kind: str, chosen: dict[str, Any]) -> SceneReader:
    if kind == "s3dis":
        return S3disReader(root, **chosen)
    if kind == "scannet":
        return ScannetReader(root, **chosen)
    if kind == "folder":
        return open_folder(root, **chosen)
    if kind == "images":
        return open_images(root, **chosen)
    if kind == "camvid":
        return CamvidReader(root)
    if kind == "voc":
        return VocReader(root, **chosen)
    if kind == "cityscapes":
        return CityscapesReader(root)
    classes = open_classes(chosen["classes"]).classes if "classes" in chosen else None
    if kind == "frames":
        return open_frames(root, classes, chosen.get("lists", ""))
    return open_pointcept(root, classes, chosen.get("keep"))


def noun(reader: SceneReader) -> str:
    """Return the word for the scenes of ``reader``: scenes, or pictures."""
    pictures = (ImagesReader, CamvidReader, VocReader, CityscapesReader, FramesReader, CropReader)
    return "pictures" if isinstance(reader, pictures) else "scenes"


def _kind(root: str) -> str:
    """Return the kind of the data in ``root``; frames beside the scans they are of are left to dataset=frames."""
    found = {
        "s3dis": is_s3dis, "scannet": is_scannet, "pointcept": is_pointcept, "cityscapes": is_cityscapes,
        "voc": is_voc, "camvid": is_camvid, "frames": is_frames, "images": is_images,
    }  # fmt: skip
    return next((kind for kind, matches in found.items() if matches(root)), "folder")
