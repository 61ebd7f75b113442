"""Contrast of samples and tokens with captions, of which several may be the same."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.exact import exact
from pcseg.losses.means import weighted_mean
from pcseg.nn.directions import directions

SAME = 0.9999
"""Cosine from which two captions say the same."""


def caption_contrast(vectors: Tensor, captions: Tensor, scale: Tensor | float) -> Tensor:
    """Return the symmetric InfoNCE of ``vectors`` (B, T) of samples with their ``captions`` (B, T).

    The mean over samples, and over both directions, of -log of the softmax of ``scale`` * cosines at the own caption
    (CLIP, arXiv 2103.00020, section 2.3). Samples whose captions say the same share the target, as tag lists often do:
    each counts for all of them. A caption of 0 takes no part. Computed in float32 or float64; without captions it is 0.
    """
    told = captions.any(dim=1)
    one, two = directions(exact(vectors[told])), directions(exact(captions[told]))
    if not len(one):
        return exact(vectors).sum() * 0
    scores, same = scale * one @ two.T, two @ two.T > SAME
    target = same / same.sum(dim=1, keepdim=True)
    parts = [-(target * x.log_softmax(dim=1)).sum(dim=1).mean() for x in (scores, scores.T)]
    return torch.stack(parts).mean()


def caption_choice(tokens: Tensor, captions: Tensor, own: Tensor, near: Tensor, scale: Tensor | float) -> Tensor:
    """Return the mean over ``tokens`` (N, T) of -log of the softmax of ``scale`` * cosines at its own caption.

    ``own`` (N,) int64 numbers it among ``captions`` (B, T); the softmax is over those that are ``near`` (N, B) bool.
    The segmentation loss of MixReorg (Cai et al., ICCV 2023): which of the mixed samples a token is from. Captions that
    say the same as its own count as it; one of 0 takes no part. In float32 or float64; 0 without tokens.
    """
    told = captions.any(dim=1)
    two = directions(exact(captions))
    scores = scale * directions(exact(tokens)) @ two.T
    seen = near & told
    right = seen & ((two @ two.T > SAME) & told)[own]
    known = right.any(dim=1)
    among = [scores.masked_fill(~which, -1e9).logsumexp(dim=1) for which in (seen, right)]
    return weighted_mean(torch.where(known, among[0] - among[1], 0), known)
