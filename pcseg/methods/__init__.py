"""Ways to train: each wires networks, losses and propagation, and holds no formula of its own."""

from pcseg.methods.base import Method, ParameterGroup, groups
from pcseg.methods.dense_propagation import CrossSamplePropagation, IntraSamplePropagation
from pcseg.methods.supervised import Supervised

__all__ = ["CrossSamplePropagation", "IntraSamplePropagation", "Method", "ParameterGroup", "Supervised", "groups"]
