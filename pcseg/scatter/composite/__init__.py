"""Functions of segments that are made of several reductions."""

from pcseg.scatter.composite.logsumexp import scatter_logsumexp
from pcseg.scatter.composite.softmax import scatter_log_softmax, scatter_softmax
from pcseg.scatter.composite.std import scatter_std

__all__ = ["scatter_log_softmax", "scatter_logsumexp", "scatter_softmax", "scatter_std"]
