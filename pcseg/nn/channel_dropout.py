"""Dropout of whole feature channels in which two views of a scene never lose the same channel."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.nn.levels import Level, rows_of, sample_of, with_rows


def drop_channels(level: Level, share: float = 0.5) -> Level:
    """Return a level of a network, voxels or maps (B, C, H, W), with :func:`complementary_dropout` of its features."""
    samples, number = torch.unique(sample_of(level), return_inverse=True)
    return with_rows(level, complementary_dropout(rows_of(level), number, len(samples), share))


def complementary_dropout(feats: Tensor, sample: Tensor, n_samples: int, share: float = 0.5) -> Tensor:
    """Return ``feats`` (N, C), of which every sample loses a random half of the channels; what is left is doubled.

    The complementary dropout of UniMatch V2 (arXiv 2410.10777): of samples 2m and 2m + 1 each keeps what the other
    loses; only a ``share`` of these pairs loses any. ``sample`` (N,) int64. Drawn from the global generator. Raises
    InputError for a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise InputError(f"dropout={share:g}: give a share of the samples, 0 to 1")
    pairs = (n_samples + 1) // 2
    kept = 2.0 * torch.randint(2, (pairs, feats.shape[1]))
    kept[torch.rand(pairs) >= share] = 1.0
    factor = torch.stack([kept, 2 - kept], dim=1).flatten(0, 1)
    return feats * factor.to(feats)[sample]
