"""Run the PyTorch reference of the ops and their compiled kernels in one process."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature

import torch

import pcseg.ops  # noqa: F401  # declares the ops

REFERENCE = torch._C.DispatchKey.CompositeExplicitAutograd


@contextmanager
def reference_ops(device: str) -> Iterator[None]:
    """Make all ops run their reference on ``device``, gradients included; needs torch 2.7 or newer.

    Releases differ in whether a second kernel is allowed unless asked for.
    """
    override = {"allow_override": True} if "allow_override" in signature(torch.library.Library.impl).parameters else {}
    key = torch.device(device).type.upper()
    with torch.library._scoped_library("pcseg", "IMPL") as library:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Warning only once", UserWarning)  # about the override wanted here
            for name in torch._C._dispatch_get_registrations_for_dispatch_key(key):
                namespace, _, op = name.partition("::")
                if namespace == "pcseg":
                    kernel = functools.partial(getattr(torch.ops.pcseg, op).default._op_dk, REFERENCE)
                    library.impl(op, kernel, key, **override)
        yield
