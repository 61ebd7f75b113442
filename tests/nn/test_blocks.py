"""Blocks without a gradient: fused where possible, with the same results and all hooks called."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pcseg.nn import BasicBlock, BatchNorm, Bottleneck, ConvNormReLU, SparseConv3d, SparseConvTranspose3d
from pcseg.sparse import SparseTensor
from tests.sparse.clouds import random_coords


def transposed(norm: str) -> nn.Sequential:
    down = ConvNormReLU(SparseConv3d(4, 6, 2, stride=2, bias=True), 6, norm)
    return nn.Sequential(down, ConvNormReLU(SparseConvTranspose3d(6, 4, 2, stride=2, bias=True), 4, norm))


BLOCKS: dict[str, Callable[[str], nn.Module]] = {
    "same channels": lambda norm: BasicBlock(4, 4, norm),
    "other channels": lambda norm: BasicBlock(4, 6, norm),
    "bottleneck": lambda norm: Bottleneck(4, 3, norm),
    "strided, with bias": transposed,
}


def case(make: Callable[[str], nn.Module], norm: str = "batch") -> tuple[nn.Module, SparseTensor]:
    torch.manual_seed(0)
    block = make(norm).double().eval()
    for value in (*block.parameters(), *block.buffers()):
        if value.is_floating_point():
            nn.init.uniform_(value, 0.5, 2) if value.dim() == 1 else nn.init.normal_(value)
    coords = random_coords(0, 80)
    return block, SparseTensor(torch.randn(len(coords), 4, dtype=torch.float64), coords)


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS.keys())
def test_without_a_gradient_it_gives_the_same(make: Callable[[str], nn.Module], norm: str) -> None:
    block, x = case(make, norm)
    expected = block(x).feats.detach()
    with torch.no_grad():
        torch.testing.assert_close(block(x).feats, expected)
    with torch.inference_mode():
        torch.testing.assert_close(block(x).feats, expected)


def calls(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that gets an entry, whether it trains, for each batch norm that runs unfused."""
    seen: list[bool] = []
    forward = BatchNorm.forward

    def counting(self: BatchNorm, feats: torch.Tensor) -> torch.Tensor:
        seen.append(self.training)
        return forward(self, feats)

    monkeypatch.setattr(BatchNorm, "forward", counting)
    return seen


def test_the_norm_is_fused_in_eval_mode_without_a_gradient_only(monkeypatch: pytest.MonkeyPatch) -> None:
    block, x = case(BLOCKS["same channels"])
    seen = calls(monkeypatch)
    with torch.no_grad():
        block(x)
        assert seen == []
        block.train()(x)
        assert seen == [True, True]
    block.eval()(x)
    assert seen == [True, True, False, False]


def test_hooks_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    block, x = case(BLOCKS["same channels"])
    found: list[torch.Tensor] = []
    block.norm2.register_forward_hook(lambda module, given, out: found.append(out))
    block.conv1.register_forward_pre_hook(lambda module, given: found.append(given[0].feats))
    with torch.no_grad():
        out = block(x)
        torch.testing.assert_close((found[1] + x.feats).relu(), out.feats)
    assert found[0] is x.feats


def test_hooks_on_all_modules_are_called() -> None:
    block, x = case(BLOCKS["same channels"])
    called: list[torch.nn.Module] = []
    handle = torch.nn.modules.module.register_module_forward_hook(lambda module, given, out: called.append(module))
    with handle, torch.no_grad():
        block(x)
    assert {block.conv1, block.norm1, block.conv2, block.norm2} <= set(called)


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS.keys())
def test_in_training_hooks_see_what_a_norm_returned_and_change_nothing(
    make: Callable[[str], nn.Module], norm: str
) -> None:
    """A ReLU in place in the output of a norm must not overwrite a tensor that a hook holds."""
    block, x = case(make, norm)
    block.train()
    x = x.replace(x.feats.requires_grad_())
    parameters, found = [x.feats, *block.parameters()], []
    for hooked in (False, True):
        held: list[tuple[torch.Tensor, torch.Tensor]] = []
        for layer in block.modules():
            if hooked and isinstance(layer, (BatchNorm, nn.LayerNorm)):
                layer.register_forward_hook(lambda _, given, out, held=held: held.append((out, out.detach().clone())))
                layer.register_full_backward_hook(lambda *_: None)
        out = block(x).feats
        found.append([out, *torch.autograd.grad(out.square().sum(), parameters)])
        assert all(torch.equal(*pair) for pair in held)
        assert bool(held) == hooked
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
