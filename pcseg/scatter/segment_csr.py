"""Reduce ranges of elements, from one pointer to the next; repeat a value for each element of its range.

``indptr`` (..., N + 1) int64, ascending, goes with the first dimensions of ``src`` (..., E, ...), of size 1 where it is
the same for all: range n is from indptr[n] up to, not including, indptr[n + 1]. Ranges need not begin at 0 or end at E.
``out``, where the result is written, is overwritten. Raises InputError where they do not fit.
"""

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.scatter._reduce import extreme, gather_along, mean_of, total, write
from pcseg.scatter._rows import align, can_be_read, check_index, check_out, resized


def segment_sum_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """Return the sum of each range, 0 for an empty one."""
    dim, index, size = _prepare(src, indptr, out)
    return write(out, _inside(total(src, index, dim, size), dim), src.dtype)


def segment_add_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """Return the same as ``segment_sum_csr``."""
    return segment_sum_csr(src, indptr, out)


def segment_mean_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """Return the mean of each range, 0 for an empty one, rounded down for integers."""
    dim, index, size = _prepare(src, indptr, out)
    return write(out, _inside(mean_of(total(src, index, dim, size), index, dim), dim), src.dtype)


def segment_min_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the minimum of each range and its place, 0 and E for an empty one."""
    dim, index, size = _prepare(src, indptr, out)
    result, place = extreme(src, index, dim, size, False)
    return write(out, _inside(result, dim), src.dtype), _inside(place, dim)


def segment_max_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the maximum of each range and its place, 0 and E for an empty one."""
    dim, index, size = _prepare(src, indptr, out)
    result, place = extreme(src, index, dim, size, True)
    return write(out, _inside(result, dim), src.dtype), _inside(place, dim)


def segment_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None, reduce: str = "sum") -> Tensor:
    """Return one of the above by its name: "sum" or "add", "mean", "min" or "max", without the places."""
    if reduce == "sum" or reduce == "add":
        return segment_sum_csr(src, indptr, out)
    if reduce == "mean":
        return segment_mean_csr(src, indptr, out)
    if reduce == "min":
        return segment_min_csr(src, indptr, out)[0]
    if reduce == "max":
        return segment_max_csr(src, indptr, out)[0]
    raise InputError(f"reduce={reduce}: must be one of sum, add, mean, min, max")


def gather_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """Return ``src`` (..., N, ...) with slice n repeated over range n: (..., E, ...), where E is the greatest pointer.

    Elements in no range are 0, or those of ``out``.
    """
    check_index(indptr, src)
    dim = indptr.dim() - 1
    check_out(out, src, dim)
    ranges = max(indptr.size(dim) - 1, 0)
    if src.size(dim) != ranges:
        raise InputError(f"src: size {src.size(dim)} in dimension {dim}; give {ranges}, one less than indptr has")
    elements = 0
    if out is not None:
        elements = out.size(dim)
    elif indptr.numel() > 0:
        elements = int(indptr.max())
    index = align(_number(indptr, elements), resized(src, dim, elements), dim)
    outside = (index == 0) | (index == ranges + 1)
    if ranges == 0:
        result = src.sum(dim, keepdim=True).expand(resized(src, dim, elements))  # zeros, with a gradient
    else:
        result = gather_along(src, (index - 1).clamp(0, ranges - 1), dim)
    if not can_be_read(outside) or bool(outside.any()):
        result = result.masked_fill(outside, 0) if out is None else torch.where(outside, out, result)
    return write(out, result, src.dtype)


def _prepare(src: Tensor, indptr: Tensor, out: Tensor | None) -> tuple[int, Tensor, int]:
    """Return the dimension of the ranges, the aligned index of each element's range, and N + 2.

    Index 0 is before the first range, N + 1 behind the last.
    """
    check_index(indptr, src)
    dim = indptr.dim() - 1
    check_out(out, src, dim)
    ranges = max(indptr.size(dim) - 1, 0)
    if out is not None and out.size(dim) != ranges:
        raise InputError(f"out: size {out.size(dim)} in dimension {dim}; give {ranges}, one less than indptr has")
    return dim, align(_number(indptr, src.size(dim)), list(src.size()), dim), ranges + 2


def _number(indptr: Tensor, elements: int) -> Tensor:
    """Return the range of each of ``elements``, counted from 1: (..., elements)."""
    last = indptr.dim() - 1
    first = indptr.new_zeros(resized(indptr, last, 1))
    length = torch.cat([first, indptr, first + elements], dim=last).diff(dim=last)
    if can_be_read(indptr) and bool((length < 0).any()):
        raise InputError(f"indptr: does not ascend within 0 to {elements}; give pointers that do")
    number = torch.repeat_interleave(length.reshape([-1]), output_size=first.numel() * elements)
    return number.reshape(resized(indptr, last, elements)) % length.size(last)


def _inside(result: Tensor, dim: int) -> Tensor:
    """Return ``result`` without that of the elements before the first range and behind the last."""
    return result.narrow(dim, 1, result.size(dim) - 2).contiguous()
