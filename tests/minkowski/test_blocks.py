"""Blocks: what they compute, with gradients and, in one pass, without."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from pcseg import minkowski as ME
from pcseg.nn import BasicBlock, SparseConv3d, SparseConvTranspose3d
from pcseg.sparse import SparseTensor
from tests.minkowski.shapes import DIMENSIONS, make

RESNET, SENET = ME.modules.resnet_block, ME.modules.senet_block


def shake(net: nn.Module) -> nn.Module:
    """Give batch norms weights and statistics that are not those they begin with."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return net.double().eval()


def plain(block: nn.Module, x: ME.SparseTensor) -> ME.SparseTensor:
    """The block, layer by layer."""
    y = block.norm2(block.conv2(block.relu(block.norm1(block.conv1(x)))))
    if hasattr(block, "norm3"):
        y = block.norm3(block.conv3(block.relu(y)))
    y = block.se(y) if hasattr(block, "se") else y
    shortcut = x if block.downsample is None else block.downsample(x)
    return y.with_features(torch.relu(y.F + shortcut.F))


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kind", [RESNET.BasicBlock, RESNET.Bottleneck, SENET.SEBasicBlock, SENET.SEBottleneck])
def test_blocks_are_their_layers_with_and_without_gradients(kind: type, stride: int, dimension: int) -> None:
    torch.manual_seed(0)
    width = 4 * kind.expansion
    downsample = nn.Sequential(
        ME.MinkowskiConvolution(3, width, 1, stride, dimension=dimension), ME.MinkowskiBatchNorm(width)
    )
    named = {"D": dimension, "reduction": 2} if "SE" in kind.__name__ else {"dimension": dimension}
    block = shake(kind(3, 4, stride, downsample=downsample, **named))
    x = make(dimension)
    wanted = plain(block, x).F.detach()
    tracked = block(x)
    assert torch.allclose(tracked.F, wanted, atol=1e-12)
    tracked.F.sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    with torch.no_grad():
        assert torch.allclose(block(x).F, wanted, atol=1e-9)


def test_hooks_are_called_without_gradients_too() -> None:
    block = shake(RESNET.BasicBlock(3, 3, dimension=3))
    seen = []
    block.norm1.register_forward_hook(lambda module, given, out: seen.append(out.F.shape))
    with torch.no_grad():
        block(make(3))
    assert len(seen) == 1


def test_features_in_bfloat16() -> None:
    x = make(3).float()
    conv = ME.MinkowskiConvolution(3, 4, 3, dimension=3)
    wanted = conv(x).F.detach()
    with torch.autocast("cpu", torch.bfloat16):
        y = ME.MinkowskiReLU()(ME.MinkowskiBatchNorm(4)(conv(x)))
        found = conv(x).F
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), wanted, atol=0.05)
    y.F.float().sum().backward()
    assert conv.kernel.grad is not None


def test_layers_equal_those_of_this_library() -> None:
    """With the same weights, in the same order of voxels."""
    x = make(3)
    mine = SparseTensor(x.F, x.C)
    same, down = (
        ME.MinkowskiConvolution(3, 4, 5, dimension=3).double(),
        ME.MinkowskiConvolution(3, 4, 2, 2, dimension=3),
    )
    up = ME.MinkowskiConvolutionTranspose(4, 3, 2, 2, dimension=3)
    ours = [SparseConv3d(3, 4, 5), SparseConv3d(3, 4, 2, 2), SparseConvTranspose3d(4, 3, 2, 2)]
    for layer, other in zip((same, down, up), ours, strict=True):
        layer.double()
        other.double().weight.data.copy_(layer.kernel.data)
    assert torch.equal(same(x).F, ours[0](mine).feats)
    low, wanted = down(x), ours[1](mine)
    assert torch.equal(low.C, wanted.coords)
    assert torch.equal(low.F, wanted.feats)
    assert torch.equal(up(low).F, ours[2](wanted).feats)
    block, other = RESNET.BasicBlock(3, 3, dimension=3).double(), BasicBlock(3, 3).double()
    other.conv1.weight.data.copy_(block.conv1.kernel.data)
    other.conv2.weight.data.copy_(block.conv2.kernel.data)
    assert torch.equal(block(x).F, other(mine).feats)


def test_networks_and_tensors_are_copied_and_pickled() -> None:
    net = nn.Sequential(
        ME.MinkowskiConvolution(3, 4, 3, 2, dimension=3), ME.MinkowskiReLU(), ME.MinkowskiInstanceNorm(4)
    )
    net, x = net.double(), make(3)
    wanted = net(x).F
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(pickle.loads(pickle.dumps(x))).F, wanted)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_layers_take_no_voxel_and_a_single_one(dimension: int) -> None:
    empty = ME.SparseTensor(torch.zeros(0, 3), torch.zeros(0, 1 + dimension, dtype=torch.int32))
    down = ME.MinkowskiConvolution(3, 3, 3, 2, dimension=dimension)
    for up in (ME.MinkowskiConvolutionTranspose, ME.MinkowskiGenerativeConvolutionTranspose):
        assert len(up(3, 3, 2, 2, dimension=dimension)(down(empty))) == 0
    one = ME.SparseTensor(torch.ones(1, 3), torch.zeros(1, 1 + dimension, dtype=torch.int32))
    found = ME.MinkowskiInstanceNorm(3)(ME.MinkowskiBatchNorm(3)(down(one))).F
    assert found.tolist() == [[0, 0, 0]]
