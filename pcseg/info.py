"""Report the versions, kernels and devices that pcseg uses on this machine: python -m pcseg.info."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import torch

from pcseg.device import threads_summary
from pcseg.ops import _native


def describe() -> dict[str, str]:
    """Return names and values of all that decides which kernels run."""
    library = _native.library()
    try:
        version = metadata.version("pcseg")
    except metadata.PackageNotFoundError:
        version = "not installed (a checkout on the path)"
    here = Path(__file__).parent
    if library is not None:
        own = os.environ.get("PCSEG_LIBRARY") or Path(library._name).is_relative_to(here)
        ops = f"compiled, {library._name}" + ("" if own else " (of the installed pcseg)")
    elif os.environ.get("PCSEG_LIBRARY") == "none":
        ops = "PyTorch reference (PCSEG_LIBRARY=none)"
    else:
        ops = "PyTorch reference: no compiled library; install a C++ compiler and reinstall pcseg"
    return {
        "pcseg": f"{version}, {here}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "ops": ops,
        "instruction set": "-" if library is None else library.pcseg_isa().decode(),
        "threads": threads_summary().removeprefix("threads: "),
        "CUDA in library": "yes" if _native.has_cuda() else "no",
        "CUDA in torch": f"{torch.version.cuda}" if torch.version.cuda else "no",
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }


if __name__ == "__main__":
    for name, value in describe().items():
        print(f"{name + ':':<17}{value}")
