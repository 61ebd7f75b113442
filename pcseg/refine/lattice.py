"""Sums weighted by a Gaussian of the distance between features, approximated on the permutohedral lattice."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.ops import weighted_sum


class LatticeFilter:
    """``filter(values)[i] ~ scale * sum_j exp(-|f_i - f_j|^2 / 2) values[j]`` for features f (E, d), j = i included.

    Source: Adams, Baek and Davis, "Fast high-dimensional filtering using the permutohedral lattice" (2010). The space
    is cut into simplices. Each element splats its values to the d + 1 vertices of its simplex, with its barycentric
    coordinates as weights; vertices are blurred with (1, 2, 1) / 4 along each of the d + 1 axes of the lattice; each
    element slices the result with the same weights. ``scale`` depends on d alone, as far as elements lie densely: only
    their own vertices exist, and blurs lose what goes beyond. On images and scanned surfaces sums are 1 to 3 % off;
    sparse features of many dimensions are off by more.

    ``features`` (E, d) in standard deviations; ``values`` (E, K) of the same type, float32 or float64. Time and memory
    grow linearly with E, whatever the extent of the features. Results have the same bits each time.
    """

    def __init__(self, features: Tensor) -> None:
        count, dims = features.shape
        steps = _axis_keys(dims).to(features.device)
        keys, weight = _simplices(features.double(), steps)
        ordered, order = keys.flatten().sort(stable=True)
        first = torch.ones_like(ordered, dtype=torch.bool)
        first[1:] = ordered[1:] != ordered[:-1]
        found = ordered[first]
        self._count, self._n_vertices = count, len(found)
        self._neighbors = [_neighbors(found, step) for step in steps]
        # Sorted by vertex for the splat, by element for the slice.
        self._splat_vertex = first.cumsum(0) - 1
        self._splat_element = order // (dims + 1)
        self._slice_vertex = torch.empty_like(order).scatter_(0, order, self._splat_vertex)
        self._slice_element = torch.arange(count, device=order.device).repeat_interleave(dims + 1)
        self._slice_weight = weight.flatten().to(features.dtype)
        self._splat_weight = self._slice_weight[order]

    def __call__(self, values: Tensor) -> Tensor:
        """Return the sums (E, K) for ``values`` (E, K)."""
        # The last row stands for all vertices that do not exist, and stays 0.
        at = weighted_sum(values, self._splat_element, self._splat_weight, self._splat_vertex, self._n_vertices + 1)
        for next_one, last_one in self._neighbors:
            both = at.index_select(0, next_one).add_(at.index_select(0, last_one))
            at = both.mul_(0.25).add_(at, alpha=0.5)
        return weighted_sum(at, self._slice_vertex, self._slice_weight, self._slice_element, self._count)


def _axis_keys(dims: int) -> Tensor:
    """Return what one step along each of the d + 1 axes adds to the key of a vertex, (d + 1,) int64, modulo 2^64.

    A vertex is a sum of whole steps along the axes, of which one along each add up to nothing. Its key is the same sum
    of fixed random numbers: two of a million vertices share a key with a probability of 3e-8.
    """
    free = torch.randint(-(2**63), 2**63 - 1, (dims,), generator=torch.Generator().manual_seed(0))
    return torch.cat([free, -free.sum(0, keepdim=True)])


def _simplices(features: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Return keys (E, d + 1) int64 and barycentric coordinates (E, d + 1) of the vertices around ``features`` (E, d).

    Axis j is unit vector j of d + 1 dimensions, projected onto the hyperplane of sum 0: vertices are the projections of
    whole numbers. From those below a place, steps along the axes, that of the largest remainder first, lead around its
    simplex (the triangulation of Freudenthal and Kuhn, whose projection is that of the paper).
    """
    place = features @ _elevation(features.shape[1]).to(features)
    below = place.floor()
    remainder, axis = (place - below).sort(dim=1, descending=True)
    first = (below.long() * steps).sum(dim=1, keepdim=True)
    keys = torch.cat([first, first + steps[axis[:, :-1]].cumsum(dim=1)], dim=1)
    weight = remainder[:, :-1] - remainder[:, 1:]
    return keys, torch.cat([1 - weight.sum(dim=1, keepdim=True), weight], dim=1)


def _elevation(dims: int) -> Tensor:
    """Return (d, d + 1) float64, which takes features into the hyperplane: orthogonal rows of length sqrt(2 / 3).

    Splat and slice have a variance of 1 / 12 each and the blur one of 1 / 2 along each direction (the paper's over
    (d + 1)^2): together 2 / 3, for a standard deviation of 1 in the features.
    """
    rows = torch.ones(dims, dims + 1, dtype=torch.float64).tril()
    number = torch.arange(1, dims + 1, dtype=torch.float64)
    rows[torch.arange(dims), torch.arange(1, dims + 1)] = -number
    return rows * (2 / 3 / (number * (number + 1))).sqrt()[:, None]


def _neighbors(keys: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each of V vertices of sorted ``keys`` (V,), and a last row, the next and the last one along an axis.

    Both (V + 1,) int64; V for those that do not exist.
    """
    count = len(keys)
    at = torch.searchsorted(keys, keys + step).clamp_(max=max(count - 1, 0))
    there = (keys[at] == keys + step).nonzero().flatten()
    next_one = torch.full((count + 1,), count, device=keys.device)
    last_one = next_one.clone()
    next_one[there] = at[there]
    last_one[at[there]] = there
    return next_one, last_one
