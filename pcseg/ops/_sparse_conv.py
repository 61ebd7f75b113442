"""What the kernels of sparse_conv and of its weight gradient share: what they refuse, what they add in, and Triton."""

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
    """Raise InputError where feats (N, C), ``other``, called ``name``, and the map are no tensors of the right kind."""
    if feats.dim() != 2 or feats.dtype != other.dtype or feats.dtype not in native.DTYPES:
        raise InputError(
            f"sparse_conv: feats {tuple(feats.shape)} {feats.dtype} with {name} {tuple(other.shape)} {other.dtype}; "
            "give (N, C) feats and both of the same floating type"
        )
    native.check_devices(feats=feats, pairs=pairs, **{name: other})
    if pairs.dim() != 2 or pairs.shape[0] != 2 or pairs.dtype != torch.int32:
        raise InputError(
            f"sparse_conv: pairs {tuple(pairs.shape)} {pairs.dtype}; give (2, Q) torch.int32, as kernel_map makes them"
        )
    if starts.dim() != 1 or starts.dtype != torch.int64 or starts.device.type != "cpu":
        raise InputError(
            f"sparse_conv: starts {tuple(starts.shape)} {starts.dtype} on {starts.device}; give (K+1,) torch.int64 on the "
            "CPU, as kernel_map makes them"
        )


def sum_type(dtype: torch.dtype) -> torch.dtype:
    """What products of ``dtype`` are added in."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def widened(tensor: Tensor) -> Tensor:
    """In the type that its products are added in."""
    return tensor.to(sum_type(tensor.dtype))


def cpu_type(dtype: torch.dtype) -> torch.dtype:
    """What the CPU kernels take for ``dtype``: bfloat16 as it is only where the machine multiplies it."""
    as_it_is = dtype == torch.bfloat16 and native.query("pcseg_has_bfloat16")
    return dtype if as_it_is else sum_type(dtype)


def groups(pairs: Tensor, starts: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Input and output rows of each offset."""
    return [(pairs[0, a:b], pairs[1, a:b]) for a, b in itertools.pairwise(starts.tolist())]


@functools.cache
def implicit_gemm(device: torch.device, dtype: torch.dtype) -> ModuleType | None:
    """The Triton kernels, where the GPU's tensor cores take every type they are written for; they know no float64."""
    if dtype == torch.float64 or torch.cuda.get_device_capability(device) < (8, 0):
        return None
    return importlib.import_module("pcseg.ops.triton.implicit_gemm")  # only here: it needs Triton, a GPU, and a second
