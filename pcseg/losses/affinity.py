"""Loss on pairs of labeled elements: features of one class attract, those of two classes repel."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.exact import exact
from pcseg.losses.means import weighted_mean
from pcseg.nn.directions import directions


def pair_affinity(
    feats: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    max_elements: int = 512,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the cross-entropy of "same class" for pairs of labeled elements, from the cosine of their features.

    As the context loss of PSD (ICCV 2021) does, on ``feats`` (E, C): of a pair of one class it is -log((1 + cos) / 2),
    of two classes -log(1 - max(cos, 0)), so that classes become orthogonal. (There max(cos, 0) serves both, which moves
    no pair of one class with a negative cosine.) Pairs of one class and of two weigh as much, however many they are. A
    pair counts by the product of the ``weights`` (E,) of its elements. At most ``max_elements`` labeled elements, drawn
    from ``generator``, form pairs: memory max_elements^2. Computed in float32 or float64; without pairs it is 0.
    Raises InputError for fewer than 2 elements.
    """
    if max_elements < 2:
        raise InputError(f"max_elements={max_elements}: give 2 or more")
    known = (labels != IGNORE).nonzero().flatten()
    if len(known) > max_elements:
        known = known[torch.randperm(len(known), generator=generator)[:max_elements].to(known.device)]
    wide = exact(feats[known])
    unit = directions(wide)
    cosine = (unit @ unit.T).to(wide.dtype)
    size = torch.ones_like(wide[:, 0]) if weights is None else weights[known].to(wide.dtype)
    share = (size[:, None] * size).fill_diagonal_(0)
    same = labels[known, None] == labels[known]
    loss = -torch.where(same, (1 + cosine) / 2, 1 - cosine.clamp(min=0)).clamp(min=1e-4).log()
    attract, repel = (weighted_mean(loss, share * of) for of in (same, ~same))
    return (attract + repel) / 2
