"""Helpers of data loading and training: collation, initialization, a summary; and those of quantization.py."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor as TorchTensor
from torch import nn

from pcseg.errors import InputError
from pcseg.minkowski.functions import gradcheck
from pcseg.minkowski.quantization import (
    fnv_hash_vec,
    quantize,
    quantize_label,
    ravel_hash_vec,
    sparse_quantize,
    unique_coordinate_map,
)
from pcseg.minkowski.sparse_tensor import SparseTensor

__all__ = [
    "SparseCollation", "batch_sparse_collate", "batched_coordinates", "fnv_hash_vec", "get_coords_map", "gradcheck",
    "kaiming_normal_", "quantize", "quantize_label", "ravel_hash_vec", "sparse_collate", "sparse_quantize", "summary",
    "unique_coordinate_map",
]  # fmt: skip


def batched_coordinates(coords: Any, dtype: torch.dtype = torch.int32, device: Any = None) -> TorchTensor:
    """Return the coordinates of samples (N_b, D) as one tensor (N, 1 + D), the number of the sample in front.

    For int32 they are rounded down.
    """
    tensors = [torch.as_tensor(values) for values in coords]
    if not tensors or any(values.dim() != 2 or values.shape[1] != tensors[0].shape[1] for values in tensors):
        raise InputError("coords: give a sequence of arrays (N_b, D), all of the same D")
    if dtype not in (torch.int32, torch.float32):
        raise InputError(f"dtype={dtype}: coordinates are torch.int32 or torch.float32")
    parts = []
    for number, values in enumerate(tensors):
        if dtype == torch.int32 and values.is_floating_point():
            values = values.floor()
        parts.append(nn.functional.pad(values.to(dtype), (1, 0), value=number))
    together = torch.cat(parts)
    return together if device is None else together.to(device)


def sparse_collate(
    coords: Sequence[Any], feats: Sequence[Any], labels: Sequence[Any] | None = None, dtype: torch.dtype = torch.int32,
    device: Any = None,
) -> tuple[Any, ...]:  # fmt: skip
    """Return :func:`batched_coordinates` and the features (N, C) of samples, and the labels, where given.

    Labels that are neither arrays nor tensors come back as a list.
    """
    together = batched_coordinates(coords, dtype, device)
    features = torch.cat([torch.as_tensor(values) for values in feats])
    if len(features) != len(together):
        raise InputError(f"feats: {len(features)} rows for {len(together)} coordinates; give a row for each")
    if labels is None:
        return together, features
    listed = [torch.from_numpy(values) if isinstance(values, np.ndarray) else values for values in labels]
    return together, features, torch.cat(listed) if isinstance(listed[0], TorchTensor) else listed


def batch_sparse_collate(data: Sequence[Any], dtype: torch.dtype = torch.int32, device: Any = None) -> tuple[Any, ...]:
    """Return :func:`sparse_collate` of a list of (coordinates, features, labels)."""
    coords, feats, *labels = zip(*data, strict=True)
    return sparse_collate(coords, feats, labels[0] if labels else None, dtype, device)


class SparseCollation:
    """A collate function of a DataLoader; with ``limit_numpoints`` above 0, samples beyond that many are left out."""

    def __init__(self, limit_numpoints: int = -1, dtype: torch.dtype = torch.int32, device: Any = None) -> None:
        self.limit_numpoints, self.dtype, self.device = limit_numpoints, dtype, device

    def __call__(self, list_data: Sequence[Any]) -> tuple[Any, ...]:
        kept: list[Any] = []
        points = 0
        for sample in list_data:
            points += len(sample[0])
            if 0 < self.limit_numpoints < points:
                logging.warning("%d of %d samples fit into %d points", len(kept), len(list_data), self.limit_numpoints)
                break
            kept.append(sample)
        return batch_sparse_collate(kept, self.dtype, self.device)


def kaiming_normal_(
    tensor: TorchTensor, a: float = 0, mode: str = "fan_in", nonlinearity: Any = "leaky_relu"
) -> TorchTensor:
    """Draw a kernel (K, Cin, Cout) or (Cin, Cout) from a normal of variance gain**2 / fan (He et al., 1502.01852).

    The fan is K * Cin for "fan_in", K * Cout for "fan_out"; of two axes, as in a linear layer, the second and the
    first.
    """
    if tensor.dim() < 2 or mode.lower() not in ("fan_in", "fan_out"):
        raise InputError(f"kaiming_normal_: {tuple(tensor.shape)}, mode={mode}; give 2 or 3 axes, fan_in or fan_out")
    if tensor.dim() == 2:
        fan = tensor.shape[1] if mode.lower() == "fan_in" else tensor.shape[0]
    else:
        fan = tensor.shape[0] * tensor.shape[1 if mode.lower() == "fan_in" else 2]
    gain = nn.init.calculate_gain(nonlinearity, a)
    return nn.init.normal_(tensor, 0.0, gain / math.sqrt(fan))


def get_coords_map(x: SparseTensor, y: SparseTensor) -> tuple[TorchTensor, TorchTensor]:
    """Return rows of ``x`` and, for each, the row of ``y``, of a coarser stride, whose cell it lies in."""
    return x.coordinate_manager.stride_map(x.coordinate_map_key, y.coordinate_map_key)


def summary(model: nn.Module, summary_input: Any) -> str:
    """Print and return a line for each layer: its name, kind, output shape and number of parameters."""
    lines: list[str] = []

    def note(name: str) -> Any:
        def hook(module: nn.Module, _: Any, out: Any) -> None:
            count = sum(p.numel() for p in module.parameters())
            lines.append(f"{name:40} {type(module).__name__:36} {tuple(getattr(out, 'shape', ()))!s:18} {count:>12,}")

        return hook

    hooks = [m.register_forward_hook(note(n)) for n, m in model.named_modules() if n and not list(m.children())]
    try:
        model(summary_input)
    finally:
        for hook in hooks:
            hook.remove()
    lines.append(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    print("\n".join(lines))
    return "\n".join(lines)
