"""Prototypes: running means of the features of each class, and scores of elements by their nearness to them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.nn.directions import directions
from pcseg.pseudo.running import move


class Prototypes(nn.Module):
    """One mean feature (C,) of each class, moved by ``1 - momentum`` of the way with each batch that shows the class.

    The momentum prototypes of ERDA (arXiv 2305.15832), there with momentum 0.999. The first batch with a class sets
    its mean. Called with features (E, C) it returns scores (E, K): cosine / ``temperature``, -inf for a class that was
    not met yet; 0 for all while none was. Their softmax is a soft pseudo label. Gradients reach the features, not the
    prototypes. Raises InputError for numbers out of range.
    """

    mean: Tensor
    met: Tensor

    def __init__(self, n_classes: int, channels: int, momentum: float = 0.999, temperature: float = 0.1) -> None:
        super().__init__()
        if not (0 <= momentum < 1 and temperature > 0):
            raise InputError(f"momentum={momentum:g}, temperature={temperature:g}: give 0 to below 1, and above 0")
        self.momentum, self.temperature = momentum, temperature
        self.register_buffer("mean", torch.zeros(n_classes, channels))
        self.register_buffer("met", torch.zeros(n_classes, dtype=torch.bool))

    @torch.no_grad()
    def update(self, feats: Tensor, labels: Tensor, weights: Tensor | None = None) -> None:
        """Take the labeled elements of ``feats`` (E, C) in; ``labels`` (E,) int64; ``weights`` (E,) as in losses."""
        known = (labels != IGNORE).nonzero().flatten()
        of, known_feats = labels[known], feats[known].to(self.mean.dtype)
        size = torch.ones_like(known_feats[:, 0]) if weights is None else weights[known].to(self.mean.dtype)
        total = torch.zeros_like(self.mean).index_add_(0, of, known_feats * size[:, None])
        count = torch.zeros_like(self.mean[:, 0]).index_add_(0, of, size)
        now = total / count.clamp(min=torch.finfo(count.dtype).tiny)[:, None]
        move(self.mean, self.met, now, count > 0, self.momentum)

    def forward(self, feats: Tensor) -> Tensor:
        unit = directions(feats.to(self.mean.dtype))
        scores = (unit @ directions(self.mean).T).to(self.mean.dtype) / self.temperature
        return torch.where(self.met, scores, torch.where(self.met.any(), -torch.inf, 0.0))
