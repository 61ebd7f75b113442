"""Self-supervised semi-supervised learning: labels beside questions that need none, and steady, sure predictions."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg import ops
from pcseg.checks import above_zero, at_least_zero
from pcseg.elements import Elements
from pcseg.feeding.batch import Batch
from pcseg.feeding.pretext import RIGHT_ANGLES, WAYS_UP, shuffle_cells, turn
from pcseg.losses import cross_entropy, entropy, labeled_losses, restoration
from pcseg.losses.triplet import batch_hard_triplet
from pcseg.losses.vat import virtual_adversarial_loss
from pcseg.methods.base import Method
from pcseg.model.appearance import Appearance
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.networks.protocol import check_levels, feature_channels
from pcseg.nn import frozen_statistics
from pcseg.nn.levels import Level, pooled, rows_of, with_rows
from pcseg.pseudo.masking import cross_masks
from pcseg.schedules import linear_ramp

HIDDEN = 0.4
"""Share of the cells whose colors are hidden."""

EMBEDDING = 128
"""Channels of the embedding of a sample; 1000 in S4L, for a million pictures."""


class S4L(Method):
    """Self-supervised semi-supervised learning (S4L, arXiv 1905.03670) on pixels and voxels.

    Loss: that of :class:`pcseg.methods.Supervised`, and at a weight each, 0 leaving it out:

    - ``orientation``: which way a turned sample was turned, 4 for pictures, 6 for clouds
      (:func:`pcseg.feeding.pretext.turn`), from the mean of the coarsest level; with ``turned_labels`` the labels are
      learned on turned samples too, as there (a class such as "floor" is a matter of orientation: then 0);
    - ``jigsaw``: which cell of a sample was at a place before 2^d of them changed places, from the mean of its
      features (:func:`pcseg.feeding.pretext.shuffle_cells`);
    - ``color``: the colors of cells, cubes of ``cell`` voxels or pixels, that were hidden, from the features there;
    - ``exemplar``: views of one scene are nearer to each other than to others
      (:func:`pcseg.losses.triplet.batch_hard_triplet`), in an embedding of the mean of the coarsest level; it needs
      batches of views;
    - ``vat``: virtual adversarial training at ``vat_size`` (:func:`pcseg.losses.vat.virtual_adversarial_loss`), and
      ``entropy``: that of predictions of unlabeled elements. These two begin after ``warmup`` and grow over ``ramp``,
      shares of the stage.

    Running statistics of batch norms stay those of samples as they are. Raises InputError for numbers out of range.
    """

    def __init__(
        self,
        model: Model,
        orientation: float = 1.0,
        turned_labels: float = 1.0,
        jigsaw: float = 0.0,
        color: float = 0.0,
        cell: float = 5.0,
        exemplar: float = 0.0,
        vat: float = 1.0,
        vat_size: float = 0.2,
        entropy: float = 1.0,
        warmup: float = 0.0,
        ramp: float = 0.3,
    ) -> None:
        super().__init__(model)
        at_least_zero(orientation=orientation, turned_labels=turned_labels, jigsaw=jigsaw, color=color)
        at_least_zero(exemplar=exemplar, vat=vat, entropy=entropy, warmup=warmup, ramp=ramp)
        above_zero(cell=cell, vat_size=vat_size)
        self.orientation, self.turned_labels, self.jigsaw, self.color = orientation, turned_labels, jigsaw, color
        self.exemplar, self.vat, self.vat_size, self.entropy = exemplar, vat, vat_size, entropy
        self.warmup, self.ramp = warmup, ramp
        clouds = isinstance(model.inputs, VoxelInputs)
        self.features = model.inputs.features.each if isinstance(model.inputs, VoxelInputs) else ()
        self.unit = model.inputs.voxel_size if isinstance(model.inputs, VoxelInputs) else 1.0
        self.ways, self.cells, self.cell = len(WAYS_UP) if clouds else RIGHT_ANGLES, 8 if clouds else 4, cell
        check_levels("S4L", self.network)
        heads: dict[str, nn.Module] = {}
        deep = self.network.channels_at(self.network.strides[-1])
        if orientation > 0:
            heads["orientation"] = nn.Linear(deep, self.ways)
        if jigsaw > 0:
            heads["jigsaw"] = nn.Linear(feature_channels(self.network), self.cells)
        if color > 0:
            self.seen = Appearance.of(model.inputs)
            heads["color"] = nn.Linear(feature_channels(self.network), self.seen.width)
        if exemplar > 0:
            self.needs = frozenset({"matches"})
            heads["exemplar"] = nn.Linear(deep, EMBEDDING)
        self.heads = nn.ModuleDict(heads)

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        deepest, elements = self._see(batch)
        losses = labeled_losses(elements, batch.labels, batch.weights)
        ramp = linear_ramp(progress, self.warmup, self.ramp)
        if ramp * self.entropy > 0:
            losses["entropy"] = ramp * self.entropy * entropy(elements.logits, batch.labels)
        if self.exemplar > 0:
            embedding = self.heads["exemplar"](pooled(deepest, batch.n_samples))
            losses["exemplar"] = self.exemplar * batch_hard_triplet(embedding, _scenes(batch))
        with frozen_statistics(self.network):
            if ramp * self.vat > 0:
                found = virtual_adversarial_loss(
                    lambda inputs: self.predict(replace(batch, inputs=inputs)).logits,
                    batch.inputs, elements.logits, self.vat_size,
                )  # fmt: skip
                losses["vat"] = ramp * self.vat * found
            if self.orientation > 0:
                losses |= self._turned(batch)
            if self.jigsaw > 0:
                losses["jigsaw"] = self.jigsaw * self._puzzled(batch)
            if self.color > 0:
                losses["color"] = self.color * self._colored(batch)
        return losses

    def _see(self, batch: Batch) -> tuple[Level, Elements]:
        """The coarsest level of the encoder, and the prediction."""
        levels = self.network.encode(batch.inputs)
        elements: Elements = self.network.decode(levels, position=batch.position, color=batch.color)
        return levels[-1], elements

    def _turned(self, batch: Batch) -> dict[str, Tensor]:
        """The cross-entropy of the way each sample is turned, and that of the labels of turned samples."""
        ways = torch.randint(self.ways, (batch.n_samples,)).to(batch.sample.device)
        turned, _ = turn(batch, ways, self.features)
        if self.turned_labels > 0:
            deepest, elements = self._see(turned)
        else:
            deepest = self.network.encode(turned.inputs)[-1]
        scores = self.heads["orientation"](pooled(deepest, batch.n_samples))
        losses = {"orientation": self.orientation * F.cross_entropy(scores.float(), ways)}
        if self.turned_labels > 0:
            losses["turned"] = self.turned_labels * cross_entropy(elements.logits, turned.labels, turned.weights)
        return losses

    def _puzzled(self, batch: Batch) -> Tensor:
        """The cross-entropy of the cell that was at each place."""
        order = torch.rand(batch.n_samples, self.cells).argsort(dim=1).to(batch.sample.device)
        shuffled = shuffle_cells(batch, order, self.unit, self.features)
        feats = self.predict(shuffled.batch).feats
        present, place = torch.unique(shuffled.place, return_inverse=True)
        scores = self.heads["jigsaw"](ops.segment_mean(feats, place, len(present)))
        return F.cross_entropy(scores.float(), order.flatten()[present])

    def _colored(self, batch: Batch) -> Tensor:
        """The error of the colors of hidden cells."""
        rows = rows_of(batch.inputs)
        true = self.seen.read(rows)
        place = F.pad(batch.position, (0, 3 - batch.position.shape[1]))
        nothing = batch.sample.new_empty(2, 0)
        hidden = cross_masks(place, batch.sample, nothing, self.cell * self.unit, HIDDEN)
        inputs = with_rows(batch.inputs, self.seen.write(rows, true * ~hidden[:, None]))
        feats = self.predict(replace(batch, inputs=inputs)).feats
        return restoration(self.heads["color"](feats), true, hidden)


def _scenes(batch: Batch) -> Tensor:
    """Return for each sample (B,) the first of the batch that shows a point of it."""
    assert batch.matches is not None
    own = torch.arange(batch.n_samples, device=batch.sample.device)
    first, second = batch.sample[batch.matches]
    return own.scatter_reduce(0, second, first, "amin")
