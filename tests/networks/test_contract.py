"""The contract of networks: each row of NETWORKS must pass; add a row for a new network."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import nn

import pcseg.networks
from pcseg.elements import Elements
from pcseg.errors import InputError
from pcseg.networks import (
    MinkUNet,
    MinkUNetASPP,
    MinkUNetAxial,
    MinkUNetOCR,
    minkunet14a,
    minkunet18a,
    minkunet34c,
    minkunet_small,
)
from pcseg.networks.protocol import LeveledNetwork, Network
from pcseg.nn import BatchNorm, frozen_statistics
from pcseg.sparse import SparseTensor
from tests.sparse.clouds import surface_coords

F, K = 3, 5

NETWORKS: dict[str, Callable[..., MinkUNet]] = {
    "minkunet_small": minkunet_small,
    "minkunet14a": minkunet14a,
    "object context": lambda f, k, norm="batch": MinkUNetOCR(f, k, norm=norm),
    "dilated convolutions": lambda f, k, norm="batch": MinkUNetASPP(f, k, norm=norm, stride=8),
    "axial attention": lambda f, k, norm="batch": MinkUNetAxial(f, k, norm=norm),
    "two levels": lambda f, k, norm="batch": MinkUNet(f, k, (8, 12, 10, 8), (1, 2, 1, 2), norm, stem_channels=6),
    "bottleneck": lambda f, k, norm="batch": MinkUNet(
        f, k, (4, 6, 5, 4), (1, 1, 1, 2), norm, "bottleneck", stem_channels=6, stem_kernel=3
    ),
}
each_network = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())
each_norm = pytest.mark.parametrize("norm", ["batch", "layer"])


def voxels(seed: int = 0, n_samples: int = 1) -> SparseTensor:
    coords = surface_coords(seed, n_samples=n_samples)
    generator = torch.Generator().manual_seed(seed)
    return SparseTensor(torch.randn(len(coords), F, generator=generator), coords)


def build(make: Callable[..., MinkUNet], norm: str = "batch") -> MinkUNet:
    torch.manual_seed(0)
    network = make(F, K, norm)
    for module in network.modules():  # statistics unlike the initial ones, or eval mode would hide mistakes
        if isinstance(module, BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    """Equal up to the order of sums, whose length, and with it the rounding, grows with depth."""
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.detach().abs().max()))


@each_network
def test_it_offers_the_protocol(make: Callable[..., MinkUNet]) -> None:
    network = make(F, K)
    assert isinstance(network, Network)
    assert isinstance(network, LeveledNetwork)
    for name in ("forward", "encode", "decode", "channels_at"):
        wanted = list(inspect.signature(getattr(LeveledNetwork, name)).parameters)[1:]
        assert list(inspect.signature(getattr(network, name)).parameters) == wanted


@each_network
def test_elements_row_for_row(make: Callable[..., MinkUNet]) -> None:
    network, x = build(make), voxels(n_samples=2)
    position, color = torch.rand(len(x), 3), torch.rand(len(x), 3)
    out = network(x, position=position, color=color)
    assert isinstance(out, Elements)
    assert out.logits.shape == (len(x), K)
    assert out.logits.isfinite().all()
    assert len(out.feats) == len(x)
    assert torch.equal(network.head(out.feats), out.logits)
    assert torch.equal(out.sample, x.coords[:, 0].long())
    assert out.position is position
    assert out.color is color
    default = network(x)
    assert torch.equal(default.position, x.coords[:, 1:].float())
    assert default.color is None


@each_network
@each_norm
def test_cut_at_any_stride_it_is_the_same_network(make: Callable[..., MinkUNet], norm: str) -> None:
    network, x = build(make, norm), voxels()
    whole = network(x)
    for stride in network.strides:
        levels = network.encode(x, stride)
        assert [level.stride for level in levels] == [s for s in network.strides if s <= stride]
        assert [level.feats.shape[1] for level in levels] == [network.channels_at(level.stride) for level in levels]
        assert torch.equal(network.decode(levels).logits, whole.logits)
    assert len(network.encode(x)) == len(network.strides)


@each_network
def test_replaced_features_are_decoded(make: Callable[..., MinkUNet]) -> None:
    """Replaced features act through the skip and the deeper levels, and receive gradients."""
    network, x = build(make).eval(), voxels()
    whole = network(x).logits
    for stride in network.strides:
        *finer, last = network.encode(x, stride)
        other = torch.randn_like(last.feats, requires_grad=True)
        logits = network.decode((*finer, last.replace(other))).logits
        assert not torch.equal(logits, whole)
        logits.square().sum().backward()
        assert (other.grad.abs().sum(1) > 0).float().mean() > 0.9


@each_network
@each_norm
def test_gradients_reach_all_parameters(make: Callable[..., MinkUNet], norm: str) -> None:
    network, x = build(make, norm), voxels()
    out = network(x)
    sum(scores.square().sum() for scores in (out.logits, *out.outputs.values())).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@each_network
def test_the_order_of_voxels_does_not_matter(make: Callable[..., MinkUNet]) -> None:
    network, x = build(make).eval(), voxels(n_samples=2)
    order = torch.randperm(len(x))
    close(network(SparseTensor(x.feats[order], x.coords[order])).logits, network(x).logits[order])


@each_network
def test_moving_by_the_bottleneck_stride_changes_nothing(make: Callable[..., MinkUNet]) -> None:
    network, x = build(make).eval(), voxels()
    step = torch.tensor([0, -3, 1, 2], dtype=torch.int32) * network.strides[-1]
    close(network(SparseTensor(x.feats, x.coords + step)).logits, network(x).logits)


@each_network
def test_samples_of_a_batch_do_not_see_each_other(make: Callable[..., MinkUNet]) -> None:
    network, x = build(make).eval(), voxels(n_samples=2)
    both = network(x).logits
    for sample in (0, 1):
        rows = x.coords[:, 0] == sample
        coords = x.coords[rows] - torch.tensor([sample, 0, 0, 0], dtype=torch.int32)
        close(both[rows], network(SparseTensor(x.feats[rows], coords)).logits)


@each_network
@each_norm
@pytest.mark.parametrize("count", [0, 1, 2])
def test_very_few_voxels(make: Callable[..., MinkUNet], norm: str, count: int) -> None:
    """In training torch's batch norm refuses a single row; the bottleneck has one here."""
    network, x = build(make, norm), voxels()
    network.train()
    out = network(SparseTensor(x.feats[:count], x.coords[:count]))
    assert out.logits.shape == (count, K)
    assert out.logits.isfinite().all()
    out.logits.sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_the_reallocated_pass_leaves_running_statistics() -> None:
    network, x = build(minkunet_small), voxels()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with frozen_statistics(network):
        inside = network(x).logits
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(network(x).logits, inside)
    assert any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_lower_precision_under_autocast() -> None:
    network, x = build(minkunet_small).eval(), voxels()
    exact = network(x).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = network(x).logits
    assert out.dtype == torch.bfloat16
    assert (out.float() - exact).norm() / exact.norm() < 0.1  # bfloat16 keeps 8 bits, over some 20 layers


