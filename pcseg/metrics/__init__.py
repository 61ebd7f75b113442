"""Metrics of predictions."""

from pcseg.metrics.confusion import ConfusionMatrix

__all__ = ["ConfusionMatrix"]
