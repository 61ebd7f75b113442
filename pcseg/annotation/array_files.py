"""Files of one array in NumPy's format, written and read part by part."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np

from pcseg.annotation.chunks import ROWS


def read_rows(path: Path, start: int) -> np.ndarray:
    """Return up to ROWS values of an array of ours, read rather than mapped, so that no memory stays bound by them."""
    with open(path, "rb") as stream:
        np.lib.format.read_magic(stream)
        shape, _, kind = np.lib.format.read_array_header_1_0(stream)
        width = int(np.prod(shape[1:], dtype=np.int64))
        stream.seek(start * width * kind.itemsize, 1)
        values = np.fromfile(stream, kind, min(ROWS, shape[0] - start) * width)
    return values.reshape(-1, *shape[1:])


def begin_array(stream: IO[bytes], kind: str, shape: tuple[int, ...]) -> None:
    """Write the head of an array."""
    head = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, head)
