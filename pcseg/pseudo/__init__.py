"""Pseudo labels: where they come from, which of them to trust, and teachers."""

from pcseg.pseudo.descriptors import describe
from pcseg.pseudo.forest import Forest
from pcseg.pseudo.graph import EdgeCosts, SurfaceGraph, surface_graph
from pcseg.pseudo.mean_teacher import MeanTeacher
from pcseg.pseudo.spread import Spreading, smoothed
from pcseg.pseudo.spreading import class_distances, path_probabilities, random_walk
from pcseg.pseudo.suggest import suggest_points
from pcseg.pseudo.superpoints import make_superpoints

__all__ = [
    "EdgeCosts",
    "Forest",
    "MeanTeacher",
    "Spreading",
    "SurfaceGraph",
    "class_distances",
    "describe",
    "make_superpoints",
    "path_probabilities",
    "random_walk",
    "smoothed",
    "suggest_points",
    "surface_graph",
]
