"""Find the scene folders of a data set."""

from __future__ import annotations

import os
from pathlib import Path

from pcseg.errors import InputError

KINDS = {"color": "uint8", "normal": "float32", "segment": "int16", "instance": "int32", "superpoint": "int32"}
"""The arrays with a meaning of their own that a scene may have besides ``coord``, and their types on disk."""


def list_scenes(root: str | os.PathLike[str], splits: list[str] | tuple[str, ...]) -> list[Path]:
    """Return the scene folders of ``splits`` below ``root``, sorted; raises InputError where there is none.

    A folder with other arrays but neither coord.npy nor image.npy, and a link that leads nowhere, are an InputError
    too: neither is left out in silence.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; make it with tools/prepare.py")
    found = []
    for split in splits:
        folders = sorted(p for p in (root / split).glob("*") if not p.name.startswith("."))
        for folder in folders:
            if fault := broken_scene(folder):
                raise InputError(f"{folder}: {fault}; prepare the scene again, or remove the folder")
        scenes = [folder for folder in folders if is_scene(folder)]
        if not scenes:
            there = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())) or "nothing"
            raise InputError(f"{root / split}: no scene folder here (found in {root}: {there})")
        found += scenes
    return found


def broken_scene(folder: Path) -> str:
    """Return the fault of a folder with some arrays of a scene but no points; "" for a scene, or anything else."""
    if folder.is_symlink() and not folder.exists():
        return f"a link to {os.readlink(folder)}, which is not there"
    parts = [f"{name}.npy" for name in KINDS] + ["scene.json"]
    if not is_scene(folder) and any((folder / part).is_file() for part in parts):
        return "arrays of a scene, but no coord.npy"
    return ""


def is_scene(folder: Path) -> bool:
    """Does the folder hold the points of a scan, or a picture?"""
    return (folder / "coord.npy").is_file() or is_image(folder)


def is_image(folder: Path) -> bool:
    """Does the folder hold a picture?"""
    return (folder / "image.npy").is_file()
