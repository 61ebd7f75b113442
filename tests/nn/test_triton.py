"""Layers on the Triton kernels through autograd and recomputation (on a CPU in the interpreter)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pcseg.nn import SparseConv3d, SparseConvTranspose3d
from pcseg.nn.recompute import recomputed
from pcseg.ops import _native
from pcseg.ops.triton import row_order
from pcseg.sparse import SparseTensor
from tests.ops.test_sparse_conv import distinct, random_like
from tests.ops.triton.here import DEVICE, needs_triton, repair_interpreter

pytestmark = [
    needs_triton,
    pytest.mark.skipif(
        DEVICE == "cpu" and _native.library() is not None,
        reason="the compiled CPU kernel stands in the place of the Triton kernels; set PCSEG_LIBRARY=none",
    ),
]


class Layers(nn.Module):
    """Two maps and their transposes, each used by several layers."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = SparseConv3d(3, 8, kernel_size=3)
        self.block = nn.Sequential(SparseConv3d(8, 8, kernel_size=3), SparseConv3d(8, 16, kernel_size=3))
        self.down = SparseConv3d(16, 16, kernel_size=2, stride=2)
        self.up = SparseConvTranspose3d(16, 4, kernel_size=2, stride=2)

    def forward(self, x: SparseTensor, recompute: bool) -> Tensor:
        x = self.entry(x)
        x = recomputed(self.block, x) if recompute else self.block(x)
        return self.up(self.down(x)).feats


def results(layers: Layers, coords: Tensor, recompute: bool = False) -> list[Tensor]:
    """Return loss and gradients; during the backward pass only the graph holds the maps."""
    out = layers(SparseTensor(random_like(len(coords), 3, dtype=torch.float32).to(coords.device), coords), recompute)
    loss = (out * random_like(*out.shape, seed=1, dtype=torch.float32).to(out.device)).sum()
    del out
    return [loss.detach(), *torch.autograd.grad(loss, list(layers.parameters()))]


@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_are_right_and_each_map_is_sorted_once(recompute: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from pcseg.ops.triton import implicit_gemm as kernels

    made: list[str] = []
    for name in ("DeviceMap", "SortedRows"):
        kind = getattr(row_order, name)

        def init(self: object, *args: object, name: str = name, first: object = kind.__init__, **named: object) -> None:
            made.append(name)
            first(self, *args, **named)  # type: ignore[operator]

        monkeypatch.setattr(kind, "__init__", init)
    monkeypatch.setattr(kernels, "choose", lambda key, candidates, *_: candidates[0])
    torch.manual_seed(0)
    layers, coords = Layers().to(DEVICE), distinct(40, 2, seed=0).to(DEVICE)
    expected = results(layers.cpu(), coords.cpu())
    layers.to(DEVICE)
    with torch.library._scoped_library("pcseg", "IMPL") as library:
        if DEVICE == "cpu":
            repair_interpreter()
            monkeypatch.setattr(kernels, "PROGRAMS", 27)
            library.impl("sparse_conv", lambda *args: kernels.sparse_conv(*args[:5]), "CPU")
            library.impl("sparse_conv_weight_grad", kernels.sparse_conv_weight_grad, "CPU")
        found = results(layers, coords, recompute)
    assert sorted(made) == ["DeviceMap"] * 4 + ["SortedRows"] * 4
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-4, atol=1e-4)
