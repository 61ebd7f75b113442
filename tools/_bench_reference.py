"""The PyTorch reference of the ops beside their compiled kernels, in one process."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

REFERENCES = {
    "kernel_map": ("kernel_map", "_reference"),
    "neighbours": ("neighbours", "_reference"),
    "segment_max": ("segment", "_max_reference"),
    "sparse_conv": ("sparse_conv", "_reference"),
    "sparse_conv_weight_grad": ("sparse_conv", "_weight_grad_reference"),
    "voxelize": ("voxelize", "_reference"),
    "weighted_sum": ("segment", "_sum_reference"),
}
"""Ops that have kernels of their own, and the function of a module of pcseg.ops that defines each."""


@contextmanager
def reference_ops(device: str) -> Iterator[None]:
    """Within, the ops run their reference on ``device``, gradients included; needs torch 2.7 or newer."""
    with torch.library._scoped_library("pcseg", "IMPL") as library:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Warning only once", UserWarning)  # of what is wanted here
            for op, (module, function) in REFERENCES.items():
                definition = getattr(importlib.import_module(f"pcseg.ops.{module}"), function)
                library.impl(op, definition, torch.device(device).type.upper())
        yield
