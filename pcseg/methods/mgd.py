"""A small network learns from two large ones: their decisions, the means of their scores, and how regions compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pcseg.checks import at_least_zero
from pcseg.elements import Elements
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import draw_boxes, labeled_part, mix, next_sample, unlabeled_part
from pcseg.losses import cross_entropy, labeled_losses
from pcseg.losses.distillation import region_means, sample_mean_distance, self_similarity_distance
from pcseg.methods.base import Method
from pcseg.model.checkpoint import add_teacher
from pcseg.model.model import Model
from pcseg.networks.protocol import LeveledNetwork
from pcseg.nn.levels import Level
from pcseg.sparse.sizes import check_sizes


class MultiGranularity(Method):
    """Multi-granularity distillation (MGD, arXiv 2208.10169) of trained networks, for pixels and voxels.

    ``teachers`` are run folders, there a wide and shallow network, then a deep and thin one; they stay as they are.
    Loss: cross-entropy with the labels + ``pixel`` * cross-entropy with the decisions of each teacher, on labeled and
    on unlabeled samples + ``image`` * :func:`pcseg.losses.distillation.sample_mean_distance` to the last teacher +
    ``region`` * :func:`pcseg.losses.distillation.self_similarity_distance` to the first, of the coarsest levels of the
    encoders, over ``cells`` along each axis; these two on unlabeled samples. In unlabeled samples ``boxes`` regions
    have changed places between samples (CutMix), before all networks see them. A weight of 0 leaves a part out.

    :func:`pcseg.metrics.flops.multiply_adds` counts what the small network saves. Where a batch does not say which
    samples are unlabeled, all serve as both. Raises InputError for no teacher, one of other classes or inputs, and
    numbers out of range.
    """

    def __init__(
        self,
        model: Model,
        teachers: Sequence[str] = (),
        pixel: float = 1.0,
        image: float = 0.001,
        region: float = 100.0,
        cells: int = 7,
        boxes: int = 3,
    ) -> None:
        super().__init__(model)
        if not teachers:
            raise InputError(
                "teachers=[]: this method learns from trained networks; name their run folders, such as "
                "stages.main.method.teachers=[outputs/wide,outputs/deep]"
            )
        at_least_zero(pixel=pixel, image=image, region=region, boxes=boxes)
        check_sizes("MultiGranularity", cells=cells)
        self.teachers = nn.ModuleList(add_teacher(model, f"teacher_{i}", run) for i, run in enumerate(teachers, 1))
        self.pixel, self.image, self.region, self.cells, self.boxes = pixel, image, region, cells, boxes
        if region > 0:
            for network in (self.network, self.teachers[0]):
                if not isinstance(network, LeveledNetwork):
                    raise InputError(f"region={region:g}: {type(network).__name__} has no levels to compare; give 0")

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        labeled, unlabeled = labeled_part(batch).batch, unlabeled_part(batch).batch
        if self.boxes:
            partner = next_sample(unlabeled.n_samples, unlabeled.sample.device)
            unlabeled = mix(unlabeled, partner, draw_boxes(unlabeled, self.boxes)).batch
        ours = self.predict(labeled)
        level, mixed = self._see(self.network, unlabeled)
        with torch.no_grad():
            taught = [self._see(teacher.eval(), unlabeled) for teacher in self.teachers]
        losses = labeled_losses(ours, labeled.labels, labeled.weights)
        if self.pixel > 0:
            with torch.no_grad():
                known = [self.predict(labeled, teacher).logits.argmax(dim=1) for teacher in self.teachers]
            parts = [cross_entropy(ours.logits, decision) for decision in known]
            parts += [cross_entropy(mixed.logits, elements.logits.argmax(dim=1)) for _, elements in taught]
            losses["pixel"] = self.pixel * torch.stack(parts).sum()
        if self.image > 0:
            target, count = taught[-1][1].logits, unlabeled.n_samples
            losses["image"] = self.image * sample_mean_distance(mixed.logits, target, unlabeled.sample, count)
        if self.region > 0:
            means, others = (region_means(x, unlabeled.inputs, self.cells) for x in (level, taught[0][0]))
            losses["region"] = self.region * self_similarity_distance(*means, *others)
        return losses

    def _see(self, network: Any, batch: Batch) -> tuple[Level, Elements]:
        """The coarsest level of a network's encoder, the input where no regions are compared, and its prediction."""
        if self.region == 0:
            return batch.inputs, self.predict(batch, network)
        levels = network.encode(batch.inputs)
        return levels[-1], network.decode(levels, position=batch.position, color=batch.color)
