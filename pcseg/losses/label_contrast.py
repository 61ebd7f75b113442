"""Contrast of features by labels: those of one class attract, each against those of all others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.checks import above_zero
from pcseg.classes import IGNORE
from pcseg.exact import exact
from pcseg.losses.means import weighted_mean
from pcseg.nn.attend import draw_nodes
from pcseg.nn.directions import directions
from pcseg.sparse.sizes import check_sizes

NOTHING = -1e9
"""Score of what does not count: -inf would have no gradient where nothing does."""


def label_info_nce(feats: Tensor, labels: Tensor, temperature: float = 0.1, max_elements: int = 512) -> Tensor:
    """Return the mean over pairs i, j of one label of -log(e^s_ij / (e^s_ij + sum over n of another label e^s_in)).

    s_ij = cos(f_i, f_j) / ``temperature``, ``feats`` (N, C), ``labels`` (N,) int64, IGNORE for rows that take no part:
    the contrastive separation of CoSA (arXiv 2402.17891; from memory, since its code lacks it), there of tokens of
    certain labels. At most ``max_elements`` labeled rows take part, drawn from the global generator: memory
    max_elements^2. Computed in float32 or float64. Without a pair, or with one label alone, it is 0. Raises InputError
    for values out of range.
    """
    above_zero(temperature=temperature)
    check_sizes("label_info_nce", max_elements=max_elements)
    known = draw_nodes((labels != IGNORE).nonzero().flatten(), max_elements)
    unit, own = directions(exact(feats[known])), labels[known]
    score = unit @ unit.T / temperature
    same = own[:, None] == own
    against = score.masked_fill(same, NOTHING).logsumexp(dim=1, keepdim=True)
    loss = F.softplus(against - score)  # 0 where there is no other label
    return weighted_mean(loss, same & ~torch.eye(len(own), dtype=torch.bool, device=own.device))
