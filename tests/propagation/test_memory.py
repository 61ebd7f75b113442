"""Memory of the affinity grows with the number of nodes, not with its square, forward and backward."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pcseg.propagation import CrossSampleReallocation, IntraSampleRedistribution


class LargestTensor(TorchDispatchMode):
    """Mode that records the largest tensor that any operator returns, forward or backward."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("max_nodes", [None, 256])
def test_no_tensor_larger_than_the_features(dtype, max_nodes):
    n, channels = 3000, 16
    feats = torch.randn(2 * n, channels, dtype=dtype, requires_grad=True)
    sample = torch.repeat_interleave(torch.arange(2), n)
    with LargestTensor() as seen:
        cross = CrossSampleReallocation(channels, max_nodes)(feats, sample, torch.tensor([1, 0]))
        intra = IntraSampleRedistribution(channels, max_nodes)(feats, sample)
        (cross + intra).sum().backward()
    assert seen.elements <= feats.numel()


def test_thirty_thousand_nodes_with_the_default_cap():
    """As a matrix: 30 000 x 30 000 floats, 3.6 GB; the cap alone would leave 30 000 x 2048, 246 MB."""
    feats, sample = torch.randn(30_000, 8), torch.zeros(30_000, dtype=torch.long)
    with LargestTensor() as seen, torch.no_grad():
        out = IntraSampleRedistribution(8)(feats, sample)
    assert out.shape == feats.shape
    assert seen.elements <= feats.numel()
