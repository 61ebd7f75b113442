"""Reduce elements of the same index along the last dimension of the index; gather by index.

``index`` (..., E) int64 goes with the first dimensions of ``src`` (..., E, ...), of size 1 where it is the same for
all. It need not be sorted. ``out`` and ``dim_size`` are those of scatter. Raises InputError where they do not fit.
"""

from torch import Tensor

from pcseg.errors import InputError
from pcseg.scatter._reduce import gather_along, write
from pcseg.scatter._rows import align, check_index, check_out, measure, resized
from pcseg.scatter.scatter import scatter_max, scatter_mean, scatter_min, scatter_sum


def segment_sum_coo(src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None) -> Tensor:
    """Return the sum of each segment, 0 for an empty one; see scatter_sum."""
    return scatter_sum(src, index, index.dim() - 1, out, dim_size)


def segment_add_coo(src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None) -> Tensor:
    """Return the same as ``segment_sum_coo``."""
    return segment_sum_coo(src, index, out, dim_size)


def segment_mean_coo(src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None) -> Tensor:
    """Return the mean of each segment, 0 for an empty one, rounded down for integers; see scatter_mean."""
    return scatter_mean(src, index, index.dim() - 1, out, dim_size)


def segment_min_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the minimum of each segment and its place, 0 and E for an empty one; see scatter_min."""
    return scatter_min(src, index, index.dim() - 1, out, dim_size)


def segment_max_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the maximum of each segment and its place, 0 and E for an empty one; see scatter_max."""
    return scatter_max(src, index, index.dim() - 1, out, dim_size)


def segment_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None, reduce: str = "sum"
) -> Tensor:
    """Return one of the above by its name: "sum" or "add", "mean", "min" or "max", without the places."""
    if reduce == "sum" or reduce == "add":
        return segment_sum_coo(src, index, out, dim_size)
    if reduce == "mean":
        return segment_mean_coo(src, index, out, dim_size)
    if reduce == "min":
        return segment_min_coo(src, index, out, dim_size)[0]
    if reduce == "max":
        return segment_max_coo(src, index, out, dim_size)[0]
    raise InputError(f"reduce={reduce}: must be one of sum, add, mean, min, max")


def gather_coo(src: Tensor, index: Tensor, out: Tensor | None = None) -> Tensor:
    """Return for each index (..., E) the slice of ``src`` (..., N, ...) there: (..., E, ...)."""
    check_index(index, src)
    dim = index.dim() - 1
    check_out(out, src, dim)
    index = align(index, resized(src, dim, index.size(dim)), dim)
    measure(index, dim, None, src.size(dim))
    return write(out, gather_along(src, index, dim), src.dtype)
