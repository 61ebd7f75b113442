"""Parts that sparse_conv and its weight gradient share: checks of arguments, types of sums, and access to Triton."""

from __future__ import annotations

import functools
import importlib
import itertools
from types import ModuleType

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native


def check(feats: Tensor, name: str, other: Tensor, pairs: Tensor, starts: Tensor) -> None:
    """Raise InputError unless feats (N, C), ``other`` (named ``name``) and the map have the right shapes and types."""
    if feats.dim() != 2 or feats.dtype != other.dtype or feats.dtype not in native.DTYPES:
        raise InputError(
            f"sparse_conv: feats {tuple(feats.shape)} {feats.dtype} with {name} {tuple(other.shape)} {other.dtype}; "
            "give (N, C) feats and both of the same floating type"
        )
    native.check_devices(feats=feats, pairs=pairs, **{name: other})
    check_map("sparse_conv", pairs, starts)


def check_map(op: str, pairs: Tensor, starts: Tensor) -> None:
    """Raise InputError, which names ``op``, unless ``pairs`` and ``starts`` have the shapes and types of a map."""
    if pairs.dim() != 2 or pairs.shape[0] != 2 or pairs.dtype != torch.int32:
        raise InputError(
            f"{op}: pairs {tuple(pairs.shape)} {pairs.dtype}; give (2, Q) torch.int32, those of kernel_map"
        )
    if starts.dim() != 1 or starts.dtype != torch.int64 or starts.device.type != "cpu":
        raise InputError(
            f"{op}: starts {tuple(starts.shape)} {starts.dtype} on {starts.device}; give (K+1,) torch.int64 on "
            "the CPU, those of kernel_map"
        )


def sum_type(dtype: torch.dtype) -> torch.dtype:
    """Return the type in which products of ``dtype`` are added."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def widened(tensor: Tensor) -> Tensor:
    """Return ``tensor`` in the type in which its products are added."""
    return tensor.to(sum_type(tensor.dtype))


def cpu_type(dtype: torch.dtype) -> torch.dtype:
    """Return the type in which CPU kernels compute ``dtype``: bfloat16 only where the machine multiplies it."""
    supported = dtype == torch.bfloat16 and native.query("pcseg_has_bfloat16")
    return dtype if supported else sum_type(dtype)


def groups(pairs: Tensor, starts: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the input rows and the output rows of each offset."""
    return [(pairs[0, a:b], pairs[1, a:b]) for a, b in itertools.pairwise(starts.tolist())]


@functools.cache
def implicit_gemm(device: torch.device, dtype: torch.dtype) -> ModuleType | None:
    """Return the module of the Triton kernels; None for float64 and for GPUs before sm_80, which they do not serve."""
    if dtype == torch.float64 or torch.cuda.get_device_capability(device) < (8, 0):
        return None
    return importlib.import_module("pcseg.ops.triton.implicit_gemm")  # imported late: it needs Triton and is slow
