"""Metrics of predictions."""

from pcseg.metrics.boundary import borders
from pcseg.metrics.calibration import Calibration
from pcseg.metrics.confusion import ConfusionMatrix

__all__ = ["Calibration", "ConfusionMatrix", "borders"]
