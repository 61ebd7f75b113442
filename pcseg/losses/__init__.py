"""Losses: scalars to minimize, for elements of any kind (points, voxels or pixels)."""

from pcseg.losses.consistency import squared_probability_distance
from pcseg.losses.segmentation import cross_entropy, lovasz_softmax, segmentation_losses

__all__ = ["cross_entropy", "lovasz_softmax", "segmentation_losses", "squared_probability_distance"]
