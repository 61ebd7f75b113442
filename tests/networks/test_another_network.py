"""A network without skips, with activation checkpointing, torch.compile and fusing in a line or two each."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pcseg.elements import Elements
from pcseg.networks.protocol import LeveledNetwork, Network
from pcseg.nn import (
    BasicBlock,
    BatchNorm,
    Blocks,
    ConvNormReLU,
    SparseConv3d,
    SparseConvTranspose3d,
    SparseMaxPool3d,
    conv_norm_relu,
    make_maps,
    make_norm,
    run,
)
from pcseg.sparse import SparseTensor
from tests.networks.test_contract import F, K, voxels


class Hourglass(nn.Module):
    """Pools to stride 4 and returns to stride 1 in one step, without skips."""

    def __init__(self, in_channels: int, n_classes: int, activation_checkpointing: bool = False) -> None:
        super().__init__()
        self.activation_checkpointing = activation_checkpointing
        self.stem, self.norm = SparseConv3d(in_channels, 8, 3), make_norm("batch", 8)
        self.down = Blocks(SparseMaxPool3d(2, stride=2), BasicBlock(8, 8), SparseMaxPool3d(2, stride=2))
        self.up = ConvNormReLU(SparseConvTranspose3d(8, 6, 4, stride=4), 6, "batch")
        self.head = nn.Linear(6, n_classes)

    def forward(self, inputs: SparseTensor, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        if torch.compiler.is_compiling():
            make_maps(inputs, self.stem, self.down, self.up)
        x = conv_norm_relu(self.stem, self.norm, inputs)
        for part in (self.down, self.up):
            x = run(part, x, self.activation_checkpointing)
        return Elements(self.head(x.feats), x.feats, x.sample, inputs.coords[:, 1:].float(), color)


def build() -> Hourglass:
    torch.manual_seed(0)
    return Hourglass(F, K)


def test_it_is_a_network_without_levels() -> None:
    assert isinstance(build(), Network)
    assert not isinstance(build(), LeveledNetwork)


def test_activation_checkpointing_changes_memory_alone() -> None:
    x, found, sizes = voxels(n_samples=2), [], []
    for checkpointing in (False, True):
        network, kept = build(), {}
        network.activation_checkpointing = checkpointing

        def pack(tensor: Tensor, kept: dict[int, Tensor] = kept) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = network(x).logits.square().sum()
        sizes.append(sum(tensor.untyped_storage().nbytes() for tensor in kept.values()))
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in network.parameters()), *network.buffers()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert sizes[1] < 0.8 * sizes[0]


@pytest.mark.parametrize("training", [False, True])
def test_compiled_it_is_one_graph(training: bool) -> None:
    """Kernel maps are computed before the graph, those of pools included, and the backward ones where training."""
    network, graphs = build().train(training), []

    def backend(graph: torch.fx.GraphModule, _: list[Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    torch.compiler.reset()
    x = voxels()
    with torch.set_grad_enabled(training):
        out = torch.compile(network, backend=backend)(SparseTensor(x.feats, x.coords))
        other = build().train(training)(x)
    assert torch.equal(out.logits, other.logits)
    assert len(graphs) == 1


def test_without_a_gradient_norms_are_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = build().eval(), voxels()
    expected = network(x).logits.detach()
    monkeypatch.setattr(BatchNorm, "forward", lambda self, feats: pytest.fail("a norm ran on its own"))
    with torch.no_grad():
        torch.testing.assert_close(network(x).logits, expected, rtol=1e-4, atol=1e-4)
