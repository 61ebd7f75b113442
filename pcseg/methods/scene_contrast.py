"""Masked scene contrast (arXiv 2303.14191): pretrain a network on clouds without labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.checks import above_zero, at_least_zero
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import draw_pairs, info_nce, restoration
from pcseg.methods.base import Method, ParameterGroup, groups
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.pseudo.masking import cross_masks


class SceneContrast(Method):
    """The same point of two views gets the same features, and input features that were masked are restored.

    In each of two views of a scene a share ``mask`` of the cells, cubes of ``cell`` voxels, has its input features
    replaced by a learned vector; no cell is masked in both. Loss: InfoNCE at ``temperature`` over up to ``pairs``
    matched voxels of a batch, on the features before the classifier, + ``restore`` * squared error of the input
    features of masked voxels, read off the same features by a linear map. Neither labels nor the classifier take
    part. Raises InputError for a network of images or without a linear layer ``head``, and for shares out of range.
    """

    needs = frozenset({"matches", "voxels"})
    reads_labels = False

    def __init__(
        self,
        model: Model,
        mask: float = 0.4,
        cell: float = 5.0,
        temperature: float = 0.4,
        pairs: int = 2048,
        restore: float = 1.0,
    ) -> None:
        super().__init__(model)
        head = getattr(self.network, "head", None)
        if not isinstance(model.inputs, VoxelInputs) or not isinstance(head, nn.Linear):
            raise InputError(f"SceneContrast: takes voxels and a network with a linear layer 'head', not {model!r}")
        above_zero(cell=cell, temperature=temperature, pairs=pairs)
        at_least_zero(restore=restore)
        if not 0 <= mask <= 0.5:
            raise InputError(f"mask={mask:g}: give a share from 0 to 0.5")
        self.mask, self.size = mask, cell * model.inputs.voxel_size
        self.temperature, self.pairs, self.weight = temperature, pairs, restore
        self.masked = nn.Parameter(torch.zeros(model.inputs.width))
        self.restored = nn.Linear(head.in_features, model.inputs.width) if restore > 0 else None

    def players(self) -> dict[str, list[ParameterGroup]]:
        classifier = {id(parameter) for parameter in self.network.head.parameters()}
        return {"main": groups((n, p) for n, p in self.named_parameters() if id(p) not in classifier)}

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        assert batch.matches is not None
        feats = batch.voxels.feats
        masked = cross_masks(batch.position, batch.sample, batch.matches, self.size, self.mask)
        seen = torch.where(masked[:, None], self.masked.to(feats.dtype), feats)
        found = self.network(batch.voxels.replace(seen), position=batch.position, color=batch.color).feats
        first, second = draw_pairs(batch.matches, self.pairs)
        losses = {"contrast": info_nce(found[first], found[second], self.temperature)}
        if self.restored is not None:
            losses["restoration"] = self.weight * restoration(self.restored(found), feats, masked)
        return losses
