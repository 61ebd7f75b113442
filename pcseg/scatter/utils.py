"""Broadcast an index to its source, by the rule that all functions of this package follow."""

from torch import Tensor

from pcseg.scatter._rows import align, place_dim


def broadcast(src: Tensor, other: Tensor, dim: int) -> Tensor:
    """Return ``src`` expanded to the shape of ``other``.

    A tensor of one dimension runs along ``dim``; one of several begins at the first dimension of ``other``.
    """
    return align(src, list(other.size()), place_dim(dim, other)).expand_as(other)
