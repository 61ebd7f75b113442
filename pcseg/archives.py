"""Archives of arrays (.npz) and of tensors (.pth), whose declared sizes are checked before anything is unpacked."""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from pcseg.errors import InputError, reason

MOST_UNPACKED = 2**31
"""Bytes that an archive may unpack to, whatever its size, 2 GiB."""

MOST_GROWTH = 20
"""Times its own size that a larger archive may unpack to."""


def read_npz(
    path: str | os.PathLike[str], most_bytes: int = MOST_UNPACKED
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The arrays of an .npz file by name, and the names of what else is in it: pickled objects and other files.

    Nothing is unpickled. Raises InputError where the file is damaged, an array is not as long as its member of the
    archive, or all of them unpack to more than ``most_bytes`` and MOST_GROWTH times the file's size.
    """
    arrays: dict[str, np.ndarray] = {}
    left = []
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked(archive, max(most_bytes, MOST_GROWTH * Path(path).stat().st_size))
            for member in members:
                with archive.open(member) as stream:
                    array = read_array(stream, member.file_size) if member.filename.endswith(".npy") else None
                if array is None:
                    left.append(member.filename)
                else:
                    arrays[member.filename.removesuffix(".npy")] = array
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # zip, zlib, npy and Python's own parser each fail in several ways; all mean the same
        raise InputError(f"{path}: not a readable .npz file ({reason(error)}); copy or write it again") from error
    return arrays, tuple(left)


def read_array(stream: IO[bytes], size: int) -> np.ndarray | None:
    """The array of a .npy stream of ``size`` bytes; None where it is of pickled objects.

    Raises ValueError, before memory is taken, where the header asks for more or fewer bytes than there are; else what
    numpy raises.
    """
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)  # version 3 differs from 2 in the names of columns alone
    if dtype.hasobject:
        return None
    held = size - stream.tell()
    if math.prod(shape) * dtype.itemsize != held or max(shape, default=0) > size or not dtype.itemsize:
        raise ValueError(f"its header tells of {shape} values of {dtype.itemsize} bytes, but it holds {held:,} bytes")
    stream.seek(0)
    return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def check_stored(path: str | os.PathLike[str]) -> None:
    """Raise ValueError where the zip archive ``path`` is compressed or damaged: what torch.save writes is never packed.

    A file that is no zip archive, as torch wrote them before 2020, passes.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in _checked(archive, Path(path).stat().st_size):
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{member.filename} is compressed")


def _checked(archive: zipfile.ZipFile, most_bytes: int) -> list[zipfile.ZipInfo]:
    """The members of an archive, whose sizes can be; raises ValueError otherwise."""
    members = archive.infolist()
    assert archive.fp is not None
    size = archive.fp.seek(0, os.SEEK_END)
    if len({member.filename for member in members}) != len(members):
        raise ValueError("a name is in it twice")
    if sum(member.compress_size for member in members) > size:
        raise ValueError("its parts overlap")
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{member.filename} is packed in an unusual way ({member.compress_type})")
        if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
            raise ValueError(f"{member.filename} has two sizes, {member.compress_size} and {member.file_size}")
    total = sum(member.file_size for member in members)
    if total > most_bytes:
        raise ValueError(f"it unpacks to {total:,} bytes, more than the {most_bytes:,} that are read")
    return members
