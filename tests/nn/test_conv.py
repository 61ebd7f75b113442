"""Sparse convolutions against dense ones, their gradients and their errors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from pcseg.errors import InputError
from pcseg.nn import SparseConv3d, SparseConvTranspose3d
from pcseg.sparse import SparseTensor
from tests.oracles.minkowski import Grid
from tests.sparse.clouds import random_coords

few = settings(max_examples=10, deadline=None)


def one_sample(seed: int, channels: int) -> tuple[Tensor, Tensor]:
    coords = random_coords(seed, n_samples=1)
    return coords, torch.randn(len(coords), channels, dtype=torch.float64)


@few
@given(seed=st.integers(0, 10**6), size=st.sampled_from([1, 2, 3, 4, 5]))
def test_a_submanifold_convolution_is_the_dense_one_at_the_voxels(seed: int, size: int) -> None:
    coords, feats = one_sample(seed, 3)
    conv = SparseConv3d(3, 4, size).double()
    out = conv(SparseTensor(feats, coords))
    assert out.coords is coords
    dense = Grid.from_rows(coords[:, 1:], feats, 16).conv(conv.weight)
    torch.testing.assert_close(out.feats, dense.rows(coords[:, 1:], 16))


@few
@given(seed=st.integers(0, 10**6))
def test_down_and_up_again_are_the_dense_ones(seed: int) -> None:
    coords, feats = one_sample(seed, 3)
    down, up = SparseConv3d(3, 4, 2, stride=2).double(), SparseConvTranspose3d(4, 2, 2, stride=2).double()
    coarse = down(SparseTensor(feats, coords))
    assert coarse.stride == 2
    fine = up(coarse)
    assert (fine.stride, fine.coords is coords) == (1, True)
    grid = Grid.from_rows(coords[:, 1:], feats, 16)
    dense = grid.conv_down(down.weight)
    x, y, z = (coarse.coords[:, 1:].long() // 2 - coords[:, 1:].long().min(0).values // 16 * 8).T
    torch.testing.assert_close(coarse.feats, dense.values[0, :, x, y, z].T)
    torch.testing.assert_close(fine.feats, dense.conv_up(up.weight, grid).rows(coords[:, 1:], 16))


def test_dilation_reaches_further() -> None:
    coords = torch.tensor([[0, 0, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0], [1, 2, 0, 0]], dtype=torch.int32)
    conv = SparseConv3d(1, 1, 3, dilation=2)
    torch.nn.init.ones_(conv.weight)
    out = conv(SparseTensor(torch.tensor([[1.0], [10], [100], [1000]]), coords))
    assert out.feats[:, 0].tolist() == [11, 11, 100, 1000]


def test_a_bias_is_added_at_every_voxel() -> None:
    coords, feats = one_sample(0, 3)
    with_bias = SparseConv3d(3, 4, 3, bias=True).double()
    torch.nn.init.normal_(with_bias.bias)
    plain = SparseConv3d(3, 4, 3).double()
    plain.weight = with_bias.weight
    x = SparseTensor(feats, coords)
    torch.testing.assert_close(with_bias(x).feats, plain(x).feats + with_bias.bias)
    up = SparseConvTranspose3d(4, 2, 2, stride=2, bias=True)
    assert up.bias is not None
    assert set(up.state_dict()) == {"weight", "bias"}


@pytest.mark.parametrize(
    "layers",
    [
        [SparseConv3d(2, 2, 3)],
        [SparseConv3d(2, 2, 2)],
        [SparseConv3d(2, 2, 2, stride=2), SparseConvTranspose3d(2, 2, 2, stride=2)],
        [SparseConv3d(2, 2, 3, stride=2), SparseConvTranspose3d(2, 2, 3, stride=2)],
    ],
    ids=["odd", "even", "down and up", "odd down and up"],
)
def test_gradients(layers: list[torch.nn.Module]) -> None:
    network = torch.nn.Sequential(*layers).double()
    coords = random_coords(1, 25, -3, 4)

    def run(feats: Tensor, *weights: Tensor) -> Tensor:
        return torch.func.functional_call(
            network, dict(zip(names, weights, strict=True)), SparseTensor(feats, coords)
        ).feats

    names = [name for name, _ in network.named_parameters()]
    weights = [p.detach().requires_grad_() for p in network.parameters()]
    feats = torch.randn(len(coords), 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(run, (feats, *weights))


def test_samples_do_not_mix() -> None:
    coords, conv = random_coords(3, 150), SparseConv3d(2, 3, 3)
    feats = torch.randn(len(coords), 2)
    both = conv(SparseTensor(feats, coords)).feats
    for sample in (0, 1):
        rows = coords[:, 0] == sample
        alone = conv(SparseTensor(feats[rows], coords[rows])).feats
        torch.testing.assert_close(both[rows], alone)


def test_initial_variance_survives_full_neighborhoods() -> None:
    """On a filled block, the layer preserves the second moment of rectified input (He et al., eq. 10)."""
    torch.manual_seed(0)
    axes = [torch.zeros(1, dtype=torch.int32), *[torch.arange(12, dtype=torch.int32)] * 3]
    coords = torch.cartesian_prod(*axes)
    x = SparseTensor(torch.randn(len(coords), 32).relu(), coords)
    inside = ((coords[:, 1:] > 0) & (coords[:, 1:] < 11)).all(1)
    same = SparseConv3d(32, 32, 3)(x).feats[inside]
    down = SparseConv3d(32, 32, 2, stride=2)(x)
    up = SparseConvTranspose3d(32, 32, 2, stride=2)(down.replace(down.feats.relu())).feats
    for out in (same, down.feats, up):
        assert 0.8 < out.var() < 1.25


def test_an_empty_input_gives_an_empty_output() -> None:
    x = SparseTensor(torch.zeros(0, 2, requires_grad=True), torch.zeros(0, 4, dtype=torch.int32))
    out = SparseConvTranspose3d(3, 4, 2, stride=2)(SparseConv3d(2, 3, 2, stride=2)(x))
    assert out.feats.shape == (0, 4)
    out.feats.sum().backward()


def test_wrong_arguments_are_refused() -> None:
    coords, feats = one_sample(0, 3)
    x = SparseTensor(feats.float(), coords)
    with pytest.raises(InputError, match="3 channels; give 4, those of this convolution"):
        SparseConv3d(4, 4, 3)(x)
    with pytest.raises(InputError, match="stride=2"):
        SparseConvTranspose3d(3, 4, 2, stride=2)(x)


@pytest.mark.parametrize("layer", [SparseConv3d, SparseConvTranspose3d])
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 4, 3, 2), "cin=0"),
        ((3, -4, 3, 2), "cout=-4"),
        ((3, 4, 0, 2), "kernel_size=0"),
        ((3, 4, 1.5, 2), r"kernel_size=1\.5"),
        ((3, 4, [3, 3, 3], 2), r"kernel_size=\[3, 3, 3\]"),
        ((3, 4, 2, 0), "stride=0"),
    ],
)
def test_sizes_that_are_none_are_refused(layer: type, sizes: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=f"^{layer.__name__}: {message}; give a whole number, at least 1$"):
        layer(*sizes)


def test_an_invalid_dilation_is_refused() -> None:
    with pytest.raises(InputError, match="dilation=-1"):
        SparseConv3d(3, 4, 3, dilation=-1)


def test_equals_minkowski_engine_where_it_is_installed() -> None:
    engine = pytest.importorskip("MinkowskiEngine")
    coords, feats = random_coords(0), torch.randn(len(random_coords(0)), 3)
    theirs = engine.SparseTensor(feats, coordinates=coords)
    ours = SparseTensor(feats, coords)
    for size, stride in ((3, 1), (5, 1), (2, 2), (3, 2)):
        a = engine.MinkowskiConvolution(3, 4, kernel_size=size, stride=stride, dimension=3)
        b = SparseConv3d(3, 4, size, stride)
        b.weight.data.copy_(a.kernel.data)
        x, y = a(theirs), b(ours)
        order = {tuple(row): n for n, row in enumerate(x.C.tolist())}
        torch.testing.assert_close(y.feats, x.F[[order[tuple(row)] for row in y.coords.tolist()]])
        if stride > 1:
            a = engine.MinkowskiConvolutionTranspose(4, 2, kernel_size=size, stride=stride, dimension=3)
            b = SparseConvTranspose3d(4, 2, size, stride)
            b.weight.data.copy_(a.kernel.data)
            x, y = a(x), b(y)
            order = {tuple(row): n for n, row in enumerate(x.C.tolist())}
            torch.testing.assert_close(y.feats, x.F[[order[tuple(row)] for row in y.coords.tolist()]])
