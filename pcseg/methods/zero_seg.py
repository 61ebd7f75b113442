"""Segments learn what a frozen image-text model sees in views of a sample; words then tell their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.activation.text import text_maps
from pcseg.checks import above_zero, at_least_zero
from pcseg.elements import Elements
from pcseg.feeding.batch import Batch
from pcseg.losses.views import match_distance, multi_scale_distance
from pcseg.methods.tag_method import TagMethod
from pcseg.model.model import Model
from pcseg.model.text import HASHED
from pcseg.model.view_teachers import ClipTeacher, TagTeacher, ViewTeacher
from pcseg.nn.directions import directions
from pcseg.nn.grouping import Grouping
from pcseg.nn.levels import rows_of, sample_of
from pcseg.nn.tokens import TokenBlock
from pcseg.sparse.sizes import check_sizes


class ZeroSeg(TagMethod):
    """ZeroSeg (arXiv 2306.00450): pixels or points, labels of none, and tags where there are some.

    Tokens are the patches or voxels of the encoder level of ``stride``, 0: the coarsest, mapped to ``width`` channels,
    with ``blocks`` of attention between those of a sample, grouped into ``groups`` segments
    (:class:`pcseg.nn.grouping.Grouping`), and each segment mapped to a direction in the space of the teacher. Loss:
    ``multi_scale`` * distance of the direction of all segments to those of the views of the sample: of the whole, and
    of the cells of grids of ``grids`` cells along each axis + ``match`` * distance of each segment to the nearest view
    that is a part (:mod:`pcseg.losses.views`). There the encoder is a ViT that also restores masked patches, and an MLP
    is between the segments and their sum. (Begun from nothing, ``blocks`` hinder: each token then knows its whole
    sample, and segments need not be of their own tokens.)

    ``teacher``: a file of CLIP's weights, whose words come from ``text`` (:class:`ClipTeacher`), or any
    :class:`pcseg.model.view_teachers.ViewTeacher`. None: the tags of a sample stand in for its view
    (:class:`TagTeacher`), which then are needed, and only tell of the whole.

    The activation is the softmax over classes, at ``temperature``, of the cosine of segments with their words, where
    tags, if there are any, allow a class; with ``weight`` the scores learn its labels as in :class:`TagMethod`, what is
    seen worse than ``low`` being background, so that the network is deployed as it is. :meth:`maps_of` answers any
    words.

    No CLIP is at hand here: its loader is tested on random weights, and what this reaches with a real one is not
    known. The tests show with a made teacher that tokens learn their words without a label, and that a word of a class
    that was never trained on is answered where the teacher's space holds it. There, on pictures of 16 tokens, views of
    parts and the match add little to those of whole samples (.85 to .84 of the tokens), and where a picture has four
    concepts the match does harm (.66 to .77); try 0. Raises InputError for values out of range.
    """

    vectors: Tensor

    def __init__(
        self,
        model: Model,
        teacher: ViewTeacher | str | None = None,
        text: str = HASHED,
        width: int = 64,
        groups: int = 8,
        blocks: int = 0,
        grids: Sequence[int] = (2, 3),
        multi_scale: float = 1.0,
        match: float = 1.0,
        temperature: float = 0.07,
        weight: float = 1.0,
        high: float = 0.5,
        low: float = 0.35,
        background: str | None = None,
        stride: int = 0,
        warmup: float = 0.3,
        ramp: float = 0.2,
    ) -> None:
        super().__init__(model, weight, high, low, background, stride, warmup, ramp)
        at_least_zero(multi_scale=multi_scale, match=match, blocks=blocks)
        above_zero(temperature=temperature)
        check_sizes("ZeroSeg", width=width, **{f"grids {i}": cells for i, cells in enumerate(grids)})
        self.needs = frozenset({"tags"} if teacher is None else ())
        names = model.classes.names
        if teacher is None:
            teacher = TagTeacher(names, text)
        self.told: ViewTeacher = ClipTeacher(teacher, text) if isinstance(teacher, str) else teacher
        self.register_buffer("vectors", directions(self.told.words(names).float()))
        self.grids, self.multi_scale, self.match, self.temperature = tuple(grids), multi_scale, match, temperature
        with torch.random.fork_rng(devices=[]):
            self.embed = nn.Linear(self.channels, width)
            self.blocks = nn.ModuleList(TokenBlock(width) for _ in range(blocks))
            self.group = Grouping(width, groups)
            self.project = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, self.vectors.shape[1]))

    def activate(
        self, levels: tuple[Any, ...], elements: Elements, batch: Batch, progress: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        segments, assignment, sample = self._segments(levels, batch)
        views, parts = self._views(batch)
        losses = {"multi_scale": self.multi_scale * multi_scale_distance(directions(segments.mean(dim=1)), *views)}
        if self.match > 0 and parts is not None:
            losses["match"] = self.match * match_distance(segments, *parts)
        maps = text_maps(segments.detach(), assignment, sample, self.vectors)
        share = torch.zeros_like(maps)
        share[:, self.objects] = (maps[:, self.objects] / self.temperature).softmax(dim=1)
        return losses, self.at_elements(share * self.tags(batch)[sample], levels, batch)

    def tags(self, batch: Batch) -> Tensor:
        """Return the tags (B, K) bool of a batch, those of all classes where it has none; none of the background."""
        if batch.tags is not None:
            return super().tags(batch)
        tags = torch.zeros(batch.n_samples, self.n_classes, dtype=torch.bool, device=batch.sample.device)
        tags[:, self.objects] = True
        return tags

    @torch.no_grad()
    def maps_of(self, batch: Batch, names: Sequence[str]) -> Tensor:
        """Return the cosine (E, n) of the elements of a batch with each of ``names``, of classes or not."""
        levels = self.network.encode(batch.inputs, self.stride)
        vectors = directions(self.told.words(names).to(self.vectors))
        return self.at_elements(text_maps(*self._segments(levels, batch), vectors), levels, batch)

    def _segments(self, levels: tuple[Any, ...], batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The directions (B, G, T) of segments, which one each token is in (N, G), 0 or 1, and their sample (N,)."""
        sample = sample_of(levels[-1])
        tokens = self.embed(rows_of(levels[-1]))
        for block in self.blocks:
            tokens = block(tokens, sample)
        segments, assignment = self.group(tokens, sample, batch.n_samples)
        decided = F.one_hot(assignment.argmax(dim=1), assignment.shape[1]).to(assignment.dtype)
        return directions(self.project(segments)), decided, sample

    @torch.no_grad()
    def _views(self, batch: Batch) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor] | None]:
        """What the teacher tells of all views, and of those that are parts: directions (B, V, T), present (B, V)."""
        whole, parts = self.told.views(batch, 1), [self.told.views(batch, cells) for cells in self.grids]
        joined = [torch.cat(each, dim=1) for each in zip(whole, *parts, strict=True)]
        count = whole[1].shape[1]
        return (joined[0], joined[1]), (joined[0][:, count:], joined[1][:, count:]) if parts else None
