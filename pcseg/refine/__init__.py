"""Refinement of class probabilities by the positions and colors of elements."""

from pcseg.refine.crf import CLOUDS, CRF, IMAGES
from pcseg.refine.scenes import check_color, refine_scene

__all__ = ["CLOUDS", "CRF", "IMAGES", "check_color", "refine_scene"]
