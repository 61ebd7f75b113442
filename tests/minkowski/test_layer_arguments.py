"""First weights of layers, the old names of their arguments, and mistakes in them."""

from __future__ import annotations

import math

import pytest
import torch

from pcseg import minkowski as ME
from pcseg.errors import InputError
from tests.minkowski.shapes import make


def test_shapes_and_range_of_the_first_weights() -> None:
    """(Cin, Cout) where volume and stride are 1; even in +-1 / sqrt(Cin * K), transposed +-1 / sqrt(Cout * K)."""
    conv = ME.MinkowskiConvolution
    assert conv(5, 7, 1, dimension=3).kernel.shape == (5, 7)
    assert conv(5, 7, 1, stride=2, dimension=3).kernel.shape == (1, 5, 7)
    assert conv(5, 7, 3, dimension=2, bias=True).bias.shape == (1, 7)
    assert conv(5, 7, 3, dimension=2).bias is None
    for kind, fan in ((conv, 40), (ME.MinkowskiConvolutionTranspose, 10)):
        layer = kind(40, 10, 3, bias=True, dimension=3)
        bound = 1 / math.sqrt(27 * fan)
        for values in (layer.kernel, layer.bias):
            assert values.abs().max() <= bound
        assert layer.kernel.abs().max() > 0.99 * bound
        assert abs(float(layer.kernel.detach().std()) / (bound / math.sqrt(3)) - 1) < 0.05


def test_the_old_names_of_arguments() -> None:
    assert ME.MinkowskiConvolution(1, 2, 3, has_bias=True, dimension=3).bias is not None
    assert ME.RegionType.HYPERCUBE is ME.RegionType.HYPER_CUBE
    x = make(2, channels=1, stride=2)
    layer = ME.MinkowskiConvolutionTranspose(1, 1, 3, 2, generate_new_coords=True, dimension=2).double()
    assert len(layer(x)) > len(x)


@pytest.mark.parametrize(
    ("make_it", "told"),
    [
        (lambda: ME.MinkowskiConvolution(1, 1, 3), "dimension"),
        (lambda: ME.MinkowskiConvolution(1, 1, 0, dimension=3), "kernel_size=0"),
        (lambda: ME.MinkowskiConvolution(1, 1, 3, stride=0, dimension=3), "stride=0"),
        (lambda: ME.MinkowskiConvolution(1, 1, 3, dimension=3)(make(3)), "3 channels"),
        (lambda: ME.MinkowskiConvolution(3, 1, 3, dimension=3).double()(make(2)), "2 axes"),
        (lambda: ME.MinkowskiConvolution(3, 1, 3, dimension=3)(torch.zeros(3, 3)), "SparseTensor"),
        (lambda: ME.KernelGenerator(2, region_type=ME.RegionType.HYPER_CROSS, dimension=2), "odd"),
        (lambda: ME.KernelGenerator(region_type=ME.RegionType.CUSTOM, dimension=2), "region_offsets"),
        (lambda: ME.MinkowskiConvolutionTranspose(3, 1, 2, 2, dimension=3).double()(make(3)), "does not divide"),
        (lambda: ME.CoordsManager(D=3), "0.5"),
    ],
)
def test_mistakes_are_one_line(make_it: object, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        make_it()
    assert "\n" not in str(caught.value)
