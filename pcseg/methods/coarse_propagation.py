"""Dense supervision propagation at the stride of the exchange itself, without a second decoding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.checks import at_least_zero
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import labeled_losses, pair_affinity, squared_probability_distance
from pcseg.methods.base import Method
from pcseg.model.model import Model
from pcseg.networks.protocol import check_levels
from pcseg.propagation import (
    CrossSampleReallocation,
    IntraSampleRedistribution,
    derived_generator,
    histogram_cross_entropy,
    label_histogram,
    main_label,
)
from pcseg.schedules import linear_ramp
from pcseg.sparse import SparseTensor


class CoarsePropagation(Method):
    """Supervised training, and propagation of features at ``stride``, where a linear head predicts and labels act.

    Features move within each scan or, with ``across``, between samples 2m and 2m + 1, as in arXiv 2107.11267; there a
    second decoding predicts from them and may rely on its skips, here none reaches the head. Labels of coarse voxels
    are histograms of those inside.

    Loss: cross-entropy of the network's prediction + ``lovasz`` * Lovasz-softmax + ramp * (``coarse_weight`` *
    cross-entropy of the head on the features + ``label_weight`` * that on the moved features + ``weight`` * squared
    probability distance between the two + ``affinity`` * :func:`pcseg.losses.pair_affinity` of the queries and keys,
    together, with the main labels). The ramp acts from ``progress > warmup`` on and grows linearly over ``ramp``, both
    shares of the stage. With ``weight`` and ``label_weight`` 0 nothing moves: the head alone supervises the encoder.
    With all four at 0 it is :class:`pcseg.methods.Supervised`, bit for bit. Labels count by their weights. Raises
    InputError for weights and shares below 0.
    """

    def __init__(
        self,
        model: Model,
        stride: int = 8,
        across: bool = False,
        weight: float = 0.1,
        label_weight: float = 0.1,
        coarse_weight: float = 0.1,
        affinity: float = 0.0,
        warmup: float = 0.1,
        ramp: float = 0.1,
        max_nodes: int | None = 2048,
        temperature: float = 1.0,
        lovasz: float = 0.0,
    ) -> None:
        super().__init__(model)
        at_least_zero(weight=weight, label_weight=label_weight, coarse_weight=coarse_weight, affinity=affinity)
        at_least_zero(warmup=warmup, ramp=ramp, lovasz=lovasz)
        self.stride, self.weight, self.label_weight, self.coarse_weight = stride, weight, label_weight, coarse_weight
        self.affinity, self.warmup, self.ramp, self.lovasz = affinity, warmup, ramp, lovasz
        self.needs = frozenset({"pairs", "voxels"} if across else {"voxels"})
        check_levels("CoarsePropagation", self.network)
        channels = self.network.channels_at(stride)
        kind = CrossSampleReallocation if across else IntraSampleRedistribution
        self.propagation = kind(channels, max_nodes, temperature=temperature)
        with torch.random.fork_rng(devices=[]):  # what is drawn after this does not depend on there being a head
            self.coarse_head = nn.Linear(channels, len(model.classes))

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        if "pairs" in self.needs and batch.n_samples % 2:
            raise InputError(f"batch of {batch.n_samples} samples: pairs need an even number; use the pair sampler")
        levels = self.network.encode(batch.voxels, self.stride)
        elements = self.network.decode(levels, position=batch.position, color=batch.color)
        losses = labeled_losses(elements, batch.labels, batch.weights, self.lovasz)
        ramp = linear_ramp(progress, self.warmup, self.ramp)
        if ramp * (self.weight + self.label_weight + self.coarse_weight + self.affinity) > 0:
            losses |= {name: ramp * loss for name, loss in self._coarse_losses(levels[-1], batch).items()}
        return losses

    def _coarse_losses(self, level: SparseTensor, batch: Batch) -> dict[str, Tensor]:
        """Return the losses at ``level``, weighted; those of weight 0 are left out and cost nothing."""
        losses = {}
        own = self.coarse_head(level.feats)
        histogram = label_histogram(
            batch.voxels.coords, level.coords, self.stride, batch.labels, own.shape[1], batch.weights
        )
        if self.coarse_weight > 0:
            losses["coarse_cross_entropy"] = self.coarse_weight * histogram_cross_entropy(own, histogram)
        if self.weight + self.label_weight > 0:
            moved = self.coarse_head(self._moved(level, batch.n_samples))
            if self.label_weight > 0:
                losses["propagated_cross_entropy"] = self.label_weight * histogram_cross_entropy(moved, histogram)
            if self.weight > 0:
                losses["consistency"] = self.weight * squared_probability_distance(own, moved)
        if self.affinity > 0:
            (label, share), both = main_label(histogram), torch.cat(self.propagation.affinity.project(level.feats))
            pairs = pair_affinity(both, label.repeat(2), share.repeat(2), generator=derived_generator())
            losses["affinity"] = self.affinity * pairs
        return losses

    def _moved(self, level: SparseTensor, n_samples: int) -> Tensor:
        """Return the features (N, C) of ``level`` rebuilt from those of the same scan or of its partner."""
        if isinstance(self.propagation, IntraSampleRedistribution):
            return self.propagation(level.feats, level.sample, derived_generator())
        partner = torch.arange(n_samples, device=level.feats.device) ^ 1
        return self.propagation(level.feats, level.sample, partner, derived_generator())
