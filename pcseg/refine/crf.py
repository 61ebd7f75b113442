"""A fully connected CRF over pixels, voxels or points, solved by mean field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pcseg.checks import above_zero, at_least_zero
from pcseg.errors import InputError
from pcseg.refine.exact import ExactFilter
from pcseg.refine.lattice import LatticeFilter
from pcseg.sparse.sizes import check_sizes

Filter = Callable[[Tensor], Tensor]
"""Function that takes values (E, K) to weighted sums of them, (E, K)."""

FILTERS = ("auto", "exact", "lattice")

EXACT = 2048
"""Largest number of elements of a sample that "auto" filters exactly."""


@dataclass(frozen=True)
class CRF:
    """Refines class probabilities: elements nearby, the more so those of like color, tend to one class.

    Source: Krähenbühl and Koltun (arXiv 1210.5644), as in DeepLab (arXiv 1606.00915, section 3.3). Two elements i and j
    of a sample that differ in class (Potts) cost w1 k1_ij + w2 k2_ij, where, with positions p and colors c,
    k1_ij = exp(-(p_i - p_j)^2 / 2 sigma_alpha^2 - (c_i - c_j)^2 / 2 sigma_beta^2) is the appearance kernel and
    k2_ij = exp(-(p_i - p_j)^2 / 2 sigma_gamma^2) the smoothness kernel. Each is normalized to k_ij / sqrt(s_i s_j),
    s_i = sum_j k_ij, so that ``w1`` and ``w2`` serve any density of elements. Mean field starts at Q = P, the
    probabilities given, and ``iterations`` times updates all elements at once: Q_i <- softmax(log P_i + sum_j (w1 k1_ij
    + w2 k2_ij) Q_j). Sums include j = i. Normalization and sums are those of the authors' code (in pydensecrf
    NORMALIZE_SYMMETRIC, its default).

    ``sigma_alpha`` and ``sigma_gamma`` are in the unit of positions; ``sigma_beta`` in that of colors in [0, 1], so
    DeepLab's is divided by 255. ``IMAGES`` and ``CLOUDS`` are settings for pixels and for meters. ``filter``: "exact"
    sums over all pairs, in time E^2; "lattice" in time E, less exactly (:class:`pcseg.refine.lattice.LatticeFilter`);
    "auto" is exact for samples of up to ``EXACT`` elements. On real images and scans the lattice moves probabilities by
    0.0015 or less on average, and up to 6 of 1000 labels. With a dozen classes it takes 1 to 1.5 kB an element. Raises
    InputError for values out of range.

    >>> refined = IMAGES(elements.logits.softmax(dim=1), elements.position, elements.color, elements.sample)
    """

    sigma_alpha: float
    sigma_beta: float
    sigma_gamma: float
    w1: float = 4.0
    w2: float = 3.0
    iterations: int = 10
    filter: str = "auto"

    def __post_init__(self) -> None:
        above_zero(sigma_alpha=self.sigma_alpha, sigma_beta=self.sigma_beta, sigma_gamma=self.sigma_gamma)
        at_least_zero(w1=self.w1, w2=self.w2)
        check_sizes("CRF", iterations=self.iterations)
        if self.filter not in FILTERS:
            raise InputError(f"filter={self.filter}: must be one of {', '.join(FILTERS)}")

    def __str__(self) -> str:
        sigmas = ", ".join(
            f"{name[6:]} {getattr(self, name):.3g}" for name in ("sigma_alpha", "sigma_beta", "sigma_gamma")
        )
        return f"CRF of sigma {sigmas}, w1 {self.w1:g}, w2 {self.w2:g}, {self.iterations} iterations"

    @torch.no_grad()
    def __call__(
        self, probabilities: Tensor, position: Tensor, color: Tensor | None = None, sample: Tensor | None = None
    ) -> Tensor:
        """Return the refined probabilities (E, K), float64 for float64 and else float32; there is no gradient.

        ``probabilities`` (E, K) of at least 0; rows are divided by their sum, and one of zeros stands for no knowledge.
        Hard labels (0 and 1) can hardly change. ``position`` (E, 2 or 3). ``color`` (E, 3) in [0, 1], or uint8, or
        other columns (E, C) in [0, 1] such as intensity; without it the appearance kernel is left out. ``sample`` (E,)
        int64, in any order: elements of different samples do not meet; by default all are of one. Raises InputError for
        other shapes, values out of range and values that are no numbers.
        """
        _check(probabilities, position, color, sample)
        wide = torch.float64 if probabilities.dtype == torch.float64 else torch.float32
        share = probabilities.to(wide)
        share = share.clamp(min=torch.finfo(wide).tiny)  # 0 would never change, and have no logarithm
        share = share / share.sum(dim=1, keepdim=True)
        if color is not None:
            color = color / 255 if color.dtype == torch.uint8 else color
        refined = torch.empty_like(share)
        for rows in _samples(len(share), sample, share.device):
            refined[rows] = self._mean_field(share[rows], position[rows], None if color is None else color[rows])
        return refined

    def _mean_field(self, share: Tensor, position: Tensor, color: Tensor | None) -> Tensor:
        """Return what ``__call__`` returns for the elements of one sample, whose rows of ``share`` (E, K) sum to 1."""
        place = position.double()
        place = (place - place.median(dim=0).values).to(share.dtype)  # far from the origin float32 would not do
        kernels = []
        if self.w1 > 0 and color is not None:
            features = torch.cat([place / self.sigma_alpha, color.to(share.dtype) / self.sigma_beta], dim=1)
            kernels.append((self.w1, self._kernel(features)))
        if self.w2 > 0:
            kernels.append((self.w2, self._kernel(place / self.sigma_gamma)))
        refined, unary = share, share.log()
        for _ in range(self.iterations if kernels else 0):
            energy = unary.clone()
            for weight, kernel in kernels:
                energy.add_(kernel(refined), alpha=weight)
            refined = energy.softmax(dim=1)
        return refined

    def _kernel(self, features: Tensor) -> Filter:
        """Return the normalized filter for features (E, d) in standard deviations."""
        exact = self.filter == "exact" or (self.filter == "auto" and len(features) <= EXACT)
        apply = ExactFilter(features) if exact else LatticeFilter(features)
        scale = apply(features.new_ones(len(features), 1)).rsqrt()  # the sums include j = i: none is 0
        return lambda values: scale * apply(scale * values)


IMAGES = CRF(sigma_alpha=30.0, sigma_beta=3 / 255, sigma_gamma=3.0, w1=3.0, w2=3.0)
"""Settings for pixels: the smallest that DeepLab searched (w1 3 to 6, sigma_alpha 30 to 100, sigma_beta 3 to 6 of 255).

