"""Kernel maps from outputs to inputs under the same weights."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops._sparse_conv import check_map
from pcseg.ops.triton.row_order import device_map, vouch

CELLS = 2**20
"""Most cells (group, row) of a kernel map that the reference transposes at a time."""


def transposed_map(pairs: Tensor, starts: Tensor, n_in: int, n_out: int, mirrored: bool = False) -> Tensor:
    """Return the pairs (2, Q) of a map from ``n_in`` to ``n_out`` rows with rows swapped, in the same groups.

    ``pairs`` (2, Q) int32 and ``starts`` (K + 1,) int64 come from :func:`kernel_map`; output rows of the result ascend
    in each group, in which no input row of ``pairs`` occurs twice. ``mirrored``: input and output coordinates are the
    same and offset k is minus offset K - 1 - k, whose group then has the pairs. On a GPU it needs K * n_in * 4 bytes.
    Raises InputError for another map: output coordinates given twice to kernel_map have none from outputs to inputs.
    """
    check_map("transposed_map", pairs, starts)
    if pairs.is_cuda and not torch.compiler.is_compiling():
        device_map(pairs, starts, n_in, n_out)
    if mirrored:
        counts = starts.diff().tolist()
        if n_in != n_out or counts != counts[::-1]:
            raise InputError(
                f"mirrored: {n_in} input and {n_out} output rows, groups of {counts[:3]}... and {counts[-3:]} pairs; "
                "give mirrored=False for a map that is not its own mirror image"
            )
        turned = torch.cat([pairs[:, :0], *pairs.split(counts, dim=1)[::-1]], dim=1)
    else:
        turned = torch.ops.pcseg.transposed_map(pairs, starts, n_in, n_out)
    vouch(turned, starts, n_out, n_in)
    return turned


def _reference(pairs: Tensor, starts: Tensor, n_in: int, n_out: int) -> Tensor:
    several = starts.diff().split(max(1, CELLS // max(n_in, 1)))  # few and large steps, in bounded memory
    parts = pairs.split([int(part.sum()) for part in several], dim=1)
    return torch.cat([_turned(*part, n_in) for part in zip(parts, several, strict=True)], dim=1)


def _turned(pairs: Tensor, counts: Tensor, n_in: int) -> Tensor:
    """Return pairs (2, Q), in groups of sizes ``counts`` (G,), transposed."""
    first = torch.arange(len(counts), device=pairs.device) * n_in
    first = first.repeat_interleave(counts.to(pairs.device), output_size=pairs.shape[1])
    table = pairs.new_full((len(counts) * n_in,), -1)
    table[first + pairs[0]] = pairs[1]
    filled = (table >= 0).nonzero()[:, 0]
    if len(filled) != pairs.shape[1]:
        raise _twice()
    return torch.stack([table[filled], (filled - first).to(table.dtype)])


def _fake(pairs: Tensor, starts: Tensor, n_in: int, n_out: int) -> Tensor:
    return torch.empty_like(pairs, memory_format=torch.contiguous_format)


def _twice() -> InputError:
    return InputError("transposed_map: an input row is twice in a group; give kernel_map each output voxel once")


def _cuda(pairs: Tensor, starts: Tensor, n_in: int, n_out: int) -> Tensor:
    k, place = len(starts) - 1, native.cuda_place(pairs)
    known = device_map(pairs, starts, n_in, n_out)
    neighbor = pairs.new_full((k, n_in), -1)
    counts = pairs.new_empty(k * native.query("pcseg_cuda_kernel_map_runs", n_in))
    native.call(
        "pcseg_cuda_transposed_map_find", pairs.contiguous(), pairs.shape[1], known.starts, k, n_in, neighbor, counts,
        *place,
    )  # fmt: skip
    ends = counts.cumsum(0)
    if len(ends) and int(ends[-1]) != pairs.shape[1]:
        raise _twice()
    turned = torch.empty_like(pairs, memory_format=torch.contiguous_format)
    native.call("pcseg_cuda_kernel_map_fill", neighbor, n_in, k, ends, turned, turned.shape[1], *place)
    return turned


native.define(
    "transposed_map(Tensor pairs, Tensor starts, SymInt n_in, SymInt n_out) -> Tensor",
    reference=_reference,
    fake=_fake,
    cuda=_cuda,
)
