"""A loss that keeps the features of two networks apart."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from pcseg.exact import exact


def cosine_discrepancy(feats: Tensor, other: Tensor) -> Tensor:
    """Return ``mean_n 1/2 [1 + cos(sg f_n, g_n) + 1 + cos(sg g_n, f_n)]`` of features (N, C), in [0, 2].

    The feature discrepancy of conflict-based cross-view consistency (arXiv 2303.01276, its released code): 0 for
    opposite features, 1 for orthogonal, 2 for parallel ones. sg stops the gradient: each side is moved away from where
    the other is. Computed in float32 or float64. Without rows it is 0.
    """
    one, two = (exact(x) for x in (feats, other))
    apart = F.cosine_similarity(one.detach(), two, dim=1) + F.cosine_similarity(two.detach(), one, dim=1)
    return (1 + apart / 2).sum() / max(len(one), 1)
