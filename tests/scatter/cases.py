"""Shapes, indices and types over which the tests of this folder run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

# Shape of src, shape of index, dim.
CASES = {
    "one dimension": ((9,), (9,), 0),
    "rows": ((9, 3), (9,), 0),
    "last": ((3, 9), (9,), -1),
    "middle": ((2, 9, 3), (9,), 1),
    "middle from the end": ((2, 9, 3), (9,), -2),
    "an index of each batch": ((2, 9, 3), (2, 9), 1),
    "an index for all batches": ((2, 9, 3), (1, 9), 1),
    "an index of each element": ((2, 9, 3), (2, 9, 3), 1),
    "an index of each column": ((9, 3), (9, 3), 0),
    "the same for some that follow": ((9, 2, 3), (9, 1, 3), 0),
    "the same for all elements": ((2, 9, 3), (2, 1, 3), 1),
    "first of four": ((9, 2, 1, 2), (9, 2, 1, 2), -4),
    "no elements": ((0, 3), (0,), 0),
    "no channels": ((9, 0), (9,), 0),
    "no batches": ((0, 9, 2), (9,), 1),
}
SIZE = 6
"""Size of the result; segment 4 and the last are empty."""

INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
TYPES = [*INTEGERS, torch.float16, torch.bfloat16, torch.float32, torch.float64]

every_case = pytest.mark.parametrize("case", CASES)


def draw(case: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Tensor, Tensor, int]:
    """Return src, of few whole numbers and so with ties, its index, and dim."""
    shape, index_shape, dim = CASES[case]
    g = torch.Generator().manual_seed(seed)
    low = 1 if dtype == torch.uint8 else -3
    return torch.randint(low, 4, shape, generator=g).to(dtype), torch.randint(0, 4, index_shape, generator=g), dim


def array(tensor: Tensor) -> np.ndarray:
    """Return the same numbers as int64 or float64, which have room for all results."""
    return (tensor.double() if tensor.is_floating_point() else tensor.long()).detach().numpy()
