"""Distances of segments of a sample to what a teacher tells of views of it."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.exact import exact
from pcseg.losses.means import weighted_mean


def multi_scale_distance(whole: Tensor, views: Tensor, present: Tensor) -> Tensor:
    """Return the mean over views j of |z - v_j|_1, of samples z = ``whole`` (B, T) and ``views`` (B, V, T).

    The multi-scale distillation of ZeroSeg (Chen et al., arXiv 2306.00450, Eq. 3), there a sum. Views that are not
    ``present`` (B, V) bool do not count. Computed in float32 or float64; without views it is 0.
    """
    distance = (exact(whole)[:, None] - exact(views)).abs().sum(dim=2)
    return weighted_mean(distance, present)


def match_distance(segments: Tensor, views: Tensor, present: Tensor) -> Tensor:
    """Return the mean over ``segments`` (B, G, T) of the least |g_i - v_j|_1 to a view of its sample.

    The segment matching of ZeroSeg (arXiv 2306.00450, Eq. 4), there a sum, of views that are parts. ``views`` (B, V,
    T), of which those ``present`` (B, V) bool count. In float32 or float64; samples without views do not count.
    """
    distance = (exact(segments)[:, :, None] - exact(views)[:, None]).abs().sum(dim=3)
    nearest = distance.masked_fill(~present[:, None], torch.inf).amin(dim=2)
    known = present.any(dim=1)[:, None].expand_as(nearest)
    return weighted_mean(torch.where(known, nearest, 0), known)
