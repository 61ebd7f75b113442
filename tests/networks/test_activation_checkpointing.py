"""Activation checkpointing: the same bits from less memory."""

from __future__ import annotations

from collections.abc import Callable

import torch

import pcseg.networks
from pcseg.engine.checkpoint import NetworkSpec
from pcseg.networks import MinkUNet, minkunet_small
from pcseg.nn import frozen_statistics
from tests.networks.test_contract import build, each_network, each_norm, voxels


@each_network
@each_norm
def test_it_changes_memory_alone(make: Callable[..., MinkUNet], norm: str) -> None:
    """Also where a second pass leaves the running statistics alone, as the propagated one does."""
    x, found, sizes = voxels(n_samples=2), [], []
    for checkpointing in (False, True):
        network, kept = build(make, norm), {}
        network.activation_checkpointing = checkpointing

        def pack(tensor: torch.Tensor, kept: dict[int, torch.Tensor] = kept) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            levels = network.encode(x, 2)
            loss = network.decode(levels).logits.square().sum()
            with frozen_statistics(network):
                moved = levels[-1].replace(levels[-1].feats.flip(0))
                loss = loss + network.decode((*levels[:-1], moved)).logits.square().sum()
        sizes.append(sum(tensor.untyped_storage().nbytes() for tensor in kept.values()))
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in network.parameters()), *network.buffers()])
    assert all(torch.equal(kept, recomputed) for kept, recomputed in zip(*found, strict=True))
    assert sizes[1] < 0.5 * sizes[0]


def test_every_network_can_be_built_with_it() -> None:
    for name in pcseg.networks.__all__:
        arguments = {"in_channels": 3, "n_classes": 5, "activation_checkpointing": True}
        assert NetworkSpec(name, arguments).build().activation_checkpointing is True


def test_a_compiled_network_keeps_it() -> None:
    network, x = build(minkunet_small), voxels()
    network.activation_checkpointing = True
    torch.compiler.reset()
    compiled = torch.compile(network, backend="eager")
    assert torch.equal(compiled(x).logits, network(x).logits)
