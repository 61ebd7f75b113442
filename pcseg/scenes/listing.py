"""Find the scene folders of a data set."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pcseg.errors import InputError

KINDS = {"color": "uint8", "normal": "float32", "segment": "int16", "instance": "int32", "superpoint": "int32"}
"""The arrays with a meaning of their own that a scene may have besides ``coord``, and their types on disk."""


def list_scenes(
    root: str | os.PathLike[str], splits: list[str] | tuple[str, ...], setting: str = "'splits=[...]'"
) -> list[Path]:
    """Return the scene folders of ``splits`` below ``root``, sorted; raises InputError where there is none.

    The error names the splits that are there, and the ``setting`` that chooses among them. A folder with other arrays
    but neither coord.npy nor image.npy, and a link that leads nowhere, are an InputError too: neither is left out in
    silence.
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
            there = ", ".join(sorted(p.name for p in root.iterdir() if any(map(is_scene, p.glob("*")))))
            remedy = f"found in {root}: {there}); choose by {setting}" if there else f"nor in {root}); prepare some"
            raise InputError(f"{root / split}: no scene folder here ({remedy}")
        found += scenes
    return found


def check_kind(folders: Iterable[Path], pictures: bool) -> None:
    """Raise InputError for the first of the scene folders that is a scan where a network takes ``pictures``, or the
    other way round.
    """
    for folder in folders:
        if is_image(folder) != pictures:
            root, name, kinds = folder.parent.parent, "/".join(folder.parts[-2:]), ("point clouds", "pictures")
            here, wanted, remedy = (*kinds, "custom") if pictures else (*kinds[::-1], "camvid")
            found = f"{root}: its scenes are {here} ({name}), but this network takes {wanted}"
            raise InputError(f"{found}; train one of {here}: experiment={remedy} data.root={root}")


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
