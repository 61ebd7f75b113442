"""Sparse tensors and the geometry that their layers share."""

from pcseg.sparse.cache import MapCache
from pcseg.sparse.kernel_map import KernelMap, kernel_offsets
from pcseg.sparse.tensor import SparseTensor

__all__ = ["KernelMap", "MapCache", "SparseTensor", "kernel_offsets"]
