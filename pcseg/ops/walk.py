"""Where random walks on the neighbor graph of a scan end."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops.graph import check_edges, check_types

LEAST_LEAK = 1e-4
"""Of walks: below, they take thousands of steps, and float32 holds no more than the first digits of where they end."""


def random_walk(
    starts: Tensor,
    ends: Tensor,
    weight: Tensor,
    start: Tensor,
    fixed: Tensor,
    leak: float,
    prior: Tensor | None = None,
    error: float = 1e-4,
) -> Tensor:
    """Return the mean (N, K) float32 of ``start`` over the nodes at which walks from each node end.

    A walk goes along an edge with probability proportional to its ``weight`` (M,) float32, 0 or more; edges as in
    ``class_paths``, of the same weight in both directions. It ends at the nodes that are ``fixed`` (N,) bool, with the
    values ``start`` (N, K) float32 has there, and before each step with probability leak / (1 + leak), at ``prior``
    (N, K) or with nothing. ``start`` is also where the search for the values begins, which takes steps by
    1 / sqrt(leak): after them the root of the mean square of what values are off, nodes weighed by the sums of their
    weights, is ``error`` times what it was (Chebyshev's iteration; Golub and Varga, Numerische Mathematik 1961). The
    same bits for any number of threads. Raises InputError for tensors that do not fit, weights that are not finite, a
    ``leak`` below LEAST_LEAK and an ``error`` that is not in 1e-6 to 1.
    """
    n = check_edges(starts, ends, weight)
    check_types(start=(start, torch.float32), fixed=(fixed, torch.bool))
    if start.dim() != 2 or len(start) != n or fixed.shape != (n,) or (prior is not None and prior.shape != start.shape):
        raise InputError(f"start: {tuple(start.shape)}, fixed: {tuple(fixed.shape)}; give ({n}, K) and ({n},)")
    if prior is not None:
        check_types(prior=(prior, torch.float32))
    if not (LEAST_LEAK <= leak < math.inf and 1e-6 <= error < 1):
        raise InputError(
            f"leak={leak:g}, error={error:g}: give a leak from {LEAST_LEAK} on and an error from 1e-6 to 1"
        )
    if not bool(weight.isfinite().all()):
        raise InputError("weight: some edges weigh infinitely much; give finite weights")
    steps = math.ceil(math.acosh(1 / error) / math.acosh(1 + leak))
    return torch.ops.pcseg.random_walk(starts, ends, weight, start, fixed, prior, leak, steps)


def _walk_reference(
    starts: Tensor,
    ends: Tensor,
    weight: Tensor,
    start: Tensor,
    fixed: Tensor,
    prior: Tensor | None,
    leak: float,
    steps: int,
) -> Tensor:
    n = len(fixed)
    one = torch.arange(n).repeat_interleave(starts.diff())
    total = torch.zeros(n).index_add_(0, one, weight)
    scale = torch.where(total >= torch.finfo(torch.float32).tiny, 1 / total, 0.0)[:, None]
    found, change, ratio = start.clone(), torch.zeros_like(start), 1 / (1 + leak)
    for i in range(steps):
        last = ratio
        if i:
            ratio = 1 / (2 * (1 + leak) - last)
        mean = torch.zeros_like(found).index_add_(0, one, weight[:, None] * found[ends.long()]) * scale
        residual = mean - found + leak * ((0 if prior is None else prior) - found)
        residual[fixed] = 0
        change = (ratio * last * change if i else 0) + (2 * ratio if i else ratio) * residual
        found = found + change
    return found


def _walk_cpu(
    starts: Tensor,
    ends: Tensor,
    weight: Tensor,
    start: Tensor,
    fixed: Tensor,
    prior: Tensor | None,
    leak: float,
    steps: int,
) -> Tensor:
    found = start.contiguous().clone()
    native.call(
        "pcseg_random_walk", starts.contiguous(), ends.contiguous(), weight.contiguous(), len(fixed),
        fixed.contiguous(), None if prior is None else prior.contiguous(), start.shape[1], float(leak), steps, found,
        torch.get_num_threads(),
    )  # fmt: skip
    return found


native.define(
    "random_walk(Tensor starts, Tensor ends, Tensor weight, Tensor start, Tensor fixed, Tensor? prior, float leak,"
    " SymInt steps) -> Tensor",
    reference=_walk_reference,
    fake=lambda starts, ends, weight, start, fixed, prior, leak, steps: torch.empty_like(start),
    cpu=_walk_cpu,
)
