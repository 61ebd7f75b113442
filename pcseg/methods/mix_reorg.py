"""Tokens of mixed samples tell which sample they are from: contrast with captions becomes a matter of places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pcseg.activation.cam import activation_of_maps
from pcseg.activation.text import text_maps
from pcseg.checks import above_zero, at_least_zero
from pcseg.elements import Elements
from pcseg.exact import exact
from pcseg.feeding.batch import Batch
from pcseg.losses.captions import caption_choice, caption_contrast
from pcseg.methods.tag_method import TagMethod
from pcseg.model.model import Model
from pcseg.model.text import HASHED, caption_vectors, text_vectors
from pcseg.nn.directions import directions
from pcseg.nn.grouping import Grouping
from pcseg.nn.levels import rows_of, sample_of
from pcseg.nn.tokens import TokenBlock
from pcseg.sparse.sizes import check_sizes

LARGEST_SCALE = 100.0
"""Of the factor on cosines, which is learned."""


class MixReorg(TagMethod):
    """MixReorg (Cai et al., ICCV 2023) on tag lists as captions: pixels or points, tags of each sample.

    Tokens are the patches or voxels of the encoder level of ``stride``, 0: the coarsest, mapped to ``width`` channels
    by a linear map and a block of attention. A caption is the mean of the vectors of the names of its sample's tags
    (:func:`pcseg.model.text.text_vectors`, ``text``). Three passes through a second block of attention:

    - as they are: tokens are grouped into ``groups`` segments (:class:`pcseg.nn.grouping.Grouping`), whose mean is
      contrasted with the captions (:func:`pcseg.losses.captions.caption_contrast`).
    - mixed: each sample takes its number of tokens from all samples of the batch, at random; they attend to each other,
      then each looks at the tokens of its own sample as they were (progressive mixing). ``mixed`` * the loss of telling
      which of the captions in the mixed sample is its own (:func:`pcseg.losses.captions.caption_choice`).
    - restored: mixed tokens back in their samples are grouped; ``restored`` * the contrast of these.

    The activation is the cosine of segments with the vectors of classes (:func:`pcseg.activation.text.text_maps`) and,
    with ``mixed`` above 0, the mean of that and the cosine of the token itself; with ``weight`` the scores learn its
    labels as in :class:`TagMethod`, so that the network is deployed as it is. There segments alone tell, of two stages
    of 64 and 8 groups, of a GroupViT learned from millions of captions; layers and weights of losses are not published.

    No weights here come from captions of the world: with hashed names the vectors are mere marks of classes, and this
    is contrast with tags. :meth:`maps_of` answers any words, but for those that were not trained on it can be right
    only where ``text`` is a file of vectors of a text model and the classes trained on are many. Raises InputError for
    values out of range.
    """

    vectors: Tensor

    def __init__(
        self,
        model: Model,
        text: str = HASHED,
        width: int = 64,
        groups: int = 8,
        mixed: float = 1.0,
        restored: float = 1.0,
        temperature: float = 0.07,
        weight: float = 1.0,
        high: float = 0.5,
        low: float = 0.2,
        background: str | None = None,
        stride: int = 0,
        warmup: float = 0.3,
        ramp: float = 0.2,
    ) -> None:
        super().__init__(model, weight, high, low, background, stride, warmup, ramp)
        at_least_zero(mixed=mixed, restored=restored)
        above_zero(temperature=temperature)
        check_sizes("MixReorg", width=width)
        self.text, self.mixed, self.restored = text, mixed, restored
        self.register_buffer("vectors", text_vectors(model.classes.names, text))
        with torch.random.fork_rng(devices=[]):
            self.embed = nn.Linear(self.channels, width)
            self.early, self.late = TokenBlock(width), TokenBlock(width)
            self.again = TokenBlock(width) if mixed + restored > 0 else None
            self.group = Grouping(width, groups)
            self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, self.vectors.shape[1]))
        self.log_scale = nn.Parameter(torch.tensor(1 / temperature).log())

    def activate(
        self, levels: tuple[Any, ...], elements: Elements, batch: Batch, progress: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        tags, sample = self.tags(batch), sample_of(levels[-1])
        captions = caption_vectors(tags, self.vectors)
        scale = self.log_scale.exp().clamp(max=LARGEST_SCALE)
        early = self.early(self.embed(rows_of(levels[-1])), sample)
        tokens = self.late(early, sample)
        segments, assignment = self.group(tokens, sample, batch.n_samples)
        segments = self.project(segments)
        losses = {"captions": caption_contrast(segments.mean(dim=1), captions, scale)}
        if self.again is not None:
            place = sample[torch.randperm(len(sample), device=sample.device)]
            mixed = self.again(self.late(early, place), sample, tokens, sample)
            if self.mixed > 0:
                near = torch.zeros(batch.n_samples, batch.n_samples, dtype=torch.bool, device=sample.device)
                near[place, sample] = True
                choice = caption_choice(self.project(mixed), captions, sample, near[place], scale)
                losses["mixed"] = self.mixed * choice
            if self.restored > 0:
                back = self.project(self.group(mixed, sample, batch.n_samples)[0]).mean(dim=1)
                losses["restored"] = self.restored * caption_contrast(back, captions, scale)
        maps = self._maps(tokens.detach(), segments.detach(), assignment.detach(), sample, self.vectors)
        return losses, self.at_elements(activation_of_maps(maps, sample, tags), levels, batch)

    @torch.no_grad()
    def maps_of(self, batch: Batch, names: Sequence[str]) -> Tensor:
        """Return the cosine (E, n) of the elements of a batch with each of ``names``, of classes or not."""
        levels = self.network.encode(batch.inputs, self.stride)
        sample = sample_of(levels[-1])
        tokens = self.late(self.early(self.embed(rows_of(levels[-1])), sample), sample)
        segments, assignment = self.group(tokens, sample, batch.n_samples)
        vectors = text_vectors(names, self.text).to(tokens.device)
        return self.at_elements(self._maps(tokens, self.project(segments), assignment, sample, vectors), levels, batch)

    def _maps(self, tokens: Tensor, segments: Tensor, assignment: Tensor, sample: Tensor, vectors: Tensor) -> Tensor:
        """The cosines (N, n) of tokens with ``vectors`` (n, T), by their segments and by themselves."""
        maps = text_maps(segments, assignment, sample, vectors)
        if self.mixed == 0:
            return maps
        with torch.no_grad():
            return (maps + directions(exact(self.project(tokens))) @ vectors.T) / 2
