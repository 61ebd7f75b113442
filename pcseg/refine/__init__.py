"""Refinement of class probabilities by the positions and colors of elements."""

from pcseg.refine.crf import CLOUDS, CRF, IMAGES

__all__ = ["CLOUDS", "CRF", "IMAGES"]
