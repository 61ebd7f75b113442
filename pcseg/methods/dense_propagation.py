"""Dense supervision propagation (arXiv 2107.11267): stage 1 across pairs of scans, stage 2 within each scan.

The two stages are two methods, trained one after the other on one network; run jointly they fall below the baseline, as
those who read the paper report. Their affinities live in the method, so the network that comes out of training has
none.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor

from pcseg.checks import at_least_zero
from pcseg.elements import Elements
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import cross_entropy, labeled_losses, squared_probability_distance
from pcseg.methods.base import Method
from pcseg.model.model import Model
from pcseg.networks.protocol import check_levels
from pcseg.nn import frozen_statistics
from pcseg.propagation import CrossSampleReallocation, IntraSampleRedistribution, derived_generator
from pcseg.pseudo import MeanTeacher
from pcseg.schedules import linear_ramp
from pcseg.sparse import SparseTensor


class _Propagation(Method):
    """Base of both stages: a clean pass, a second decoding of features reallocated at one stride, and the losses."""

    def __init__(
        self,
        model: Model,
        stride: int,
        weight: float,
        label_weight: float,
        warmup: float,
        ramp: float,
        teacher: float,
        lovasz: float,
        every: int,
        skips: bool,
    ) -> None:
        super().__init__(model)
        at_least_zero(weight=weight, label_weight=label_weight, warmup=warmup, ramp=ramp, lovasz=lovasz)
        if not 0 <= teacher < 1:
            raise InputError(f"teacher={teacher}: give a decay from 0 (no teacher) to below 1")
        if every < 1:
            raise InputError(f"every={every}: give 1 (each step) or more")
        check_levels(type(self).__name__, self.network)
        self.stride, self.weight, self.label_weight = stride, weight, label_weight
        self.warmup, self.ramp, self.lovasz, self.every, self.skips = warmup, ramp, lovasz, every, skips
        self.teacher = None
        if teacher > 0 and weight > 0:
            self.mean = model.networks.copy("teacher")
            self.teacher = MeanTeacher(self.mean, self.network, teacher)

    def reallocate(self, level: SparseTensor, n_samples: int, generator: torch.Generator) -> Tensor:
        """Features (N, C) to stand in for those of ``level``, which has rows of up to ``n_samples`` samples."""
        raise NotImplementedError

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        weight = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        label_weight = self.label_weight if progress >= self.warmup else 0.0
        levels = self.network.encode(batch.voxels, self.stride)
        clean: Elements = self.network.decode(levels, position=batch.position, color=batch.color)
        losses = labeled_losses(clean, batch.labels, batch.weights, self.lovasz)
        # Drawn from progress: alike in all processes, and the same in a run that goes on.
        if weight == label_weight == 0 or random.Random(progress).random() * self.every >= 1:
            return losses
        other = self._propagated(levels, batch)
        if label_weight > 0:
            supervised = cross_entropy(other.logits, batch.labels, batch.weights)
            losses["propagated_cross_entropy"] = label_weight * supervised
        if weight > 0:
            target = clean.logits if self.teacher is None else self.teacher(batch.voxels).logits
            losses["consistency"] = weight * squared_probability_distance(target, other.logits)
        return losses

    def after_step(self, step: int) -> None:
        if self.teacher is not None:
            self.teacher.update()

    def _propagated(self, levels: tuple[SparseTensor, ...], batch: Batch) -> Elements:
        """The prediction from reallocated features, with the geometry and, if wanted, the skips of each scan itself.

        Its batch-norm layers leave their running statistics alone: at test time the decoder meets clean features
        only.
        """
        with frozen_statistics(self.network):
            moved = levels[-1].replace(self.reallocate(levels[-1], batch.n_samples, derived_generator()))
            skips = [x if self.skips else x.replace(torch.zeros_like(x.feats)) for x in levels[:-1]]
            other: Elements = self.network.decode((*skips, moved), position=batch.position, color=batch.color)
        return other


class CrossSamplePropagation(_Propagation):
    """Stage 1: a scan's prediction from its partner's features must agree with the one from its own.

    Samples 2m and 2m + 1 of a batch are partners, in both directions; they should share a labeled class.
    Loss: cross-entropy on the clean pass + ``weight`` * ramp * squared probability distance between the passes, mean
    over all voxels. The distance acts from ``progress > warmup`` on and grows linearly over ``ramp``, both shares of
    the stage. No label loss acts on the reallocated pass. With ``teacher`` above 0 the clean side of the distance
    comes, without gradient, from a running mean of the weights with that decay (mean teacher, arXiv 1703.01780):
    agreement can then not be had by changing the clean side, as it can in the paper's form (0). ``stride`` is where
    features are exchanged; ``max_nodes`` and ``temperature`` are the affinity's
    (:class:`pcseg.propagation.BilinearAffinity`); ``lovasz`` weighs that loss on the clean pass. With weight 0 it is
    :class:`pcseg.methods.Supervised`, bit for bit.

    The coarser the stride, the less a network with skips feels the exchange, and the larger a weight it takes; without
    ``skips`` those of the reallocated pass are 0. That pass runs in one step of ``every``, drawn at random.
    """

    needs = frozenset({"pairs", "voxels"})

    def __init__(
        self,
        model: Model,
        stride: int = 8,
        weight: float = 1.0,
        warmup: float = 0.1,
        ramp: float = 0.1,
        teacher: float = 0.0,
        max_nodes: int | None = 2048,
        temperature: float = 1.0,
        lovasz: float = 0.0,
        every: int = 1,
        skips: bool = True,
    ) -> None:
        super().__init__(model, stride, weight, 0.0, warmup, ramp, teacher, lovasz, every, skips)
        self.propagation = CrossSampleReallocation(self.network.channels_at(stride), max_nodes, temperature=temperature)

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        if batch.n_samples % 2:
            raise InputError(f"batch of {batch.n_samples} samples: pairs need an even number; use the pair sampler")
        return super().losses(batch, progress, player)

    def reallocate(self, level: SparseTensor, n_samples: int, generator: torch.Generator) -> Tensor:
        partner = torch.arange(n_samples, device=level.feats.device) ^ 1
        return self.propagation(level.feats, level.sample, partner, generator)


class IntraSamplePropagation(_Propagation):
    """Stage 2: labels act on each scan's prediction from features that all of its nodes were mixed into.

    Loss: cross-entropy on the clean pass + ``label_weight`` * cross-entropy at the labeled voxels of the redistributed
    pass + ``weight`` * ramp * squared probability distance between the passes. Nothing but the first acts before
    ``warmup``; by default there is none, since the stage starts from a trained network. The other arguments are those
    of :class:`CrossSamplePropagation`. With both weights 0 it is :class:`pcseg.methods.Supervised`, bit for bit.
    """

    needs = frozenset({"voxels"})

    def __init__(
        self,
        model: Model,
        stride: int = 8,
        weight: float = 1.0,
        label_weight: float = 1.0,
        warmup: float = 0.0,
        ramp: float = 0.1,
        teacher: float = 0.0,
        max_nodes: int | None = 2048,
        temperature: float = 1.0,
        lovasz: float = 0.0,
        every: int = 1,
        skips: bool = True,
    ) -> None:
        super().__init__(model, stride, weight, label_weight, warmup, ramp, teacher, lovasz, every, skips)
        channels = self.network.channels_at(stride)
        self.propagation = IntraSampleRedistribution(channels, max_nodes, temperature=temperature)

    def reallocate(self, level: SparseTensor, n_samples: int, generator: torch.Generator) -> Tensor:
        return self.propagation(level.feats, level.sample, generator)
