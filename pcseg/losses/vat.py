"""Virtual adversarial training: predictions that stay the same under the small change of inputs that matters most."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pcseg.checks import above_zero
from pcseg.exact import log_softmax
from pcseg.nn.levels import Level, rows_of, sample_of, with_rows
from pcseg.ops import segment_max, segment_mean

PROBE = 0.5
"""Length of the random change at which the gradient is taken, in that of the change sought."""


def virtual_adversarial_loss(
    predict: Callable[[Level], Tensor], inputs: Level, logits: Tensor, size: float = 0.2
) -> Tensor:
    """Return the mean over elements of KL(p || q): of q, the predictions of changed inputs, from p = softmax(logits).

    Virtual adversarial training (Miyato et al., arXiv 1704.03976, Eq. 5 and 6, by one power iteration): of all changes
    of a sample of one length, that is sought by which q comes to differ most, in the direction of the gradient at a
    random change. ``predict`` returns logits (E, K) of ``inputs``, whose ``logits`` are a constant here. Colors and
    other features change; voxels stay where they are.

    ``size`` is the root mean square of the change over the numbers of a sample, in standard deviations of their channel
    in the batch, so that it means the same for pictures and clouds of any size. (S4L, arXiv 1905.03670: a norm of 40
    for 224 x 224 pixels in [-1, 1], or 0.1 a number.) The random change is PROBE as long, where the paper takes 1e-6
    for the norm of all: less than float32 tells apart. Drawn from the global generator; computed in float32 or float64.
    Costs two passes and the gradient of one input. Raises InputError for a size that is not above 0.
    """
    above_zero(size=size)
    rows, sample = rows_of(inputs).detach(), sample_of(inputs)
    spread, target = rows.std(dim=0, correction=0), logits.detach()

    def divergence(change: Tensor) -> Tensor:
        return kl_divergence(target, predict(with_rows(inputs, rows + size * spread * change)))

    with torch.enable_grad():
        random = _unit(torch.randn_like(rows), sample).requires_grad_()
        (steepest,) = torch.autograd.grad(len(rows) * divergence(PROBE * random), random)
    return divergence(_unit(steepest, sample))


def kl_divergence(scores: Tensor, logits: Tensor) -> Tensor:
    """Return the mean over elements of KL(softmax(scores) || softmax(logits)), both (E, K); 0 without elements."""
    wanted, found = (log_softmax(x) for x in (scores, logits))
    return (wanted.exp() * (wanted - found)).sum() / max(len(wanted), 1)


def _unit(change: Tensor, sample: Tensor) -> Tensor:
    """Return ``change`` (E, C) with a mean square of 1 in each sample, (E,) int64; 0 where it is 0."""
    count, tiny = int(sample.max()) + 1 if len(sample) else 0, torch.finfo(change.dtype).tiny
    # By the largest number first: the square of a small gradient would be 0.
    change = change / segment_max(change.abs().amax(dim=1), sample, count)[sample, None].clamp(min=tiny)
    square = segment_mean(change.square().mean(dim=1), sample, count)
    return change / square.sqrt().clamp(min=tiny)[sample, None]
