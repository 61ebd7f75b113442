"""Loss on embeddings of samples: views of one are nearer to each other than to those of others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.exact import exact
from pcseg.losses.means import weighted_mean


def batch_hard_triplet(embedding: Tensor, identity: Tensor) -> Tensor:
    """Return the mean over samples of softplus(d_far - d_near) in a batch.

    d_far is the distance of a sample to the farthest of its ``identity`` (B,) int64, d_near that to the nearest of
    another, Euclidean, of ``embedding`` (B, D): the batch-hard triplet loss with a soft margin (Hermans et al., arXiv
    1703.07737, Eq. 5), as the exemplar loss of S4L takes it (arXiv 1905.03670). Samples
    without another of their identity, or of another one, do not count; without any that count it is 0. Computed in
    float32 or float64.
    """
    wide = exact(embedding)
    square = (wide[:, None] - wide).square().sum(dim=2)
    distance = square.clamp(min=1e-12).sqrt()  # of 0 the gradient would be infinite
    same = identity[:, None] == identity
    other = ~same
    same = same.clone().fill_diagonal_(False)
    far = distance.masked_fill(~same, -torch.inf).amax(dim=1)
    near = distance.masked_fill(~other, torch.inf).amin(dim=1)
    counts = same.any(dim=1) & other.any(dim=1)
    return weighted_mean(F.softplus(torch.where(counts, far - near, 0)), counts)
