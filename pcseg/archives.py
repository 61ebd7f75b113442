"""Read archives of arrays (.npz) and of tensors (.pth): sizes are checked before unpacking, and no code is run."""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from pcseg.errors import InputError, reason

MOST_UNPACKED = 2**31
"""Bytes that an archive of any size may unpack to, 2 GiB."""

WIDE = 2**16
"""Longest side that an array may have which is longer than its member in bytes: of an empty array, (0, 300)."""

MOST_GROWTH = 20
"""Factor on its own size that a larger archive may unpack to."""


def read_npz(
    path: str | os.PathLike[str], most_bytes: int = MOST_UNPACKED
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return the arrays of an .npz file by name, and the names of its other members: pickled objects and other files.

    Nothing is unpickled. Raises InputError if the file is damaged, if the length of an array differs from that of its
    member of the archive, or if all of them unpack to more than ``most_bytes`` and MOST_GROWTH times the file's size.
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


def read_array(stream: IO[bytes], size: int, mapped: Path | None = None) -> np.ndarray | None:
    """Return the array of a .npy stream of ``size`` bytes; None if it holds pickled objects.

    ``mapped``: the file that the stream reads, to be mapped into memory instead.

    Raises ValueError, before memory is allocated, if the header declares more or fewer bytes than the stream has, and
    the errors of numpy.
    """
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)  # version 3 differs from 2 only in the names of columns
    if dtype.hasobject:
        return None
    held = size - stream.tell()
    if math.prod(shape) * dtype.itemsize != held or max(shape, default=0) > max(size, WIDE) or not dtype.itemsize:
        raise ValueError(f"its header declares {shape} values of {dtype.itemsize} bytes, but it holds {held:,} bytes")
    if mapped is not None and held:
        return np.asanyarray(np.load(mapped, mmap_mode="r", allow_pickle=False))
    stream.seek(0)
    return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def load_tensors(path: str | os.PathLike[str]) -> Any:
    """Return the content of a file of torch.save that holds only tensors, numpy arrays, numbers, text and containers.

    Of numpy it may hold arrays and numbers of int32, int64, float32 and float64. A file that names any other type is
    refused, and nothing in it is run. Raises FileNotFoundError if there is no such file; a damaged or foreign file can
    raise any exception of zipfile, pickle or torch.
    """
    import torch  # not above: readers of point files need no tensors, and importing torch takes two seconds

    functions: list[Any] = [(np.empty(0).__reduce__()[0], "_reconstruct"), (np.float64(0).__reduce__()[0], "scalar")]
    allowed: list[Any] = [(f, f"numpy.{core}.multiarray.{name}") for f, name in functions for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in (np.int32, np.int64, np.float32, np.float64)]
    check_stored(path)
    with warnings.catch_warnings(), torch.serialization.safe_globals([*allowed, np.ndarray, np.dtype, *kinds]):
        warnings.simplefilter("ignore")  # torch warns about damaged files; callers report them in one line
        return torch.load(path, map_location="cpu", weights_only=True)


def check_stored(path: str | os.PathLike[str]) -> None:
    """Raise ValueError if the zip archive ``path`` is damaged or compressed, which archives of torch.save never are.

    A file that is not a zip archive, as torch wrote before 2020, passes.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in _checked(archive, Path(path).stat().st_size):
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{member.filename} is compressed")


def _checked(archive: zipfile.ZipFile, most_bytes: int) -> list[zipfile.ZipInfo]:
    """Return the members of an archive; raises ValueError if their declared sizes are impossible."""
    members = archive.infolist()
    assert archive.fp is not None
    size = archive.fp.seek(0, os.SEEK_END)
    if len({member.filename for member in members}) != len(members):
        raise ValueError("two members have the same name")
    if sum(member.compress_size for member in members) > size:
        raise ValueError("its members overlap")
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{member.filename} uses an unusual compression ({member.compress_type})")
        if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
            raise ValueError(f"{member.filename} has two sizes, {member.compress_size} and {member.file_size}")
    total = sum(member.file_size for member in members)
    if total > most_bytes:
        raise ValueError(f"it unpacks to {total:,} bytes, more than the limit of {most_bytes:,}")
    return members
