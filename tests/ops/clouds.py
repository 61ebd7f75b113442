"""Random voxels, devices and numbers of threads for the tests of ops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from pcseg.ops import _native

devices = pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
)
compiled = pytest.mark.skipif(_native.library() is None, reason="no compiled library")


def random_coords(points: int, span: int, samples: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    position = torch.randint(-span, span + 1, (points, 3), generator=generator)
    sample = torch.randint(samples, (points, 1), generator=generator)
    return torch.cat([sample, position], 1).int()


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
