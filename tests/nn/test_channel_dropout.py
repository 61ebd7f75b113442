"""Complementary dropout of channels."""

from __future__ import annotations

import pytest
import torch

from pcseg.errors import InputError
from pcseg.nn.channel_dropout import complementary_dropout


def factors(n_samples: int, share: float, channels: int = 64) -> torch.Tensor:
    """What each channel of each sample is multiplied by."""
    return complementary_dropout(torch.ones(n_samples, channels), torch.arange(n_samples), n_samples, share)


def test_pairs_share_out_the_channels_and_half_of_the_pairs_lose_none() -> None:
    torch.manual_seed(0)
    found = factors(400, 0.5)
    whole = (found == 1).all(dim=1)
    assert 0.4 < whole.float().mean() < 0.6
    assert torch.equal(whole[::2], whole[1::2])
    assert torch.equal(found[::2] + found[1::2], torch.full((200, 64), 2.0))
    lost = found[~whole]
    assert set(lost.unique().tolist()) == {0.0, 2.0}
    assert abs(lost.mean() - 1) < 0.02, "means stay"
    assert len(lost[::2].unique(dim=0)) > 50


def test_a_sample_loses_the_same_channels_in_all_its_rows() -> None:
    sample = torch.tensor([1, 0, 1, 2, 0])
    feats = torch.randn(5, 8)
    found = complementary_dropout(feats, sample, 3, 1.0) / feats
    torch.testing.assert_close(found[0], found[2])
    torch.testing.assert_close(found[1], found[4])
    torch.testing.assert_close(found[0] + found[1], torch.full((8,), 2.0))


def test_no_share_no_loss() -> None:
    assert (factors(5, 0.0) == 1).all()
    with pytest.raises(InputError, match=r"dropout=1\.5"):
        factors(2, 1.5)
