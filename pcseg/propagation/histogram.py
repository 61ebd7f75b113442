"""Labels of coarse voxels: histograms of the labels of the fine voxels inside, and the loss on them."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.exact import log_softmax
from pcseg.nn.levels import cell_of


def label_histogram(
    fine: Tensor, coarse: Tensor, stride: int, labels: Tensor, n_classes: int, weights: Tensor | None = None
) -> Tensor:
    """Return how much each class weighs in each coarse voxel, (N, K) float32: the summed weights of its labels.

    ``fine`` (E, 4) and ``coarse`` (N, 4) int32, rows (sample, x, y, z) in units of the finest voxel; rows of ``coarse``
    are distinct multiples of ``stride``. ``labels`` (E,) int64, IGNORE where unknown; ``weights`` (E,), 1 by default.
    Fine voxels outside all coarse ones do not count.
    """
    known = labels != IGNORE
    cell = cell_of(fine[known], coarse, stride)
    share = torch.ones(len(cell), device=coarse.device) if weights is None else weights[known].float()
    histogram = torch.zeros(len(coarse) + 1, n_classes, device=coarse.device)
    histogram.index_put_((cell, labels[known]), share, accumulate=True)
    return histogram[:-1]


def histogram_cross_entropy(logits: Tensor, histogram: Tensor) -> Tensor:
    """Return ``- sum_nk h_nk log softmax(logits)_nk / sum_nk h_nk`` of two (N, K): the mean over labels.

    Computed in float32 or float64. Without labels it is 0.
    """
    return -(histogram * log_softmax(logits)).sum() / histogram.sum().clamp(min=torch.finfo(histogram.dtype).tiny)


def main_label(histogram: Tensor) -> tuple[Tensor, Tensor]:
    """Return the label (N,) int64 that weighs most in each coarse voxel, IGNORE without any, and its weight (N,).

    The weight is the label's share of ``histogram`` (N, K), and less where all labels of the voxel weigh less than 1.
    """
    most, label = histogram.max(dim=1)
    return torch.where(most > 0, label, IGNORE), most / histogram.sum(dim=1).clamp(min=1)
