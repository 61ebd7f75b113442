"""Find and load the compiled library, and declare ops to torch, each under one name for all its kernels.

An op file has these parts (voxelize.py is one without a gradient, sparse_conv.py one with a gradient)::

    def _reference(...): ...      # pure torch, any device: the definition
    def _fake(...): ...           # shapes and dtypes only
    def _cpu(...): ...            # allocate outputs with torch, then native.call("pcseg_<op>", tensors, sizes, ...)
    native.define("<op>(Tensor values, SymInt n) -> Tensor", reference=_reference, fake=_fake, cpu=_cpu)
    native.differentiate("<op>", _backward, _setup_context)     # if it has a gradient, itself made of ops

and is then called as ``torch.ops.pcseg.<op>(...)``. The reference runs on every device without a kernel of its own.
``cpu`` overrides it where the library was found, ``cuda`` where the library has CUDA kernels, and ``triton`` in place
of ``cuda`` where Triton is installed.

The environment variable PCSEG_LIBRARY is the path of the library, or ``none`` for the reference. Without it,
libpcseg.so beside this file is loaded if it exists. A checkout without a library that hides an installed pcseg of the
same version (as where Python starts in the checkout) uses the library of the installed one.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from pcseg.errors import InputError
from pcseg.version import __version__

ABI = 10
"""PCSEG_ABI of csrc/include/pcseg.h that this package was written for."""

NAMESPACE = torch.library.Library("pcseg", "DEF")
DTYPES = {torch.float32: 0, torch.float64: 1, torch.float16: 2, torch.bfloat16: 3}
"""pcseg_dtype of csrc/include/pcseg.h."""


def _path() -> Path | None:
    """Return the path of the library; None if there is none or PCSEG_LIBRARY is ``none``."""
    asked = os.environ.get("PCSEG_LIBRARY", "")
    if asked == "none":
        return None
    if asked and not Path(asked).is_file():
        raise InputError(f"PCSEG_LIBRARY={asked}: no such file; name a libpcseg.so, or 'none' for the reference ops")
    if asked:
        return Path(asked)
    beside = Path(__file__).with_name("libpcseg.so")
    return beside if beside.is_file() else _installed()


def _installed() -> Path | None:
    """Return the library of an installed pcseg of this version that this checkout hides; None if there is none."""
    checkout = Path(__file__).parents[2]
    if not (checkout / "pyproject.toml").is_file():
        return None  # this is itself an installed pcseg, built without a library
    for distribution in metadata.distributions(name="pcseg"):
        if distribution.version == __version__:
            library = Path(str(distribution.locate_file("pcseg/ops/libpcseg.so")))
            if library.is_file():
                return library
    return None


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the compiled library, or None if there is no usable one; warns about a broken one."""
    path = _path()
    if path is None:
        return None
    try:
        loaded = ctypes.CDLL(str(path))
        loaded.pcseg_abi.restype = loaded.pcseg_has_cuda.restype = ctypes.c_int64
        loaded.pcseg_error.restype = loaded.pcseg_isa.restype = ctypes.c_char_p
        abi = loaded.pcseg_abi()
    except (OSError, AttributeError) as error:
        warnings.warn(f"{path}: cannot be used ({error}); running the slower PyTorch reference ops", stacklevel=2)
        return None
    if abi != ABI:
        warnings.warn(
            f"{path}: was built for interface {abi}, this pcseg needs {ABI}; reinstall pcseg to build it anew. "
            "Running the slower PyTorch reference ops",
            stacklevel=2,
        )
        return None
    return loaded


def has_cuda() -> bool:
    """Return whether the loaded library has CUDA kernels."""
    loaded = library()
    return loaded is not None and bool(loaded.pcseg_has_cuda())


def has_triton() -> bool:
    """Return whether Triton is installed (it comes with torch for GPUs); False if PCSEG_LIBRARY is ``none``."""
    return os.environ.get("PCSEG_LIBRARY") != "none" and importlib.util.find_spec("triton") is not None


@functools.cache
def _warn_of_reference() -> None:
    """Warn once that the reference ops run, unless they were asked for."""
    if library() is None and os.environ.get("PCSEG_LIBRARY") != "none":
        warnings.warn(
            "pcseg has no compiled library here and runs the slower PyTorch reference ops; "
            "to build it, install a C++ compiler and reinstall pcseg (python -m pcseg.info shows details)",
            stacklevel=3,
        )


