"""Losses of pretraining without labels: contrast of matched elements, and restoring what was masked."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.checks import above_zero
from pcseg.errors import InputError
from pcseg.exact import exact
from pcseg.losses.means import weighted_mean
from pcseg.nn.directions import directions


def info_nce(first: Tensor, second: Tensor, temperature: float = 0.4) -> Tensor:
    """Return ``mean_i -log(exp(s_ii) / sum_j exp(s_ij))`` with ``s_ij = cos(first_i, second_j) / temperature``.

    Rows i of ``first`` (M, C) and ``second`` (M, C) are features of one point in two views; all other rows of
    ``second`` are its negatives: PointInfoNCE (arXiv 2007.10985, Eq. 2), with the temperature of masked scene contrast
    (arXiv 2303.14191). Between 0 and ``log(M) + 2 / temperature``; without pairs it is 0. Computed in float32 or
    float64, memory M * M. Raises InputError for a temperature that is not above 0.
    """
    above_zero(temperature=temperature)
    one, two = (directions(exact(x)) for x in (first, second))
    scores = one @ two.T / temperature
    pair = torch.arange(len(scores), device=scores.device)
    return F.cross_entropy(scores.to(one.dtype), pair, reduction="sum") / max(len(scores), 1)


def draw_pairs(matches: Tensor, count: int) -> Tensor:
    """Return up to ``count`` random columns of ``matches`` (2, M) in which no element occurs twice in a row.

    An element that occurred twice would be its own negative. Drawn from the global generator. Raises InputError for a
    count below 1.
    """
    if count < 1:
        raise InputError(f"pairs={count}: give 1 or more")
    drawn = matches[:, torch.randperm(matches.shape[1], device=matches.device)]
    for row in (0, 1):
        drawn = drawn[:, _first_of_each(drawn[row])]
    return drawn[:, :count]


def restoration(restored: Tensor, feats: Tensor, masked: Tensor) -> Tensor:
    """Return the mean squared error of ``restored`` (E, F) at the ``masked`` (E,) elements, 1 for a constant guess.

    The target is ``feats`` (E, F), shifted and scaled so that each channel has mean 0 and variance 1 over all E
    elements: meters and colors then weigh the same. (Masked scene contrast, arXiv 2303.14191, restores colors and
    normals.) Computed in float32 or float64; without masked elements it is 0.
    """
    wide = exact(feats)
    target = (wide - wide.mean(dim=0)) / wide.std(dim=0, correction=0).clamp(min=1e-3)  # constant channels: 0
    error = (restored.to(wide.dtype) - target).square().mean(dim=1)
    return weighted_mean(error, masked)


def _first_of_each(values: Tensor) -> Tensor:
    """Return (M,) bool: True where a value of ``values`` (M,) int64, 0 or more, occurs for the first time."""
    place = torch.arange(len(values), device=values.device)
    size = int(values.max()) + 1 if len(values) else 0
    first = torch.full((size,), len(values), device=values.device)
    first.scatter_reduce_(0, values, place, "amin")
    return first[values] == place
