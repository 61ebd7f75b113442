"""An energy of predictions that differ between neighbors of like color."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.exact import softmax


def dense_energy(logits: Tensor, color: Tensor, pairs: Tensor, sigma: float = 15 / 255) -> Tensor:
    """Return ``mean_ij w_ij sum_k (p_ik (1 - p_jk) + p_jk (1 - p_ik)) / 2`` over ``pairs`` (2, M) of neighbors.

    p = softmax of ``logits`` (E, K), w_ij = exp(-|c_i - c_j|^2 / 2 sigma^2), ``color`` (E, 3) in [0, 1]: the relaxed
    Potts energy of Tang et al. (ECCV 2018, Eq. 5), as CoSA regularizes by, over neighbors in place of all pairs, so
    that the kernel of positions, which is wide there, falls away and voxels have it too. In [0, 1]; without colors
    (zeros) all neighbors are alike. Computed in float32 or float64. Without pairs it is 0.
    """
    share = softmax(logits)
    one, other = pairs
    like = torch.exp(-(color[one] - color[other]).square().sum(dim=1) / (2 * sigma**2)).to(share.dtype)
    apart = 1 - (share[one] * share[other]).sum(dim=1)
    return (like * apart).sum() / max(pairs.shape[1], 1)
