"""Parts of the CUDA side of several ops: a stable sort of keys, and the memory of a hash table."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.ops import _native as native


def sort_keys(keys: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Return ``keys`` (n,) int64 in [0, limit) in ascending order, and the row (n,) int32 of each before the sort.

    Equal keys keep their order. Keys are unsigned: ``limit`` may be up to 2**64. Raises InputError for 2**31 keys or
    more.
    """
    ordered, rows = torch.empty_like(keys), torch.empty(len(keys), dtype=torch.int32, device=keys.device)
    order, bits = torch.empty_like(rows), max(1, (limit - 1).bit_length())
    size, keys, place = torch.zeros(1, dtype=torch.int64, device="cpu"), keys.contiguous(), native.cuda_place(keys)
    native.call("pcseg_cuda_sort", keys, len(keys), bits, ordered, rows, order, None, size, *place)  # sets size
    workspace = torch.empty(int(size), dtype=torch.uint8, device=keys.device)
    native.call("pcseg_cuda_sort", keys, len(keys), bits, ordered, rows, order, workspace, size, *place)
    return ordered, order


def hash_workspace(rows: int, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """Return keys, rows and number of slots of an empty hash table for ``rows`` entries (csrc/shared/hash_table.h).

    Less than half of the slots will be used, so that probes are short and always end.
    """
    slots = 1 << (2 * rows).bit_length()
    keys = torch.full((slots,), -1, dtype=torch.int64, device=device)
    return keys, torch.empty(slots, dtype=torch.int32, device=device), slots
