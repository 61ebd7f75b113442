"""Soft pseudo labels from two sources of scores, of which neither may drown the other."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.checks import above_zero, one_of
from pcseg.exact import exact

NORMS = ("joint", "per_source")
"""By what the scores of two sources may be divided."""


def calibrated_fusion(first: Tensor, second: Tensor, norm: str = "joint", temperature: float = 0.5) -> Tensor:
    """Return the sharpened mean (E, K) of the softmax of two scores (E, K), brought to size 1 first.

    Calibrated fusion of PseudoSeg (arXiv 2010.09713, Eq. 2 and 3): scores are divided by their root mean square, then
    each source's probabilities weigh a half, and the mean to the power 1 / ``temperature`` is the label. ``norm``
    "joint" divides both by that of both, over all elements, as the released code does (the paper: of each element): no
    score is so large that its source is certain, but the source with the larger scores still decides. "per_source"
    divides each by its own: both have a say. Computed in float32 or float64, without gradients. Raises InputError for
    another word, or a temperature that is not above 0.
    """
    one_of("norm", norm, NORMS)
    above_zero(temperature=temperature)
    one, two = (exact(x.detach()) for x in (first, second))
    squares = torch.stack([one.square().mean(), two.square().mean()])
    size = (squares if norm == "per_source" else squares.mean().expand(2)).add(1e-8).sqrt()
    mean = ((one / size[0]).softmax(dim=1) + (two / size[1]).softmax(dim=1)) / 2
    sharp = mean ** (1 / temperature)
    return sharp / sharp.sum(dim=1, keepdim=True)
