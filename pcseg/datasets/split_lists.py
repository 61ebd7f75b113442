"""Read lists of scenes or pictures, a text file for each split."""

from __future__ import annotations

from pathlib import Path

from pcseg.errors import InputError
from pcseg.files import read_text

MOST_LIST = 2**25
"""Bytes of the largest list that is read, 32 MiB."""


def read_lists(place: str) -> dict[str, list[str]]:
    """Return the names in each list ``<split>.txt`` or ``scannetv2_<split>.txt`` of the folder ``place``, or in the
    one file ``place``.

    A line begins with a name or the path of a file; what follows after a blank, such as the path of its mask, is left
    out, and so are empty lines and repeated names. Raises InputError where there is no list, or an empty one.
    """
    path = Path(place)
    files = [path] if path.is_file() else sorted(path.glob("*.txt"))
    if not files:
        raise InputError(f"lists={place}: no list here; give a folder with train.txt and the like, or one such file")
    found = {file.stem.removeprefix("scannetv2_"): _names(file) for file in files}
    for file, names in zip(files, found.values(), strict=True):
        if not names:
            raise InputError(f"{file}: no name in it; write one on each line, or remove the file")
    return found


def _names(file: Path) -> list[str]:
    lines = read_text(file, MOST_LIST).splitlines()
    return list(dict.fromkeys(line.split()[0] for line in lines if line.strip()))
