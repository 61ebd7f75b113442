"""Background activation suppression: masks without which a frozen classifier no longer recognizes an object."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pcseg.activation.cam import activation_of_maps
from pcseg.checks import at_least_zero, from_zero_to_one
from pcseg.elements import Elements
from pcseg.feeding.batch import Batch
from pcseg.losses.suppression import background_suppression, foreground_guidance
from pcseg.methods.tag_method import TagMethod
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.nn.level_layers import level_conv
from pcseg.nn.levels import Level, rows_of, sample_of, with_rows
from pcseg.ops import segment_mean


class BackgroundSuppression(TagMethod):
    """BAS (arXiv 2112.00580, 2309.12943): pixels or points, tags of each sample.

    On the encoder level of ``stride`` (0: the coarsest) stand a generator, a convolution whose sigmoid is a mask of
    each class, and a classifier (a convolution to ``width`` channels, a ReLU, a linear map) whose mean over a sample
    tells its tags. Of each sample one class is drawn from its tags; its mask is M.

    Loss: binary cross-entropy of the classifier with the tags + ``suppression`` * score of the class on features times
    1 - M, over that on all of them (:func:`pcseg.losses.suppression.background_suppression`; features and classifier
    are frozen there, so that M alone learns) + ``foreground`` * cross-entropy of the class under M + ``area`` * mean
    of M + the cross-entropies of :class:`TagMethod`. Activation: the masks and the positive scores of the classifier,
    each over its maximum, together.

    Masks count from ``progress >= begin`` on: without pretraining a classifier that knows nothing yet does not miss
    what a mask covers, and the area takes all masks to 0. A mask covers all features that an object has reached: take
    a ``stride`` at which features see less than an object. Raises InputError for values out of range.
    """

    def __init__(
        self,
        model: Model,
        suppression: float = 1.0,
        foreground: float = 0.2,
        area: float = 1.2,
        begin: float = 0.2,
        width: int = 256,
        weight: float = 1.0,
        high: float = 0.5,
        low: float = 0.2,
        background: str | None = None,
        stride: int = 0,
        warmup: float = 0.3,
        ramp: float = 0.2,
    ) -> None:
        super().__init__(model, weight, high, low, background, stride, warmup, ramp)
        at_least_zero(suppression=suppression, foreground=foreground, area=area)
        from_zero_to_one(begin=begin)
        self.suppression, self.foreground, self.area, self.begin = suppression, foreground, area, begin
        pixels = isinstance(model.inputs, ImageInputs)
        self.generator = level_conv(pixels, self.channels, self.n_classes)
        self.classifier = _Classifier(pixels, self.channels, width, self.n_classes)

    def activate(
        self, levels: tuple[Any, ...], elements: Elements, batch: Batch, progress: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        level, tags, sample = levels[-1], self.tags(batch), sample_of(levels[-1])
        masks, maps = rows_of(self.generator(level)).sigmoid(), self.classifier(level)
        losses = {"tags": self.tag_loss(segment_mean(maps, sample, batch.n_samples), tags)}
        begun = progress >= self.begin
        if begun:
            losses |= self.separated(level, masks, maps, tags)
        seen = sum(activation_of_maps(part.detach(), sample, tags) for part in ((masks, maps) if begun else (maps,)))
        return losses, self.at_elements(activation_of_maps(seen, sample, tags), levels, batch)  # type: ignore[arg-type]

    def separated(self, level: Any, masks: Tensor, maps: Tensor, tags: Tensor) -> dict[str, Tensor]:
        """The losses of ``masks`` (N, K), of one class of each sample that has tags (B, K); scores ``maps`` (N, K)."""
        sample, chosen = sample_of(level), tags.any(dim=1).nonzero().flatten()
        kind = torch.multinomial(tags[chosen].float(), 1).flatten() if len(chosen) else chosen
        of_sample = torch.zeros(len(tags), dtype=torch.int64, device=tags.device).index_put((chosen,), kind)
        mask = masks.gather(1, of_sample[sample, None]).flatten()
        whole, left, area = (
            segment_mean(values, sample, len(tags))[chosen] for values in (maps, self.frozen(level, 1 - mask), mask)
        )
        whole, left = (scores.gather(1, kind[:, None]).flatten() for scores in (whole, left))
        return {
            "suppression": self.suppression * background_suppression(left, whole),
            "foreground": self.foreground * foreground_guidance(maps, mask, sample, chosen, kind),
            "area": self.area * area.sum() / max(len(area), 1),
        }

    def frozen(self, level: Any, mask: Tensor) -> Tensor:
        """Return the scores (N, K) of a copy of the classifier on features times ``mask`` (N,), which alone learns."""
        copy = {name: value.detach() for name, value in self.classifier.named_parameters()}
        seen: Tensor = functional_call(
            self.classifier, copy, (with_rows(level, rows_of(level).detach() * mask[:, None]),)
        )
        return seen


class _Classifier(nn.Module):
    """Scores (N, K) of the rows of a level: a convolution, a ReLU and a linear map.

    Without a norm, which would take part of what is erased back: it divides by what is left.
    """

    def __init__(self, pixels: bool, channels: int, width: int, n_classes: int) -> None:
        super().__init__()
        self.conv = level_conv(pixels, channels, width)
        self.score = nn.Linear(width, n_classes)

    def forward(self, level: Level) -> Tensor:
        scores: Tensor = self.score(rows_of(self.conv(level)).relu())
        return scores
