"""Losses of a mask that is to hold an object: what is left outside must not be recognized, what is inside must be."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.exact import exact
from pcseg.ops import segment_mean


def background_suppression(erased: Tensor, whole: Tensor) -> Tensor:
    """Return the mean over samples of the score (B,) that is left without the object, over that (B,) of all of it.

    Activation map constraint of BAS (arXiv 2112.00580, as in its code): scores are those of the object's class,
    negative ones count as 0. ``whole`` has no gradient. A score that grew without the object is a ratio of 1, also
    without a gradient. Without samples it is 0.
    """
    left, all_of_it = exact(erased).relu(), exact(whole).detach().relu()
    ratio = torch.where(left > all_of_it, 1.0, left / (all_of_it + 1e-8))
    return ratio.sum() / max(len(ratio), 1)


def foreground_guidance(maps: Tensor, mask: Tensor, sample: Tensor, chosen: Tensor, kind: Tensor) -> Tensor:
    """Return the cross-entropy of a class of each sample with the mean score of its elements under a mask.

    Foreground region guidance of BAS (arXiv 2112.00580, as in its code): of scores ``maps`` (N, K), without
    gradient, times ``mask`` (N,). ``sample`` (N,) int64; ``chosen`` (M,) int64: the samples that count, each with its
    class ``kind`` (M,) int64. Mean over them, 0 without any.
    """
    count = int(chosen.max()) + 1 if len(chosen) else 0
    inside = sample < count
    scores = segment_mean(exact(maps).detach()[inside] * exact(mask)[inside, None], sample[inside], count)
    told = scores[chosen].log_softmax(dim=1).gather(1, kind[:, None])
    return -told.sum() / max(len(chosen), 1)