def test_wrong_input_is_refused_in_one_line() -> None:
    network, x = build(minkunet_small), voxels()
    for action, message in (
        (lambda: network(x.replace(torch.zeros(len(x), 7))), "7 channels, the network takes 3"),
        (lambda: network.encode(x, 3), "stride=3: the network has strides 1, 2, 4, 8, 16"),
        (lambda: network.channels_at(32), "stride=32"),
        (lambda: network(SparseTensor(x.feats, x.coords, stride=2)), "stride=2: the network takes voxels of stride 1"),
        (lambda: MinkUNet(3, 5, (8, 8, 8), (1, 1, 1)), "3 channels and 3 blocks"),
        (lambda: MinkUNet(3, 5, (8, 8), (1, 1), block="dense"), "block=dense: must be one of basic, bottleneck"),
        (lambda: minkunet_small(3, 5, norm="none"), "norm=none"),
        (lambda: minkunet_small(0, 5), "MinkUNet: in_channels=0; give a whole number, at least 1"),
        (lambda: minkunet_small(3, -5), "n_classes=-5"),
        (lambda: MinkUNet(3, 5, (8, 8), (1, 1), stem_kernel=2.5), "stem_kernel=2.5"),
        (lambda: MinkUNet(3, 5, (8, 8), (1, 0)), "MinkUNet, level 1: blocks=0"),
        (lambda: MinkUNet(3, 5, (-8, 8), (1, 1)), "MinkUNet, level 0: channels=-8"),
    ):
        with pytest.raises(InputError, match=message) as error:
            action()
        assert "\n" not in str(error.value)


def test_the_family_has_the_sizes_of_minkowski_engine() -> None:
    """Counted from examples/minkunet.py: kernels 2x2x2 and 3x3x3 without bias, batch norms of two numbers a channel."""

    def count(planes: tuple[int, ...], layers: tuple[int, ...]) -> int:
        total, cin, skips = 125 * F * 32 + 64, 32, [32]
        for i in range(8):
            width, before = planes[i], cin
            if i < 4:
                total += 8 * cin * cin + 2 * cin
            else:
                total += 8 * cin * width + 2 * width
                before = width + skips[3 - (i - 4)]
            total += sum(27 * ((before if j == 0 else width) + width) * width + 4 * width for j in range(layers[i]))
            total += before * width + 2 * width if before != width else 0
            cin = width
            skips.append(cin)
        return total + cin * K + K

    a, c = (32, 64, 128, 256, 128, 128, 96, 96), (32, 64, 128, 256, 256, 128, 96, 96)
    for make, planes, layers in (
        (minkunet14a, a, (1,) * 8),
        (minkunet18a, a, (2,) * 8),
        (minkunet34c, c, (2, 3, 4, 6, 2, 2, 2, 2)),
    ):
        assert sum(p.numel() for p in make(F, K).parameters()) == count(planes, layers)


def test_checkpoints_can_name_every_network() -> None:
    for name in pcseg.networks.__all__:
        assert isinstance(getattr(pcseg.networks, name)(in_channels=3, n_classes=5), nn.Module)
        with pytest.raises(TypeError, match="depth"):
            getattr(pcseg.networks, name)(3, 5, depth=4)