Larger ones cost thin objects.
"""

CLOUDS = CRF(sigma_alpha=0.2, sigma_beta=0.05, sigma_gamma=0.05, w1=2.0, w2=3.0)
"""Settings for scans of rooms in meters, with points 1 to 5 cm apart. A larger ``sigma_alpha`` costs small objects."""


def _samples(count: int, sample: Tensor | None, device: torch.device) -> tuple[Tensor, ...]:
    """Return the rows of each sample that has any."""
    if count == 0:
        return ()
    if sample is None:
        return (torch.arange(count, device=device),)
    counts = sample.unique(return_counts=True)[1].tolist()
    return sample.argsort(stable=True).split(counts)


def _check(probabilities: Tensor, position: Tensor, color: Tensor | None, sample: Tensor | None) -> None:
    """Raise InputError unless all fit together and are numbers in their ranges."""
    if probabilities.dim() != 2 or not probabilities.shape[1] or not probabilities.is_floating_point():
        found = f"{tuple(probabilities.shape)} {probabilities.dtype}"
        raise InputError(f"probabilities: {found} given; give (E, K) of a floating type")
    count = len(probabilities)
    if position.dim() != 2 or len(position) != count or position.shape[1] not in (2, 3):
        raise InputError(f"position: {tuple(position.shape)} given; give ({count}, 2) or ({count}, 3)")
    if color is not None and (color.dim() != 2 or len(color) != count or not color.shape[1]):
        raise InputError(f"color: {tuple(color.shape)} given; give ({count}, 3), or None")
    if sample is not None and (sample.shape != (count,) or sample.dtype != torch.int64):
        raise InputError(f"sample: {tuple(sample.shape)} {sample.dtype} given; give ({count},) torch.int64")
    if not (probabilities >= 0).all() or not probabilities.isfinite().all():
        raise InputError("probabilities: some are negative, infinite or no number; give the softmax of scores")
    if not position.isfinite().all():
        raise InputError("position: some are infinite or no number; leave those elements out")
    if color is not None and color.dtype != torch.uint8 and not ((color >= 0) & (color <= 1)).all():
        raise InputError("color: some are not from 0 to 1; divide by 255, or give uint8")
