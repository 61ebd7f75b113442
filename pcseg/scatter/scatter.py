"""Reduce elements of the same index, in any order, along a dimension.

Each function takes ``src`` of any shape, ``index`` int64 that broadcasts to it (one dimension: along ``dim``; several:
from the first on), and either ``out``, in which the result is written, or ``dim_size``, the size of the result along
``dim`` (by default the greatest index plus 1). Raises InputError where they do not fit.
"""

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.scatter._reduce import extreme, mean_of, product, total, write
from pcseg.scatter._rows import prepare


def scatter_sum(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """Return the sum of each segment, 0 for an empty one; with ``out``, out plus the sum."""
    dim, index, size = prepare(src, index, dim, out, dim_size)
    result = total(src, index, dim, size)
    return write(out, result if out is None else out + result, src.dtype)


def scatter_add(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """Return the same as ``scatter_sum``."""
    return scatter_sum(src, index, dim, out, dim_size)


def scatter_mul(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """Return the product of each segment, 1 for an empty one; with ``out``, out times the product."""
    dim, index, size = prepare(src, index, dim, out, dim_size, torch.jit.is_scripting())
    result = product(src, index, dim, size)
    return write(out, result if out is None else out.clone() * result, src.dtype)


def scatter_mean(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """Return the mean of each segment, 0 for an empty one, rounded down for integers.

    With ``out``: out plus the sum, divided by the number of elements of ``src``, at least 1.
    """
    dim, index, size = prepare(src, index, dim, out, dim_size)
    result = total(src, index, dim, size)
    return write(out, mean_of(result if out is None else out + result, index, dim), src.dtype)


def scatter_min(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the minimum of each segment and its place along ``dim``, the first of equals.

    For an empty segment these are 0 and the size of ``src`` along ``dim``. With ``out``: the minimum of out and the
    segment, and that size where out is no greater.
    """
    return _extreme(src, index, dim, out, dim_size, False)


def scatter_max(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the maximum of each segment and its place along ``dim``, the first of equals.

    For an empty segment these are 0 and the size of ``src`` along ``dim``. With ``out``: the maximum of out and the
    segment, and that size where out is no smaller.
    """
    return _extreme(src, index, dim, out, dim_size, True)


def scatter(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    reduce: str = "sum",
) -> Tensor:
    """Return one of the above by its name: "sum" or "add", "mul", "mean", "min" or "max", without the places."""
    if reduce == "sum" or reduce == "add":
        return scatter_sum(src, index, dim, out, dim_size)
    if reduce == "mul":
        return scatter_mul(src, index, dim, out, dim_size)
    if reduce == "mean":
        return scatter_mean(src, index, dim, out, dim_size)
    if reduce == "min":
        return scatter_min(src, index, dim, out, dim_size)[0]
    if reduce == "max":
        return scatter_max(src, index, dim, out, dim_size)[0]
    raise InputError(f"reduce={reduce}: must be one of sum, add, mul, mean, min, max")


def _extreme(
    src: Tensor, index: Tensor, dim: int, out: Tensor | None, dim_size: int | None, greatest: bool
) -> tuple[Tensor, Tensor]:
    dim, index, size = prepare(src, index, dim, out, dim_size)
    result, place = extreme(src, index, dim, size, greatest)
    if out is None:
        return result, place
    better = (place < src.size(dim)) & ((result > out) if greatest else (result < out))
    return out.copy_(torch.where(better, result, out)), place.masked_fill(~better, src.size(dim))
