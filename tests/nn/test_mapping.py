"""The map of the features of a level, on voxels and on maps."""

from __future__ import annotations

import pytest
import torch

from pcseg.errors import InputError
from pcseg.nn.mapping import FeatureMapping
from pcseg.sparse import SparseTensor


def mapping_of(channels: int = 32, dropout: float = 0.5) -> FeatureMapping:
    torch.manual_seed(0)
    return FeatureMapping(channels, dropout)


def voxels(feats: torch.Tensor, sample: torch.Tensor) -> SparseTensor:
    number = torch.arange(len(feats))
    return SparseTensor(feats, torch.stack([sample, number, number, number], dim=1).int(), 1)


def test_is_a_linear_map_a_batch_norm_and_a_relu() -> None:
    mapping, feats = mapping_of(6, 0.0).train(), torch.randn(20, 6)
    found = mapping(voxels(feats, torch.arange(20) % 3)).feats
    mapped = feats @ mapping.linear.weight.T
    wanted = (mapped - mapped.mean(0)) / (mapped.var(0, unbiased=False) + mapping.norm.eps).sqrt()
    torch.testing.assert_close(found, wanted.clamp(min=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_maps_are_mapped_as_their_pixels_are(training: bool) -> None:
    maps = torch.randn(3, 32, 4, 5)
    rows, sample = maps.permute(0, 2, 3, 1).reshape(60, 32), torch.arange(3).repeat_interleave(20)
    torch.manual_seed(1)
    found = mapping_of().train(training)(maps)
    torch.manual_seed(1)
    wanted = mapping_of().train(training)(voxels(rows, sample)).feats
    torch.testing.assert_close(found, wanted.view(3, 4, 5, 32).permute(0, 3, 1, 2))


def test_a_sample_loses_whole_channels_in_training_alone() -> None:
    feats, sample = torch.randn(40, 64).abs(), torch.arange(40) % 2
    mapping = mapping_of(64).train()
    torch.nn.init.eye_(mapping.linear.weight)
    with torch.no_grad():
        mapping.norm.bias.fill_(9.0)  # nothing is 0 by itself
    found = mapping(voxels(feats, sample)).feats
    lost = torch.stack([(found[sample == b] == 0).all(dim=0) for b in (0, 1)])
    assert torch.equal(found == 0, lost[sample])
    assert 0.3 < lost.float().mean() < 0.7
    assert not torch.equal(lost[0], lost[1])
    plain = mapping_of(64, 0.0).train()
    plain.load_state_dict(mapping.state_dict())
    whole = plain(voxels(feats, sample)).feats
    torch.testing.assert_close(found[~lost[sample]], 2 * whole[~lost[sample]])
    assert not (mapping.eval()(voxels(feats, sample)).feats == 0).all(dim=0).any()


def test_a_share_out_of_range() -> None:
    with pytest.raises(InputError, match=r"dropout=1\.5"):
        mapping_of(dropout=1.5)
    assert not mapping_of(8, 1.0).train()(torch.randn(2, 8, 3, 3)).any()
