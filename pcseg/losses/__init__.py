"""Scalars to minimise, each in one place, for elements of any kind."""

from pcseg.losses.consistency import squared_probability_distance
from pcseg.losses.ramp import linear_ramp
from pcseg.losses.segmentation import cross_entropy, lovasz_softmax, segmentation_losses

__all__ = ["cross_entropy", "linear_ramp", "lovasz_softmax", "segmentation_losses", "squared_probability_distance"]
