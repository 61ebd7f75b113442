"""Two thresholds of class activation that follow its distribution: a Gaussian mixture of background, doubt, object."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.checks import from_zero_to_one
from pcseg.errors import InputError
from pcseg.sparse.sizes import check_sizes

ITERATIONS = 30
"""Most rounds of expectation and maximization of a fit."""

TOLERANCE = 1e-4
"""Gain in mean log-likelihood below which a fit has come to rest."""

NARROWEST = 1e-6
"""Added to the variance of a component, which a single value would make 0."""

FEWEST = 30
"""Values below which no mixture is fitted."""

PER_BATCH = 256
"""Most values that a batch adds to those remembered."""


@torch.no_grad()
def gaussian_mixture(values: Tensor, means: Tensor) -> Tensor:
    """Return the likeliest component (n,) int64 of each of ``values`` (n,), by a mixture of G Gaussians in one number.

    Expectation and maximization from ``means`` (G,), equal shares and the variance of all values; components are
    numbered by rising mean. Computed in float64.
    """
    wide, mean = values.double()[:, None], means.double()
    variance = (wide.var(correction=0) + NARROWEST).expand(len(mean))
    share = torch.full_like(mean, 1 / len(mean))
    before = -torch.inf
    for _ in range(ITERATIONS):
        score = share.log() - 0.5 * (variance.log() + (wide - mean).square() / variance)
        total = score.logsumexp(dim=1, keepdim=True)
        belongs = (score - total).exp()
        count = belongs.sum(dim=0).clamp(min=1e-12)
        mean = (belongs * wide).sum(dim=0) / count
        variance = (belongs * (wide - mean).square()).sum(dim=0) / count + NARROWEST
        share = count / len(wide)
        now = float(total.mean())
        if now - before < TOLERANCE:
            break
        before = now
    rank = mean.argsort().argsort()
    return rank[score.argmax(dim=1)]


class ThresholdSearch(nn.Module):
    """Thresholds ``low`` and ``high`` on the largest activation of elements, tracked from batch to batch.

    The dynamic threshold of CoSA (arXiv 2402.17891, its code, where a flag that is off by default turns it on): a
    mixture of three Gaussians, started at the smallest, the middle and the largest value, is fitted to the last
    ``size`` activations above ``least``; "low" moves by 1 - ``momentum`` of the way to the largest value of the lowest
    component and "high" to the smallest one of the highest. At most PER_BATCH values of a batch are taken, evenly, so
    that one batch does not replace all. Raises InputError for numbers out of range.
    """

    low: Tensor
    high: Tensor
    values: Tensor
    count: Tensor

    def __init__(
        self, low: float = 0.25, high: float = 0.7, momentum: float = 0.99, least: float = 0.05, size: int = 4096
    ) -> None:
        super().__init__()
        from_zero_to_one(low=low, high=high, momentum=momentum, least=least)
        check_sizes("ThresholdSearch", size=size)
        if low > high:
            raise InputError(f"low={low:g}: is above high={high:g}; give a smaller one")
        self.momentum, self.least = momentum, least
        self.register_buffer("low", torch.tensor(low))
        self.register_buffer("high", torch.tensor(high))
        self.register_buffer("values", torch.zeros(size))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, activation: Tensor) -> None:
        """Take the largest ``activation`` (E,) in [0, 1] of the elements of a batch in, and move the thresholds."""
        new = activation[activation > self.least].to(self.values)
        new = new[:: max(1, -(-len(new) // min(PER_BATCH, len(self.values))))]
        size, count = len(self.values), int(self.count)
        self.values[(torch.arange(len(new), device=new.device) + count) % size] = new
        self.count += len(new)
        kept = self.values[: min(int(self.count), size)]
        if not len(new) or len(kept) < FEWEST:
            return
        component = gaussian_mixture(kept, torch.stack([kept.min(), kept.median(), kept.max()]))
        if (component == 0).any() and (component == 2).any():
            highest, lowest = kept[component == 2].min(), kept[component == 0].max()
            self.low.lerp_(torch.minimum(lowest, highest), 1 - self.momentum)
            self.high.lerp_(torch.maximum(lowest, highest), 1 - self.momentum)


def certainty(score: Tensor, low: Tensor, high: Tensor, alpha: float = 0.8, beta: float = 1.0) -> Tensor:
    """Return exp(-perplexity) (E,) in [0, 1] of the largest activation ``score`` (E,) in [0, 1] of elements.

    Perplexity is (-log(``alpha`` d))^``beta``, d the distance to the threshold over the largest there is on its side:
    (score - high) / (1 - high) above, (low - score) / low below (CoSA, arXiv 2402.17891; the formula from memory, since
    its code lacks it). At a threshold and between both it is 0; it grows with the distance, up to exp(-(-log
    alpha)^beta).
    """
    above, below = (score - high) / (1 - high).clamp(min=1e-6), (low - score) / low.clamp(min=1e-6)
    distance = torch.maximum(above, below).clamp(0, 1)
    perplexity = -torch.log((alpha * distance).clamp(min=torch.finfo(score.dtype).tiny))
    return torch.where(distance > 0, torch.exp(-(perplexity.clamp(min=0) ** beta)), 0)
