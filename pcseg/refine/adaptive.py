"""Refinement of maps by their neighbors, each by how like its color is."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.ops import segment_mean, segment_softmax, weighted_sum
from pcseg.sparse.sizes import check_sizes

SHARPNESS = 0.3
"""Share of the spread of colors around an element at which a neighbor's influence falls to 1 / e."""


@torch.no_grad()
def adaptive_refinement(values: Tensor, color: Tensor, pairs: Tensor, iterations: int = 10) -> Tensor:
    """Return ``values`` (E, C) after ``iterations`` means over neighbors, weighted by the likeness of their colors.

    Pixel-adaptive refinement (Ru et al., arXiv 2203.02664, Eq. 6 to 8): the weight of neighbor j of i is the softmax
    over i's neighbors of -(|c_i - c_j| / (SHARPNESS sigma_i))^2, sigma_i being the root mean square of these distances.
    ``pairs`` (2, M) of neighbors, each once; ``color`` (E, 3) in [0, 1]. Here the neighbors are those next to an
    element, there also some further ones, and the small term of positions is left out. An element without neighbors
    keeps its values. There is no gradient. Raises InputError for fewer than 1 iteration.
    """
    check_sizes("adaptive_refinement", iterations=iterations)
    source, target = torch.cat([pairs, pairs.flip(0)], dim=1)
    count = len(values)
    square = (color[source] - color[target]).square().sum(dim=1)
    spread = segment_mean(square, target, count)
    score = -square / (SHARPNESS**2 * spread[target]).clamp(min=1e-8)
    weight = segment_softmax(score[:, None], target, count)[:, 0]
    alone = torch.bincount(target, minlength=count)[:, None] == 0
    for _ in range(iterations):
        values = torch.where(alone, values, weighted_sum(values, source, weight.to(values.dtype), target, count))
    return values
