"""Write the files that the ScanNet v2 benchmark server takes."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np

from pcseg.classes import SCANNET20, SCANNET20_NYU40, Classes
from pcseg.errors import InputError
from pcseg.files import atomic_path


def write_scannet(folder: str | os.PathLike[str], scene: str, labels: np.ndarray, classes: Classes) -> Path:
    """Write ``<folder>/<scene>.txt``: the NYU40 id of each vertex, one per line, in the order of the scan's file.

    ``labels`` (P,) index ``classes``, which are matched with ScanNet's by name. Returns the path. Raises InputError if
    one of the classes is not ScanNet's.
    """
    foreign = [name for name in classes.names if name not in SCANNET20.names]
    if foreign:
        raise InputError(f"submission: '{foreign[0]}' is not a ScanNet class; use a network trained on ScanNet's 20")
    ids = np.array([SCANNET20_NYU40[SCANNET20.index(name)] for name in classes.names])
    path = Path(folder) / f"{scene}.txt"
    with atomic_path(path) as temporary:
        np.savetxt(temporary, ids[labels], fmt="%d")
    return path


def zip_folder(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Put the .txt files of ``folder`` at the root of a zip archive, as the server requires."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(Path(folder).glob("*.txt")):
            archive.write(file, file.name)
