"""Activation checkpointing: the same bits from less memory."""

from __future__ import annotations

from collections.abc import Callable

import torch

import pcseg.networks
from pcseg.model.networks import NetworkSpec
from pcseg.networks import MinkUNet, minkunet_small
from pcseg.nn import frozen_statistics
from pcseg.sparse import SparseTensor
from tests.networks.test_contract import build, each_network, each_norm, voxels


@each_network
@each_norm
def test_it_changes_memory_alone(make: Callable[..., MinkUNet], norm: str) -> None:
    """Also with a second pass that does not update the running statistics, as in dense supervision propagation."""
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


def test_a_retained_graph_can_be_passed_again_after_other_batches() -> None:
    """Also with a single voxel at the bottleneck, which is normalized by the running statistics."""
    coords = torch.tensor([[0, 0, 0, 0], [0, 1, 0, 0], [0, 3, 5, 0]], dtype=torch.int32)
    x, found = SparseTensor(torch.rand(3, 3, generator=torch.Generator().manual_seed(0)), coords), []
    for checkpointing in (False, True):
        network = build(minkunet_small)
        network.activation_checkpointing = checkpointing
        scores = network(x).logits
        network(voxels(1))  # moves the running statistics
        loss = scores.square().sum()
        found.append([])
        for _ in range(2):
            found[-1] += torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
    assert all(torch.equal(kept, recomputed) for kept, recomputed in zip(*found, strict=True))


def test_hooks_on_its_levels_are_called() -> None:
    network, called = build(minkunet_small), []
    network.activation_checkpointing = True
    network.down[0].register_forward_hook(lambda *_: called.append("down"))
    network(voxels())
    assert called == ["down"]
