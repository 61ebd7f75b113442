"""Loss on the classes that a sample as a whole shows, its tags."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.exact import exact
from pcseg.ops import segment_mean


def present_classes(labels: Tensor, sample: Tensor, n_samples: int, n_classes: int) -> Tensor:
    """Return tags (B, K) bool: the classes with a label in each sample. ``labels``, ``sample`` (E,) int64."""
    tags = torch.zeros(n_samples, n_classes, dtype=torch.bool, device=labels.device)
    known = labels != IGNORE
    tags[sample[known], labels[known]] = True
    return tags


def tag_cross_entropy(scores: Tensor, tags: Tensor, absent: float = 1.0) -> Tensor:
    """Return the binary cross-entropy of scores (B, K) of samples with their ``tags`` (B, K) bool, a mean over both.

    Classes without a tag weigh ``absent``: less than 1 where tags are those of sparse labels, which miss classes.
    Computed in float32 or float64. Without samples it is 0.
    """
    wide = exact(scores)
    target = tags.to(wide.dtype)
    weight = absent + (1 - absent) * target
    return F.binary_cross_entropy_with_logits(wide, target, weight, reduction="sum") / max(wide.numel(), 1)


def intersection_class_loss(logits: Tensor, sample: Tensor, tags: Tensor, partner: Tensor) -> Tensor:
    """Return the binary cross-entropy of the mean scores of a sample with the classes it shares with its partner.

    ``logits`` (E, K) are to be predicted from features of the partner, as cross-sample reallocation does: a class that
    one of both lacks cannot come over. ``sample`` (E,) and ``partner`` (B,) int64 number samples, ``tags`` (B, K) bool.
    Target: tags AND tags of the partner; weight 1 where True, 0.3 where False, since tags of sparse labels
    (:func:`present_classes`) miss classes: the intersection loss of the MIL-derived transformer (Yang et al., CVPR
    2022). Mean over classes and samples, in float32 or float64.
    """
    return tag_cross_entropy(segment_mean(exact(logits), sample, len(tags)), tags & tags[partner], absent=0.3)
