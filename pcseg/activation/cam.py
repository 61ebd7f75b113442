"""Class activation maps: a linear classifier of whole samples, and what it sees where."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.ops import segment_max, segment_mean


class TagHead(nn.Linear):
    """Scores (B, K) of the classes of samples: a linear map of the mean of their features (N, C), ``sample`` (N,)."""

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__(channels, n_classes)

    def forward(self, feats: Tensor, sample: Tensor, n_samples: int) -> Tensor:  # type: ignore[override]
        return super().forward(segment_mean(feats, sample, n_samples))


def class_activation(feats: Tensor, weight: Tensor, sample: Tensor, tags: Tensor) -> Tensor:
    """Return the activation (N, K) in [0, 1] of each class at each element: ReLU(weight_k . feats_n), over its maximum.

    Class activation maps (Zhou et al., CVPR 2016) of a :class:`TagHead` with ``weight`` (K, C) on ``feats`` (N, C):
    since it acts on the mean, Grad-CAM (arXiv 1610.02391, Eq. 1 and 2) is the same map. The maximum is that of the
    class in the sample; ``sample`` (N,) int64. Classes that ``tags`` (B, K) bool deny are 0.
    """
    return activation_of_maps(feats @ weight.to(feats.dtype).T, sample, tags)


def activation_of_maps(maps: Tensor, sample: Tensor, tags: Tensor) -> Tensor:
    """Return the activation (N, K) in [0, 1] of ``maps`` (N, K): their positive part over its maximum in the sample.

    ``sample`` (N,) int64. Classes that ``tags`` (B, K) bool deny are 0.
    """
    maps = maps.relu() * tags[sample]
    highest = segment_max(maps, sample, len(tags))
    return maps / highest.clamp(min=1e-5)[sample]  # a map that is next to nothing stays so


def pooled_scores(maps: Tensor, sample: Tensor, n_samples: int, pool: str = "mean") -> Tensor:
    """Return the scores (B, K) of samples: the "mean" or "max" of their elements' ``maps`` (N, K), 0 without any."""
    if pool == "mean":
        return segment_mean(maps, sample, n_samples)
    return torch.where(
        torch.bincount(sample, minlength=n_samples)[:, None] > 0, segment_max(maps, sample, n_samples), 0
    )