def define(
    schema: str,
    *,
    reference: Callable[..., Any],
    fake: Callable[..., Any],
    cpu: Callable[..., Any] | None = None,
    cuda: Callable[..., Any] | None = None,
    triton: Callable[..., Any] | None = None,
) -> None:
    """Declare op ``pcseg::<schema>``: the reference for every device, compiled kernels where they exist."""
    name = schema.split("(")[0]
    NAMESPACE.define(schema)

    @functools.wraps(reference)
    def default(*args: Any) -> Any:
        _warn_of_reference()
        device = next(arg.device.type for arg in args if isinstance(arg, torch.Tensor))
        if not torch.is_autocast_enabled(device):
            return reference(*args)
        with torch.autocast(device, enabled=False):  # the op has chosen its types; autocast must not change them
            return reference(*args)

    NAMESPACE.impl(name, default, "CompositeExplicitAutograd")
    torch.library.register_fake(f"pcseg::{name}", fake, lib=NAMESPACE)
    if cpu is not None and library() is not None:
        NAMESPACE.impl(name, cpu, "CPU")
    if triton is not None and has_triton():
        NAMESPACE.impl(name, _on_its_device(triton), "CUDA")
    elif cuda is not None and has_cuda():
        NAMESPACE.impl(name, _on_its_device(cuda), "CUDA")


def _on_its_device(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``kernel`` run with the GPU of its first tensor as the current one, as C functions require."""

    @functools.wraps(kernel)
    def run(*args: Any) -> Any:
        with torch.cuda.device_of(next(arg for arg in args if isinstance(arg, torch.Tensor))):
            return kernel(*args)

    return run


def differentiate(name: str, backward: Callable[..., Any], setup_context: Callable[..., None]) -> None:
    """Register the gradient of op ``pcseg::<name>`` (see torch.library.register_autograd)."""
    torch.library.register_autograd(f"pcseg::{name}", backward, setup_context=setup_context, lib=NAMESPACE)


def call(function: str, *args: torch.Tensor | int | float | None) -> None:
    """Call a C function of the library; raises InputError or RuntimeError with the library's message.

    A tensor, which must be contiguous, is passed as the pointer to its data, None as NULL, an int as int64_t, a float
    as double. (For a tensor that is not contiguous, pass ``tensor.data_ptr()`` and the strides.)
    """
    loaded = _loaded()
    status = getattr(loaded, function)(*map(_argument, args))
    if status:
        message = loaded.pcseg_error().decode()
        raise (InputError if status == 1 else RuntimeError)(message)


def query(function: str, *args: int) -> int:
    """Call a C function of integers and return its result, an integer such as a size."""
    entry = getattr(_loaded(), function)
    entry.restype = ctypes.c_int64
    return entry(*map(ctypes.c_int64, args))


def check_devices(**tensors: torch.Tensor | None) -> None:
    """Raise InputError unless all tensors are on one device: a GPU must not be given a pointer of the CPU."""
    found = {name: tensor.device for name, tensor in tensors.items() if tensor is not None}
    (first, device), *others = found.items()
    for name, other in others:
        if other != device:
            raise InputError(f"{name}: on {other}, but {first} on {device}; move one to the other's device")


def cuda_place(tensor: torch.Tensor) -> tuple[int, int]:
    """Return the device number and the current stream, the last two arguments of the CUDA functions."""
    stream = torch.cuda.current_stream(tensor.device)
    return stream.device_index, stream.cuda_stream


def _loaded() -> ctypes.CDLL:
    loaded = library()
    assert loaded is not None, "compiled kernels are only registered where the library was found"
    return loaded


def _argument(value: torch.Tensor | int | float | None) -> Any:
    if isinstance(value, torch.Tensor):
        if not value.is_contiguous():
            raise ValueError(f"a tensor of shape {tuple(value.shape)} is not contiguous")
        return ctypes.c_void_p(value.data_ptr())
    if value is None:
        return ctypes.c_void_p(None)
    return ctypes.c_double(value) if isinstance(value, float) else ctypes.c_int64(value)
