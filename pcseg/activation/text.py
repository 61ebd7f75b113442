"""Where a sample shows what words say: cosines of its segments with vectors of text."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.exact import exact
from pcseg.nn.directions import directions


def text_maps(segments: Tensor, assignment: Tensor, sample: Tensor, vectors: Tensor) -> Tensor:
    """Return the maps (N, K) of tokens: the mean cosine of the segments that they belong to with ``vectors`` (K, T).

    ``segments`` (B, G, T) of samples; ``assignment`` (N, G), the share of each token, of ``sample`` (N,) int64, in each
    of them: GroupViT's prediction (arXiv 2202.11094, section 3.4), with shares in place of decisions.
    """
    cosines = directions(exact(segments)) @ directions(exact(vectors)).T
    return torch.einsum("ng,ngk->nk", exact(assignment), cosines[sample])
