"""Propagation of supervision through feature affinities, and the labels of coarse voxels that supervise it."""

from pcseg.propagation.affinity import AffinityProfile, BilinearAffinity
from pcseg.propagation.cross_sample import CrossSampleReallocation
from pcseg.propagation.draws import derived_generator
from pcseg.propagation.histogram import histogram_cross_entropy, label_histogram, main_label
from pcseg.propagation.intra_sample import IntraSampleRedistribution

__all__ = [
    "AffinityProfile",
    "BilinearAffinity",
    "CrossSampleReallocation",
    "IntraSampleRedistribution",
    "derived_generator",
    "histogram_cross_entropy",
    "label_histogram",
    "main_label",
]
