"""Two networks that are to tell the same classes from features unlike each other's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pcseg.checks import at_least_zero, from_zero_to_one
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import labeled_part, unlabeled_part
from pcseg.losses import labeled_losses, pseudo_label_cross_entropy
from pcseg.losses.discrepancy import cosine_discrepancy
from pcseg.methods.base import Method
from pcseg.model.model import Model
from pcseg.networks.protocol import check_levels
from pcseg.nn.levels import rows_of
from pcseg.nn.mapping import FeatureMapping
from pcseg.pseudo.conflict import conflict_weights
from pcseg.schedules import linear_ramp


class CCVC(Method):
    """Conflict-based cross-view consistency (arXiv 2303.01276): pixels or points, labels of some scenes or points.

    The second network decodes its deepest level after a :class:`pcseg.nn.mapping.FeatureMapping`, which belongs to the
    method: both networks stay as they are built. Loss: cross-entropy of both with the labels + ``discrepancy`` * (1 +
    cosine) of the deepest level of the first and the mapped one of the second, on all elements of a batch + ``weight``
    * ramp * (that of each network with the other's most probable classes, in the same pass, a mean over the elements in
    which a decision counts ``conflict`` times where the other network decides differently and its probability is above
    ``threshold``). Where a batch says which samples are unlabeled only these are decided on, else all. The weight acts
    from ``progress > warmup`` on and grows over ``ramp``, both shares of the stage.

    The first network is deployed; the second has weights of its own. Raises InputError for values out of range and for
    a network that has no levels.
    """

    other: Any  # an nn.Module with encode and decode, as ``network``

    def __init__(
        self,
        model: Model,
        weight: float = 0.4,
        discrepancy: float = 0.4,
        conflict: float = 2.0,
        threshold: float = 0.9,
        dropout: float = 0.5,
        warmup: float = 0.1,
        ramp: float = 0.1,
    ) -> None:
        super().__init__(model)
        at_least_zero(weight=weight, discrepancy=discrepancy, conflict=conflict, warmup=warmup, ramp=ramp)
        from_zero_to_one(threshold=threshold)
        check_levels("CCVC", self.network)
        self.other = model.networks.make("other")
        with torch.random.fork_rng(devices=[]):  # what is drawn after this does not depend on the number of channels
            self.mapping = FeatureMapping(self.network.channels_at(self.network.strides[-1]), dropout)
        self.weight, self.discrepancy, self.conflict = weight, discrepancy, conflict
        self.threshold, self.warmup, self.ramp = threshold, warmup, ramp

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        weight = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        seen = batch if weight > 0 else labeled_part(batch).batch
        first, second = self.network.encode(seen.inputs), self.other.encode(seen.inputs)
        deep, mapped = first[-1], self.mapping(second[-1])
        one = self.network.decode(first, seen.position, seen.color)
        two = self.other.decode((*second[:-1], mapped), seen.position, seen.color)
        losses: dict[str, Tensor] = {}
        for prefix, elements in (("", one), ("other_", two)):
            parts = labeled_losses(elements, seen.labels, seen.weights)
            losses |= {prefix + name: value for name, value in parts.items()}
        if self.discrepancy > 0:
            losses["discrepancy"] = self.discrepancy * cosine_discrepancy(rows_of(deep), rows_of(mapped))
        if weight > 0:
            rows = unlabeled_part(seen).rows
            ours, theirs = one.logits[rows], two.logits[rows]
            losses["cross"] = weight * (self._taught(ours, theirs) + self._taught(theirs, ours))
        return losses

    def _taught(self, learning: Tensor, deciding: Tensor) -> Tensor:
        """The cross-entropy of scores (E, K) with another network's decisions, in which sure conflicts count more."""
        weights = conflict_weights(deciding, learning, self.threshold, self.conflict)
        return pseudo_label_cross_entropy(learning, deciding.argmax(dim=1), weights)
