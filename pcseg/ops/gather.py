"""Gather rows by index. Its gradient is a sum over segments, whose gradient in turn is a gather."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native


def gather(values: Tensor, row: Tensor) -> Tensor:
    """Return values[row], (E, C), for ``values`` (N, C) and ``row`` (E,) int64 in [0, N), in any order.

    The gradient of a row is the sum over its elements; compiled, it has the same bits for any number of threads. Raises
    InputError for other shapes or types, or, except on a GPU, an index out of range.
    """
    return torch.ops.pcseg.gather(values, row)


def check_index(name: str, index: Tensor, limit: int) -> None:
    """Raise InputError unless all of ``index`` (E,) are in [0, limit).

    Not checked on a GPU, which would have to be waited for: its own index checks end the program instead.
    """
    if index.is_cuda or not len(index):
        return
    low, high = (int(value) for value in index.aminmax())
    if low < 0 or high >= limit:
        raise InputError(f"{name}: holds {low if low < 0 else high}, but must be from 0 to {limit - 1}")


def _check(values: Tensor, row: Tensor) -> None:
    if values.dim() != 2 or values.dtype not in native.DTYPES:
        raise InputError(f"values: {tuple(values.shape)} {values.dtype} given; give (N, C) of a floating type")
    if row.dim() != 1 or row.dtype != torch.int64:
        raise InputError(f"row: {tuple(row.shape)} {row.dtype} given; give (E,) torch.int64")
    native.check_devices(values=values, row=row)


def _reference(values: Tensor, row: Tensor) -> Tensor:
    _check(values, row)
    check_index("row", row, len(values))
    return values.index_select(0, row)


def _fake(values: Tensor, row: Tensor) -> Tensor:
    return values.new_empty(row.shape[0], values.shape[1])


def _cpu(values: Tensor, row: Tensor) -> Tensor:
    _check(values, row)
    values, out = values.contiguous(), values.new_empty(len(row), values.shape[1])
    native.call(
        "pcseg_gather", values, len(values), values.shape[1] * values.element_size(), row.contiguous(), len(row), out,
        torch.get_num_threads(),
    )  # fmt: skip
    return out


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    values, row = inputs
    ctx.save_for_backward(row)
    ctx.rows = values.shape[0]


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    (row,) = ctx.saved_tensors
    return torch.ops.pcseg.weighted_sum(grad, None, None, row, ctx.rows), None


native.define("gather(Tensor values, Tensor row) -> Tensor", reference=_reference, fake=_fake, cpu=_cpu)
native.differentiate("gather", _backward, _setup_context)
