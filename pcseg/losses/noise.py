"""Losses on labeled elements of which some labels are wrong, as those that were spread or guessed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.exact import cross_entropies
from pcseg.losses.segmentation import labeled_mean


def symmetric_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    alpha: float = 0.1,
    beta: float = 1.0,
    log_zero: float = -4.0,
) -> Tensor:
    """Return the mean over labeled elements of ``alpha`` * cross-entropy + ``beta`` * reverse cross-entropy.

    Symmetric cross-entropy learning (arXiv 1908.06112, Eq. 6 and 7). The reverse one takes the prediction p for the
    truth, and the logarithm of a one-hot label's zeros for ``log_zero``: it is -log_zero * (1 - p_label), bounded, so
    that an element the network is sure about hardly moves it. ``logits`` (E, K), ``labels`` (E,) int64, ``weights``
    (E,) as in :func:`pcseg.losses.cross_entropy`. Without labels it is 0.
    """
    log_likelihood = -cross_entropies(logits, labels)
    reverse = log_zero * torch.expm1(log_likelihood)  # -log_zero * (1 - p)
    return labeled_mean(beta * reverse - alpha * log_likelihood, labels, weights)


def truncated_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    q: float = 0.7,
    low: float = 0.0,
    high: float = 1.0,
) -> Tensor:
    """Return the mean over labeled elements of (1 - p^q) / q, with p the probability of the label cut to [low, high].

    Generalized cross-entropy (arXiv 1805.07836): q = 0 is cross-entropy, q = 1 the mean absolute error, which noise
    moves least and which learns slowest. An element below ``low`` has no gradient (truncation, section 3.3 there): its
    label is taken for wrong; use it once a network is trained. One above ``high`` has none either: it is learned
    (0.8 with q = 0 is the clamp of DGNet, NeurIPS 2024). ``logits`` (E, K), ``labels`` (E,) int64, ``weights`` (E,) as
    in :func:`pcseg.losses.cross_entropy`. Without labels it is 0. Raises InputError for numbers out of range.
    """
    if not (0 <= q <= 1 and 0 <= low < high <= 1):
        raise InputError(f"q={q:g}, low={low:g}, high={high:g}: give 0 <= q <= 1 and 0 <= low < high <= 1")
    lowest = math.log(low) if low > 0 else -math.inf
    log_likelihood = (-cross_entropies(logits, labels)).clamp(lowest, math.log(high))
    loss = -log_likelihood if q == 0 else -torch.expm1(q * log_likelihood) / q
    return labeled_mean(loss, labels, weights)
