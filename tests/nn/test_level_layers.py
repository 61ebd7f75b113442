"""Layers of levels: rows, channels and reach are the same on voxels and on maps."""

from __future__ import annotations

import pytest
import torch

from pcseg.errors import InputError
from pcseg.nn.level_layers import level_block, level_conv
from pcseg.nn.levels import Level, rows_of, with_rows
from pcseg.sparse import SparseTensor

both = pytest.mark.parametrize("pixels", [True, False])


def line(pixels: bool, length: int = 9) -> Level:
    """A row of pixels or voxels with three channels."""
    feats = torch.randn(length, 3, generator=torch.Generator().manual_seed(0))
    if pixels:
        return feats.T.reshape(1, 3, 1, length).clone()
    return SparseTensor(feats, torch.nn.functional.pad(torch.arange(length)[:, None], (1, 2)).int())


@both
@pytest.mark.parametrize("make", [level_conv, level_block])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_layer_keeps_the_rows_and_reaches_its_dilation(pixels: bool, make, dilation: int) -> None:
    torch.manual_seed(0)
    layer = make(pixels, 3, 16, dilation=dilation).eval()
    level = line(pixels)
    before = rows_of(layer(level))
    assert before.shape == (9, 16)
    changed = rows_of(level).clone()
    changed[4] += 1
    moved = (rows_of(layer(with_rows(level, changed))) - before).abs().amax(dim=1) > 1e-4
    assert moved.nonzero().flatten().tolist() == [4 - dilation, 4, 4 + dilation]


@both
def test_a_block_has_no_negative_output_and_a_convolution_a_bias(pixels: bool) -> None:
    assert float(rows_of(level_block(pixels, 3, 16)(line(pixels))).detach().min()) == 0
    conv = level_conv(pixels, 3, 2)
    with torch.no_grad():
        conv.weight.zero_()
        conv.bias.copy_(torch.tensor([1.0, -2.0]))
    assert rows_of(conv(line(pixels))).unique(dim=0).tolist() == [[1.0, -2.0]]


@both
@pytest.mark.parametrize("make", [level_conv, level_block])
def test_refuses_sizes(pixels: bool, make) -> None:
    with pytest.raises(InputError, match="dilation=0"):
        make(pixels, 3, 2, dilation=0)
