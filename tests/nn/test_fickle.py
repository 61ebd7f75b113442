"""Center-fixed dropout: what is never dropped, the plain convolution as its mean, one lot for all channels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.errors import InputError
from pcseg.nn.fickle import FickleConv, inverted, kernel_pairs
from pcseg.nn.levels import Level, rows_of
from pcseg.sparse import SparseTensor

both = pytest.mark.parametrize("pixels", [True, False])


def level_of(pixels: bool, channels: int = 3) -> Level:
    """Two samples of 30 rows."""
    generator = torch.Generator().manual_seed(0)
    if pixels:
        return torch.randn(2, channels, 5, 6, generator=generator)
    cells = torch.cat([torch.randperm(64, generator=generator)[:30] for _ in range(2)])
    sample = torch.arange(2).repeat_interleave(30)
    coords = torch.stack([sample, cells // 16, cells // 4 % 4, cells % 4], dim=1).int()
    return SparseTensor(torch.randn(60, channels, generator=generator), coords)


def plain(conv: FickleConv, level: Level) -> Tensor:
    """The convolution without dropout, by torch or a loop over voxels."""
    if isinstance(level, Tensor):
        kernel = conv.weight.view(conv.kernel, conv.kernel, *conv.weight.shape[1:]).permute(3, 2, 0, 1)
        out = F.conv2d(level, kernel, conv.bias, padding=conv.kernel // 2)
        return out.permute(0, 2, 3, 1).flatten(0, 2)
    reach = range(-(conv.kernel // 2), conv.kernel // 2 + 1)
    offsets = [(x, y, z) for z in reach for y in reach for x in reach]
    rows = {tuple(voxel): row for row, voxel in enumerate(level.coords.tolist())}
    out = conv.bias.expand(len(level), -1).clone()
    for m, (sample, *place) in enumerate(level.coords.tolist()):
        for weight, offset in zip(conv.weight, offsets, strict=True):
            n = rows.get((sample, *(p + o for p, o in zip(place, offset, strict=True))))
            if n is not None:
                out[m] = out[m] + level.feats[n] @ weight
    return out


@both
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_without_dropout_it_is_a_convolution(pixels: bool, kernel: int) -> None:
    torch.manual_seed(0)
    conv, level = FickleConv(pixels, 3, 2, kernel, drop=0.0), level_of(pixels)
    conv.bias.data += 1.0
    torch.testing.assert_close(conv(level), plain(conv, level), atol=1e-5, rtol=1e-5)


@both
def test_the_center_is_never_dropped_and_of_others_the_share(pixels: bool) -> None:
    torch.manual_seed(0)
    conv, level = FickleConv(pixels, 3, 2, 3, drop=0.9), level_of(pixels)
    whole, shares = kernel_pairs(level, 3), []
    for _ in range(50):
        kept = conv.drawn(kernel_pairs(level, 3))
        center = len(conv.weight) // 2
        middle = kept.pairs[:, kept.starts[center] : kept.starts[center + 1]]
        assert middle.tolist() == [list(range(60))] * 2
        shares.append((kept.pairs.shape[1] - 60) / (whole.pairs.shape[1] - 60))
    assert 0.08 < sum(shares) / 50 < 0.12


@both
def test_an_output_is_the_sum_of_its_center_and_ten_times_the_kept_pairs(pixels: bool) -> None:
    """In every channel alike: a lot that differed between channels would show."""
    torch.manual_seed(0)
    conv, level = FickleConv(pixels, 2, 3, 3, drop=0.9), level_of(pixels, 2)
    feats, weight = rows_of(level).double(), conv.weight.detach().double()
    kept = conv.drawn(kernel_pairs(level, 3))
    wanted = torch.zeros(60, 3, dtype=torch.float64)
    for k, (start, end) in enumerate(zip(kept.starts, kept.starts[1:], strict=False)):
        for n, m in kept.pairs[:, start:end].T.tolist():
            wanted[m] += (1 if k == len(weight) // 2 else 10) * feats[n] @ weight[k]
    conv.drawn = lambda _: kept  # type: ignore[method-assign, assignment]
    torch.testing.assert_close(conv(level).double(), wanted, atol=1e-4, rtol=1e-4)


@both
def test_the_mean_of_many_passes_is_the_plain_convolution(pixels: bool) -> None:
    torch.manual_seed(0)
    conv, level = FickleConv(pixels, 3, 2, 3, drop=0.5).eval(), level_of(pixels)
    with torch.no_grad():
        passes = torch.stack([conv(level) for _ in range(400)])
    assert float(passes.std(dim=0).mean()) > 0.1
    error = passes.mean(dim=0) - plain(conv, level).detach()
    assert float(error.abs().max()) < 6 * float(passes.std(dim=0).max()) / 20


@both
def test_what_a_row_gives_is_its_product_with_the_gradient_of_the_sum(pixels: bool) -> None:
    torch.manual_seed(0)
    conv, level = FickleConv(pixels, 3, 2, 3, drop=0.6), level_of(pixels)
    kept = conv.drawn(kernel_pairs(level, 3))
    conv.drawn = lambda _: kept  # type: ignore[method-assign, assignment]
    feats = rows_of(level).clone().requires_grad_()
    turned = level.replace(feats) if isinstance(level, SparseTensor) else feats.view(2, 5, 6, 3).permute(0, 3, 1, 2)
    total = conv(turned).sum(dim=0)
    wanted = [(feats * torch.autograd.grad(score, feats, retain_graph=True)[0]).sum(dim=1) for score in total]
    torch.testing.assert_close(conv.given(level), torch.stack(wanted, dim=1), atol=1e-4, rtol=1e-4)


@both
def test_all_offsets_at_once_are_inverted_as_one_by_one(pixels: bool) -> None:
    kept = FickleConv(pixels, 3, 2, 5, drop=0.5).drawn(kernel_pairs(level_of(pixels), 5))
    one, other = inverted(kept), kept.transposed
    assert torch.equal(one.pairs, other.pairs)
    assert torch.equal(one.starts, other.starts)


@pytest.mark.parametrize("settings", [{"kernel": 4}, {"drop": 1.0}, {"drop": -0.1}, {"cin": 0}])
def test_refuses_settings(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        FickleConv(**{"pixels": True, "cin": 2, "cout": 2, **settings})  # type: ignore[arg-type]
