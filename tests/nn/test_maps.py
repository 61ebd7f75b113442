"""Layers of image networks: batch norm of few pixels, the reach of convolutions, fresh weights, recomputation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pcseg.nn import frozen_statistics
from pcseg.nn.maps import BatchNorm2d, Conv2d, ConvNormReLU2d, draw_weights, run_maps, separable


def trained(**arguments: float) -> BatchNorm2d:
    torch.manual_seed(0)
    norm = BatchNorm2d(3, **arguments)
    for _ in range(5):
        norm(torch.randn(2, 3, 4, 5) * 2 + 1)
    return norm


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("arguments", [{}, {"eps": 1e-2, "momentum": 0.03}])
def test_it_is_torch_batch_norm(arguments: dict[str, float]) -> None:
    norm, torchs = trained(**arguments), nn.BatchNorm2d(3, **arguments)
    torchs.load_state_dict(norm.state_dict())
    for shape in ((2, 3, 4, 5), (1, 3, 1, 2), (2, 3, 1, 1)):
        x = torch.randn(shape)
        assert torch.equal(norm(x), torchs(x))
        assert torch.equal(norm.running_var, torchs.running_var)
    assert torch.equal(norm.eval()(x), torchs.eval()(x))


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (0, 3, 4, 4), (1, 3, 0, 2)])
def test_fewer_than_two_pixels_use_the_running_statistics(shape: tuple[int, ...]) -> None:
    norm = trained()
    before = state(norm)
    x = torch.randn(shape, requires_grad=True)
    out = norm(x)
    out.sum().backward()
    torch.testing.assert_close(out, norm.eval()(x))
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert x.grad.shape == shape


def test_frozen_statistics_find_it() -> None:
    norm = trained()
    before, x = state(norm), torch.randn(2, 3, 4, 5) * 7 - 4
    with frozen_statistics(nn.Sequential(norm)):
        inside = norm(x)
    torch.testing.assert_close(inside.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert torch.equal(norm(x), inside)
    assert not torch.equal(norm.running_mean, before["running_mean"])


def test_points_are_no_maps() -> None:
    with pytest.raises(ValueError, match="give"):
        trained()(torch.zeros(2, 3, 4))


@pytest.mark.parametrize(("kernel", "dilation", "reach"), [(1, 1, {0}), (3, 1, {-1, 0, 1}), (3, 4, {-4, 0, 4})])
def test_a_convolution_keeps_the_size_and_reaches_as_far_as_it_says(kernel: int, dilation: int, reach: set) -> None:
    torch.manual_seed(0)
    layer = ConvNormReLU2d(2, 64, kernel, dilation).eval()  # of 64 outputs, ReLU leaves some
    x = torch.randn(1, 2, 11, 13, requires_grad=True)
    out = layer(x)
    assert out.shape == (1, 64, 11, 13)
    assert (out >= 0).all()
    out[0, :, 5, 6].sum().backward()
    seen = {(row - 5, column - 6) for _, row, column in x.grad[0].nonzero().tolist()}
    assert seen == {(row, column) for row in reach for column in reach}


def test_a_separable_convolution_is_that_of_each_channel_and_one_of_pixels() -> None:
    layer = separable(6, 10, 3, 2)
    sizes = [tuple(p.shape) for p in layer.parameters()]
    assert sizes == [(6, 1, 3, 3), (6,), (6,), (10, 6, 1, 1), (10,), (10,)]
    assert layer(torch.randn(1, 6, 5, 4)).shape == (1, 10, 5, 4)


@pytest.mark.parametrize("groups", [1, 256])
def test_fresh_weights_keep_the_size_of_gradients(groups: int) -> None:
    """The gradient of an input is a sum over kernel area * outputs / groups weights; ReLU halves it."""
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Conv2d(256, 256, 3, padding=1, groups=groups))
    draw_weights(layer)
    x = torch.randn(1, 256, 8, 8, requires_grad=True)
    layer(x).backward(torch.randn(1, 256, 8, 8))
    assert 1.6 < float(x.grad[:, :, 1:-1, 1:-1].var()) < 2.4
    assert not layer[0].bias.any()


def test_activation_checkpointing_changes_memory_alone() -> None:
    x, found, sizes = torch.randn(2, 3, 8, 8), [], []
    for recompute in (False, True):
        torch.manual_seed(0)
        part = nn.Sequential(ConvNormReLU2d(3, 8, 3), ConvNormReLU2d(8, 8, 3), ConvNormReLU2d(8, 3, 3))
        kept: dict[int, Tensor] = {}

        def pack(tensor: Tensor, kept: dict[int, Tensor] = kept) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = run_maps(part, x, recompute).square().sum()
        sizes.append(sum(tensor.untyped_storage().nbytes() for tensor in kept.values()))
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in part.parameters()), *part.buffers()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert sizes[1] < 0.5 * sizes[0]


@pytest.mark.parametrize(
    "arguments",
    [
        {"groups": 4},
        {"groups": 4, "bias": False, "padding": 4, "dilation": 2},
        {"groups": 2},
        {"groups": 4, "stride": (2, 1), "padding": (0, 2)},
        {"groups": 4, "padding": 2, "padding_mode": "reflect"},
    ],
)
def test_convolutions_are_torchs(arguments: dict[str, Any]) -> None:
    torch.manual_seed(0)
    ours, torchs = Conv2d(4, 4, 5, **arguments), nn.Conv2d(4, 4, 5, **arguments)
    torchs.load_state_dict(ours.state_dict())
    maps = torch.randn(2, 4, 12, 11)
    out, expected = ours(maps), torchs(maps)
    torch.testing.assert_close(out, expected)
    out.square().sum().backward()
    expected.square().sum().backward()
    for one, other in zip(ours.parameters(), torchs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours(maps[0]), torchs(maps[0]))  # one image
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(maps).dtype == torchs(maps).dtype == torch.bfloat16
