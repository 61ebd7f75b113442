"""Dense supervision propagation (arXiv 2107.11267): stage 1 across pairs of scans, stage 2 within each scan.

The two stages are two methods, trained one after the other on one network; run jointly they fall below the baseline
(spec 1.7). Their affinities live in the method, so the network that comes out of training has none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.data.batch import Batch
from pcseg.elements import Elements
from pcseg.errors import InputError
from pcseg.losses import cross_entropy, linear_ramp, segmentation_losses, squared_probability_distance
from pcseg.methods.base import Method, sparse
from pcseg.nn import frozen_statistics
from pcseg.propagation import CrossSampleReallocation, IntraSampleRedistribution
from pcseg.sparse import SparseTensor


class _Propagation(Method):
    """What the stages share: a clean pass, and a second decoding of features that were reallocated at one stride."""

    def __init__(
        self,
        network: nn.Module,
        stride: int,
        weight: float,
        warmup: float,
        ramp: float,
        detach_target: bool,
        lovasz: float,
    ) -> None:
        super().__init__(network)
        self.stride, self.weight, self.warmup, self.ramp = stride, weight, warmup, ramp
        self.detach_target, self.lovasz = detach_target, lovasz

    def reallocate(self, level: SparseTensor, n_samples: int, generator: torch.Generator) -> Tensor:
        """Features (N, C) to stand in for those of ``level``, which has rows of up to ``n_samples`` samples."""
        raise NotImplementedError

    def passes(self, batch: Batch, propagate: bool) -> tuple[Elements, Elements | None]:
        """The prediction of the network and, if wanted, the one from reallocated features.

        The second decoding has the geometry and skips of the scan itself (spec 1.6). Its batch-norm layers leave their
        running statistics alone: at test time the decoder meets clean features only (spec 1.11).
        """
        levels = self.network.encode(sparse(batch), self.stride)
        clean = self.network.decode(levels, position=batch.position, color=batch.color)
        if not propagate:
            return clean, None
        with frozen_statistics(self.network):
            reallocated = self.reallocate(levels[-1], batch.n_samples, _derived_generator())
            other = self.network.decode(
                (*levels[:-1], levels[-1].replace(reallocated)), position=batch.position, color=batch.color
            )
        return clean, other

    def consistency(self, clean: Elements, other: Elements, progress: float) -> dict[str, Tensor]:
        """Distance between the two predictions, mean over all voxels, times weight and ramp."""
        weight = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        target = clean.logits.detach() if self.detach_target else clean.logits
        return {"consistency": weight * squared_probability_distance(target, other.logits)} if weight > 0 else {}


class CrossSamplePropagation(_Propagation):
    """Stage 1: a scan's prediction from its partner's features must agree with the one from its own (spec 1.3).

    Samples 2m and 2m + 1 of a batch are partners, in both directions; they should share a labelled class.
    Loss: cross-entropy on the clean pass + ``weight`` * ramp * squared probability distance between the passes, the
    latter from ``progress > warmup`` on, grown linearly over ``ramp`` (both shares of the stage). No label loss acts
    on the reallocated pass. ``detach_target`` stops the distance's gradient at the clean prediction. ``stride`` is
    where features are exchanged; ``max_nodes`` and ``temperature`` are the affinity's; ``lovasz`` adds that loss
    to the clean pass. With weight 0 it is :class:`pcseg.methods.Supervised`, bit for bit.
    """

    def __init__(
        self,
        network: nn.Module,
        stride: int = 8,
        weight: float = 1.0,
        warmup: float = 0.1,
        ramp: float = 0.1,
        detach_target: bool = False,
        max_nodes: int | None = 2048,
        temperature: float = 1.0,
        lovasz: float = 0.0,
    ) -> None:
        super().__init__(network, stride, weight, warmup, ramp, detach_target, lovasz)
        self.propagation = CrossSampleReallocation(self.network.channels_at(stride), max_nodes, temperature=temperature)

    def reallocate(self, level: SparseTensor, n_samples: int, generator: torch.Generator) -> Tensor:
        partner = torch.arange(n_samples, device=level.feats.device) ^ 1
        return self.propagation(level.feats, level.sample, partner, generator)

    def losses(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        if batch.n_samples % 2:
            raise InputError(
                f"a batch of {batch.n_samples} samples has no pairs; use the pair sampler, even batch size"
            )
        active = self.weight > 0 and linear_ramp(progress, self.warmup, self.ramp) > 0
        clean, other = self.passes(batch, active)
        losses = segmentation_losses(clean.logits, batch.labels, self.lovasz)
        if other is not None:
            losses |= self.consistency(clean, other, progress)
        return losses


class IntraSamplePropagation(_Propagation):
    """Stage 2: labels act on each scan's prediction from features that all of its nodes were mixed into (spec 1.4).

    Loss: cross-entropy on the clean pass + ``label_weight`` * cross-entropy at the labelled voxels of the redistributed
    pass + ``weight`` * ramp * squared probability distance between the passes. Nothing but the first acts before
    ``progress > warmup``; by default there is no warm-up, since the stage starts from a trained network. The other
    arguments are those of :class:`CrossSamplePropagation`. With both weights 0 it is Supervised, bit for bit.
    """

    def __init__(
        self,
        network: nn.Module,
        stride: int = 8,
        weight: float = 1.0,
        label_weight: float = 1.0,
        warmup: float = 0.0,
        ramp: float = 0.1,
        detach_target: bool = False,
        max_nodes: int | None = 2048,
        temperature: float = 1.0,
        lovasz: float = 0.0,
    ) -> None:
        super().__init__(network, stride, weight, warmup, ramp, detach_target, lovasz)
        self.label_weight = label_weight
        self.propagation = IntraSampleRedistribution(
            self.network.channels_at(stride), max_nodes, temperature=temperature
        )

    def reallocate(self, level: SparseTensor, n_samples: int, generator: torch.Generator) -> Tensor:
        return self.propagation(level.feats, level.sample, generator)

    def losses(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        active = max(self.weight, self.label_weight) > 0 and progress >= self.warmup
        clean, other = self.passes(batch, active)
        losses = segmentation_losses(clean.logits, batch.labels, self.lovasz)
        if other is not None:
            if self.label_weight > 0:
                losses["propagated_cross_entropy"] = self.label_weight * cross_entropy(other.logits, batch.labels)
            losses |= self.consistency(clean, other, progress)
        return losses


def _derived_generator() -> torch.Generator:
    """A generator seeded by the global one, which does not move: node draws leave the network's dropout as it was."""
    with torch.random.fork_rng(devices=[]):
        return torch.Generator().manual_seed(int(torch.randint(2**62, ())))
