"""The gradients of depthwise convolutions against sums written out in NumPy, and against torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops import depthwise_conv

needs_library = pytest.mark.skipif(native.library() is None, reason="no compiled library")
SHAPES = [  # samples, channels, height, width, kernel, stride, padding, dilation
    (2, 5, 7, 9, 3, 1, 1, 1),
    (1, 16, 4, 3, 5, 1, 4, 2),
    (3, 33, 18, 5, 3, 2, 0, 1),
    (2, 30, 40, 6, 5, 2, 2, 1),
    (1, 17, 6, 6, 3, 1, 6, 6),
    (2, 1, 3, 3, 3, 1, 0, 1),
    (0, 4, 8, 8, 3, 1, 1, 1),
]


def drawn(shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor]:
    samples, channels, height, width, kernel = shape[:5]
    torch.manual_seed(seed)
    maps = torch.randn(samples, channels, height, width).to(memory_format=torch.channels_last)
    return maps.requires_grad_(), torch.randn(channels, 1, kernel, kernel, requires_grad=True)


def weight_gradient(maps: np.ndarray, grad: np.ndarray, kernel: int, stride: int, padding: int, dilation: int):
    """Sum, pixel of the output by pixel, of what the kernel saw there: (C, K, K) in float64."""
    padded = np.pad(maps.astype(np.float64), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    found = np.zeros((maps.shape[1], kernel, kernel))
    for i in range(kernel):
        for j in range(kernel):
            rows = i * dilation + stride * np.arange(grad.shape[2])
            columns = j * dilation + stride * np.arange(grad.shape[3])
            found[:, i, j] = (padded[:, :, rows[:, None], columns] * grad).sum(axis=(0, 2, 3))
    return found


@pytest.mark.parametrize("isa", ["plain", "avx2", "avx512"])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_those_of_the_convolution(
    monkeypatch: pytest.MonkeyPatch, isa: str, shape: tuple[int, ...]
) -> None:
    monkeypatch.setenv("PCSEG_ISA", isa)
    maps, weight = drawn(shape)
    kernel, *place = shape[4:]
    out = depthwise_conv(maps, weight, *place)
    torch.testing.assert_close(out, F.conv2d(maps, weight, None, *place, groups=shape[1]))
    grad = torch.randn_like(out)
    to_maps, to_weight = torch.autograd.grad(out, (maps, weight), grad)
    expected = weight_gradient(maps.detach().numpy(), grad.numpy(), kernel, *place)
    np.testing.assert_allclose(to_weight[:, 0].numpy(), expected, rtol=1e-4, atol=1e-4)
    if len(maps):
        wanted = torch.nn.grad.conv2d_input(maps.shape, weight, grad, *place, groups=shape[1])
        torch.testing.assert_close(to_maps, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("given", ["channels first", "a part of larger maps"])
def test_any_layout(given: str) -> None:
    maps, weight = drawn((2, 20, 9, 8, 3))
    seen = maps.detach()
    seen = seen.contiguous() if given == "channels first" else torch.cat([seen, seen], dim=1)[:, 20:]
    grad = torch.randn(2, 20, 9, 8)
    one, other = (
        torch.autograd.grad(depthwise_conv(value, weight, 1, 1), weight, grad)[0] for value in (maps.detach(), seen)
    )
    torch.testing.assert_close(one, other)


@needs_library
def test_same_bits_for_any_number_of_threads() -> None:
    maps, weight = drawn((3, 70, 50, 11, 5))
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(torch.autograd.grad(depthwise_conv(maps, weight, 1, 2).square().sum(), weight)[0])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, found[0]) for one in found)


def test_gradient_of_the_gradient() -> None:
    """Of the squared gradients of weights and maps, against that through torch's convolution."""
    shape = (2, 6, 5, 7, 3)
    found = []
    for conv in (depthwise_conv, lambda m, w, *place: F.conv2d(m, w, None, *place, groups=6)):
        maps, weight = drawn(shape)
        first = torch.autograd.grad(conv(maps, weight, 2, 1).pow(3).sum(), (maps, weight), create_graph=True)
        penalty = first[0].square().sum() + first[1].square().sum()
        found.append(torch.autograd.grad(penalty, (maps, weight)))
    for ours, torchs in zip(*found, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    ("maps", "weight"),
    [
        (torch.randn(1, 4, 6, 6, dtype=torch.float64), torch.randn(4, 1, 3, 3, dtype=torch.float64)),
        (torch.randn(1, 4, 6, 6), torch.randn(4, 1, 3, 5)),
        (torch.randn(1, 4, 9, 9), torch.randn(4, 1, 7, 7)),
    ],
)
def test_others_are_torchs(maps: Tensor, weight: Tensor) -> None:
    found = []
    for conv in (depthwise_conv, lambda m, w: F.conv2d(m, w, groups=4)):
        given = weight.clone().requires_grad_()
        out = conv(maps, given)
        assert "Convolution" in out.grad_fn.name()
        found.append(torch.autograd.grad(out.sum(), given)[0])
    assert torch.equal(*found)


def test_autocast_is_that_of_the_forward_pass() -> None:
    """A layer outside of autocast, whose gradient is asked for within it."""
    found = []
    for conv in (depthwise_conv, lambda m, w, *place: F.conv2d(m, w, None, *place, groups=8)):
        maps, weight = drawn((2, 8, 9, 7, 3))
        out = conv(maps, weight, 1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            found.append(torch.autograd.grad(out.square().sum(), (maps, weight)))
    for ours, torchs in zip(*found, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-4, atol=1e-4)


@needs_library
@pytest.mark.parametrize(
    ("maps", "grad"),
    [
        (torch.randn(1, 8, 6, 6), torch.randn(1, 4, 6, 6)),
        (torch.randn(2, 4, 6, 6), torch.randn(1, 4, 6, 6)),
        (torch.randn(4, 6, 6), torch.randn(4, 6, 6)),
        (torch.randn(1, 4, 6, 6).double(), torch.randn(1, 4, 6, 6).double()),
    ],
)
def test_maps_and_gradient_must_be_alike(maps: Tensor, grad: Tensor) -> None:
    with pytest.raises(InputError, match="maps and gradient"):
        torch.ops.pcseg.depthwise_weight_grad(maps, grad, 3, 1, 1, 1)


@needs_library
@pytest.mark.parametrize("place", [(1, 0, 1), (0, 1, 1), (1, 1, 0), (1, -1, 1)])
def test_what_does_not_fit_is_refused(place: tuple[int, int, int]) -> None:
    maps, grad = torch.randn(1, 4, 6, 6), torch.randn(1, 4, 6, 6)
    with pytest.raises(InputError, match="depthwise convolution"):
        torch.ops.pcseg.depthwise_weight_grad(maps, grad, 3, *place)
