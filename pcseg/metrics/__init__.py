"""How good a prediction is."""

from pcseg.metrics.confusion import ConfusionMatrix

__all__ = ["ConfusionMatrix"]
