"""Losses: scalars to minimize, for elements of any kind (points, voxels or pixels)."""

from pcseg.losses.affinity import pair_affinity
from pcseg.losses.consistency import pseudo_label_cross_entropy, squared_probability_distance
from pcseg.losses.contrast import draw_pairs, info_nce, restoration
from pcseg.losses.noise import symmetric_cross_entropy, truncated_cross_entropy
from pcseg.losses.segmentation import (
    auxiliary_losses,
    cross_entropy,
    labeled_losses,
    lovasz_softmax,
    segmentation_losses,
)
from pcseg.losses.tags import intersection_class_loss, present_classes
from pcseg.losses.unlabeled import entropy, soft_cross_entropy

__all__ = [
    "auxiliary_losses",
    "cross_entropy",
    "draw_pairs",
    "entropy",
    "info_nce",
    "intersection_class_loss",
    "labeled_losses",
    "lovasz_softmax",
    "pair_affinity",
    "present_classes",
    "pseudo_label_cross_entropy",
    "restoration",
    "segmentation_losses",
    "soft_cross_entropy",
    "squared_probability_distance",
    "symmetric_cross_entropy",
    "truncated_cross_entropy",
]
