"""Ways to train: each wires networks, losses and propagation, and holds no formula of its own."""

from pcseg.methods.base import Method, ParameterGroup, groups
from pcseg.methods.coarse_propagation import CoarsePropagation
from pcseg.methods.dense_propagation import CrossSamplePropagation, IntraSamplePropagation
from pcseg.methods.scene_contrast import SceneContrast
from pcseg.methods.soft_labels import SoftLabels
from pcseg.methods.supervised import Supervised
from pcseg.methods.view_consistency import ViewConsistency

__all__ = [
    "CoarsePropagation",
    "CrossSamplePropagation",
    "IntraSamplePropagation",
    "Method",
    "ParameterGroup",
    "SceneContrast",
    "SoftLabels",
    "Supervised",
    "ViewConsistency",
    "groups",
]
