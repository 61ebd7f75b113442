"""Ways to train a network: each wires a network, losses and propagation, and holds no formula of its own."""

from pcseg.methods.base import Method
from pcseg.methods.dense_propagation import CrossSamplePropagation, IntraSamplePropagation
from pcseg.methods.supervised import Supervised

__all__ = ["CrossSamplePropagation", "IntraSamplePropagation", "Method", "Supervised"]
