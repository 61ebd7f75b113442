"""csrc/cuda without a GPU, built by the C++ compiler: each kernel is a loop over its threads in a shuffled order.

The CUDA side of an op, Python and kernels, then runs on CPU tensors, except for the work of a GPU itself (launches,
memory shared by threads, simultaneous atomics, cub's sort).
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pcseg.ops import _native

CSRC = Path(__file__).parents[2] / "csrc"


def build(folder: Path) -> ctypes.CDLL:
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    target = folder / "libpcseg_emulated.so"
    sources = [str(source) for source in [*sorted((CSRC / "cuda").glob("*.cu")), CSRC / "cpu" / "library.cpp"]]
    command = [compiler, "-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-x", "c++"]
    done = subprocess.run(
        [*command, f"-I{CSRC / 'include'}", *sources, "-o", str(target)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    library = ctypes.CDLL(str(target))
    library.pcseg_error.restype = ctypes.c_char_p
    return library


@contextmanager
def calls_go_to(library: ctypes.CDLL) -> Iterator[None]:
    """Context in which the `_cuda` functions of pcseg.ops take CPU tensors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_native, "library", lambda: library)
        patch.setattr(_native, "cuda_place", lambda tensor: (0, 0))
        yield
