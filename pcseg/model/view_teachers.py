"""Frozen image-text models that tell a direction of each view of a sample: the whole of it, and cells of grids."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.model.text import HASHED, caption_vectors, text_vectors
from pcseg.pseudo.clip import MEAN, STD, load_clip
from pcseg.pseudo.clip_words import ClipWords
from pcseg.sparse import SparseTensor

PROMPT = "a photo of a {}."
"""Text that stands for a name, as CLIP's authors ask it."""


class ViewTeacher(Protocol):
    """Any frozen model of views and words, with directions in common; your own, for clouds too, has these two."""

    def words(self, names: Sequence[str]) -> Tensor:
        """Return a direction (n, T) for each name."""

    def views(self, batch: Batch, per_axis: int) -> tuple[Tensor, Tensor]:
        """Return a direction (B, V, T) of each of the V = per_axis^d cells of a sample, and which there are, (B, V).

        ``per_axis`` 1: the whole sample. d = 2 for pictures, 3 for clouds.
        """


class TagTeacher:
    """Stands in where there is no such model: a whole sample is what its tags list, and its parts tell nothing.

    ``classes`` are the names of the tags, ``text`` the source of their vectors (:func:`pcseg.model.text.text_vectors`).
    It knows no more than tags do: no claim on other words rests on it.
    """

    def __init__(self, classes: Sequence[str], text: str = HASHED) -> None:
        self.text, self.vectors = text, text_vectors(classes, text)

    def words(self, names: Sequence[str]) -> Tensor:
        return text_vectors(names, self.text)

    def views(self, batch: Batch, per_axis: int) -> tuple[Tensor, Tensor]:
        assert batch.tags is not None
        device = batch.sample.device
        found = caption_vectors(batch.tags, self.vectors.to(device))[:, None]
        there = batch.tags.any(dim=1)[:, None] & (per_axis == 1)
        cells = per_axis ** batch.position.shape[1]
        return found.expand(-1, cells, -1), there.expand(-1, cells)


class ClipTeacher:
    """CLIP on the crops of pictures (:func:`pcseg.pseudo.clip.load_clip`), each resized to the square it sees.

    ``text``: the list of merges of its words (:class:`pcseg.pseudo.clip_words.ClipWords`), for names of any kind, or an
    .npz file of the vectors of names by its text encoder. It takes no clouds; for these render views and give the
    vectors of their points as a teacher of your own. Raises InputError for files that it cannot use.
    """

    def __init__(self, path: str | os.PathLike[str], text: str) -> None:
        self.clip, self.text = load_clip(path), text
        self._words = None
        if Path(text).suffix != ".npz":
            if text == HASHED:
                raise InputError(
                    f"text={text}: words for {path} are to be those of its own text encoder; give "
                    "bpe_simple_vocab_16e6.txt.gz, or an .npz file of a vector for each name"
                )
            self._words = ClipWords(text, self.clip.token_embedding.num_embeddings)

    @torch.no_grad()
    def words(self, names: Sequence[str]) -> Tensor:
        if self._words is None:
            return text_vectors(names, self.text)
        tokens = self._words([PROMPT.format(name) for name in names], self.clip.length)
        return self.clip.encode_text(tokens.to(self.clip.logit_scale.device))

    @torch.no_grad()
    def views(self, batch: Batch, per_axis: int) -> tuple[Tensor, Tensor]:
        if isinstance(batch.inputs, SparseTensor):
            raise InputError("teacher: CLIP takes pictures, no clouds; give a teacher of your own")
        count, _, height, width = batch.inputs.shape
        device = batch.inputs.device
        self.clip.to(device)
        mean, std = (torch.tensor(v, device=device) for v in (MEAN, STD))
        images = ((batch.color - mean) / std).view(count, height, width, 3).permute(0, 3, 1, 2)
        rows, columns = ([round(i * edge / per_axis) for i in range(per_axis + 1)] for edge in (height, width))
        found = []
        for top, bottom in pairwise(rows):
            for left, right in pairwise(columns):
                crop = images[:, :, top : max(bottom, top + 1), left : max(right, left + 1)]
                square = F.interpolate(crop, (self.clip.side, self.clip.side), mode="bicubic", align_corners=False)
                found.append(self.clip.encode_image(square))
        vectors = torch.stack(found, dim=1)
        return vectors, torch.ones(vectors.shape[:2], dtype=torch.bool, device=device)
