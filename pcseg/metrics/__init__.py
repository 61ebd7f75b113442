"""Metrics of predictions."""

from pcseg.metrics.boundary import at_boundary
from pcseg.metrics.calibration import Calibration
from pcseg.metrics.confusion import ConfusionMatrix

__all__ = ["Calibration", "ConfusionMatrix", "at_boundary"]
