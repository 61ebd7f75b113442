"""Propagation of supervision through feature affinities: features in, features out, no labels."""

from pcseg.propagation.affinity import AffinityProfile, BilinearAffinity
from pcseg.propagation.cross_sample import CrossSampleReallocation
from pcseg.propagation.intra_sample import IntraSampleRedistribution

__all__ = ["AffinityProfile", "BilinearAffinity", "CrossSampleReallocation", "IntraSampleRedistribution"]
