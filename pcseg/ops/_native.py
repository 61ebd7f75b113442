"""Finds and loads the compiled library, and declares ops to torch: one name each, whichever kernel runs.

An op file does four things (see voxelize.py for one without, sparse_conv.py for one with a gradient)::

    def _reference(...): ...      # pure torch, any device: the definition
    def _fake(...): ...           # shapes and dtypes only
    def _cpu(...): ...            # allocate outputs with torch, then native.call("pcseg_<op>", tensors, sizes, ...)
    native.define("<op>(Tensor values, SymInt n) -> Tensor", reference=_reference, fake=_fake, cpu=_cpu)
    native.differentiate("<op>", _backward, _setup_context)     # if it has a gradient; made of ops itself

and is then called as ``torch.ops.pcseg.<op>(...)``. The reference serves every device that has no kernel of its own;
``cpu`` overrides it where the library was found, ``cuda`` where the library has CUDA kernels, and ``triton``
instead of ``cuda`` where Triton is installed.

The environment variable PCSEG_LIBRARY names the library to load, or says ``none`` for the reference; without it,
libpcseg.so beside this file is used if it is there. A checkout without one, on the path before an installed pcseg of the
same version (as where Python starts in its folder), uses the library of that.
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

ABI = 3
"""PCSEG_ABI of csrc/include/pcseg.h that this package speaks."""

NAMESPACE = torch.library.Library("pcseg", "DEF")
DTYPES = {torch.float32: 0, torch.float64: 1, torch.float16: 2, torch.bfloat16: 3}
"""pcseg_dtype of csrc/include/pcseg.h."""


def _path() -> Path | None:
    """Where the library is; None if there is none, or the reference is asked for."""
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
    """The library of an installed pcseg of this version that the checkout of this file hides; None where there is none."""
    checkout = Path(__file__).parents[2]
    if not (checkout / "pyproject.toml").is_file():
        return None  # this is an installed pcseg itself, and was built without a library
    for distribution in metadata.distributions(name="pcseg"):
        if distribution.version == __version__:
            library = Path(str(distribution.locate_file("pcseg/ops/libpcseg.so")))
            if library.is_file():
                return library
    return None


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled library, or None where there is none that can be used (a broken one is warned about)."""
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
    """Whether the loaded library has CUDA kernels."""
    loaded = library()
    return loaded is not None and bool(loaded.pcseg_has_cuda())


def has_triton() -> bool:
    """Whether Triton is installed (torch brings it along for GPUs); no where the reference is asked for."""
    return os.environ.get("PCSEG_LIBRARY") != "none" and importlib.util.find_spec("triton") is not None


@functools.cache
def _say_reference() -> None:
    if library() is None and os.environ.get("PCSEG_LIBRARY") != "none":
        warnings.warn(
            "pcseg has no compiled library here and runs the slower PyTorch reference ops; "
            "to build it, reinstall pcseg where a C++ compiler is (python -m pcseg.info tells more)",
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
    """Declare op ``pcseg::<schema>``: the reference for every device, the compiled kernels where they exist."""
    name = schema.split("(")[0]
    NAMESPACE.define(schema)

    @functools.wraps(reference)
    def default(*args: Any) -> Any:
        _say_reference()
        device = next(arg.device.type for arg in args if isinstance(arg, torch.Tensor))
        if not torch.is_autocast_enabled(device):
            return reference(*args)
        with torch.autocast(device, enabled=False):  # the op has chosen its types; its parts must not change them
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
    """``kernel``, with the GPU of its first tensor as the current one, as its C functions need it."""

    @functools.wraps(kernel)
    def run(*args: Any) -> Any:
        with torch.cuda.device_of(next(arg for arg in args if isinstance(arg, torch.Tensor))):
            return kernel(*args)

    return run


def differentiate(name: str, backward: Callable[..., Any], setup_context: Callable[..., None]) -> None:
    """Give op ``pcseg::<name>`` its gradient (see torch.library.register_autograd)."""
    torch.library.register_autograd(f"pcseg::{name}", backward, setup_context=setup_context, lib=NAMESPACE)


def call(function: str, *args: torch.Tensor | int | float | None) -> None:
    """Call a C function of the library; raises InputError or RuntimeError with the library's own message.

    A tensor goes as the pointer to its data and must be contiguous, None as NULL, an int as int64_t, a float as
    double. (Pass ``tensor.data_ptr()`` and strides for a tensor that is not contiguous.)
    """
    loaded = _loaded()
    status = getattr(loaded, function)(*map(_argument, args))
    if status:
        message = loaded.pcseg_error().decode()
        raise (InputError if status == 1 else RuntimeError)(message)


def query(function: str, *args: int) -> int:
    """Call a C function that takes integers and returns one (a size, say)."""
    asked = getattr(_loaded(), function)
    asked.restype = ctypes.c_int64
    return asked(*map(ctypes.c_int64, args))


def check_devices(**tensors: torch.Tensor | None) -> None:
    """Raise InputError unless all of the tensors lie on one device: a GPU must not be handed a pointer of the CPU."""
    found = {name: tensor.device for name, tensor in tensors.items() if tensor is not None}
    (first, device), *others = found.items()
    for name, other in others:
        if other != device:
            raise InputError(f"{name}: on {other}, but {first} on {device}; move one to the other's device")


def cuda_place(tensor: torch.Tensor) -> tuple[int, int]:
    """Device number and current stream, as the CUDA functions take them."""
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
