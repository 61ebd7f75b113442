"""Reduce over segments along a dimension: sum, mean, product, and the place of the extreme; gather along one.

``src`` of any shape; ``dim`` counted from 0; ``index`` from ``align``; ``size``: N, that of the result along ``dim``.
"""

import torch
from torch import Tensor

from pcseg.scatter._extreme import find_extreme
from pcseg.scatter._rows import make_rows, measure, number_rows, resized

# pcseg's ops serve on a GPU, where torch adds in any order, and on the CPU for many long rows. Against torch's, one
# thread, 200,000 rows into 20,000 segments in random order: for rows of 16 and 64 the sum is 4.7 and 2.8 times as fast,
# the gather, which is its gradient, 1.0 and 3.4 times; for rows of 1 they take twice as long.


def prefers_ops(src: Tensor, channels: int) -> bool:
    """Return whether pcseg's ops are the better ones for rows of ``channels`` numbers of ``src``."""
    return src.is_floating_point() and (src.is_cuda or (channels >= 8 and src.numel() >= 131072))


def widened(src: Tensor) -> Tensor:
    """Return ``src``, half precision as float32."""
    return src.float() if src.dtype == torch.float16 or src.dtype == torch.bfloat16 else src


def sum_rows(values: Tensor, segment: Tensor, count: int) -> Tensor:
    """Return the sum (count, C) of the rows (R, C) of each segment."""
    if prefers_ops(values, values.size(1)):
        return torch.ops.pcseg.weighted_sum(values, None, None, segment, count)
    return values.new_zeros([count, values.size(1)]).index_add_(0, segment, values)


def gather_rows(values: Tensor, row: Tensor) -> Tensor:
    """Return values[row], (R, C)."""
    if prefers_ops(values, values.size(1)):
        return torch.ops.pcseg.gather(values, row)
    return values.index_select(0, row)


def gather_along(src: Tensor, index: Tensor, dim: int) -> Tensor:
    """Return the slices of ``src`` at ``index``, which is the same for all that follows ``dim``."""
    shape = resized(src, dim, index.size(dim))
    row, count, channels = number_rows(index, shape, dim, src.size(dim))
    return gather_rows(src.reshape([count, channels]), row).reshape(shape)


def total(src: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
    """Return the sum of each segment, half precision as float32."""
    src, shape, channels = widened(src), resized(src, dim, size), 1
    for i in range(dim + 1, src.dim()):
        channels = channels * src.size(i) if index.size(i) == 1 else 0
    if src.numel() > 0 and prefers_ops(src, channels):
        values, segment, count = make_rows(src, index, dim, size)
        return sum_rows(values, segment, count).reshape(shape)
    return src.new_zeros(shape).scatter_add_(dim, index.expand_as(src), src)


def mean_of(total: Tensor, index: Tensor, dim: int) -> Tensor:
    """Return ``total`` divided by the number of elements of each segment, at least 1; rounded down for integers."""
    count = index.new_zeros(resized(index, dim, total.size(dim)))
    count = count.scatter_add_(dim, index, torch.ones_like(index)).clamp(min=1)
    if total.is_floating_point() or total.is_complex():
        return total / count
    return torch.div(total, count, rounding_mode="floor")


def product(src: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
    """Return the product of each segment, 1 for an empty one, half precision as float32.

    Torch looks at each number of the index itself, so here it is read only to say what torch has refused.
    """
    src = widened(src)
    if not torch.jit.is_scripting():
        return _explained(src, index, dim, size)
    return src.new_ones(resized(src, dim, size)).scatter_reduce(dim, index.expand_as(src), src, "prod")


def _explained(src: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
    try:
        return src.new_ones(resized(src, dim, size)).scatter_reduce(dim, index.expand_as(src), src, "prod")
    except RuntimeError:
        measure(index, dim, None, size)
        raise


def extreme(src: Tensor, index: Tensor, dim: int, size: int, greatest: bool) -> tuple[Tensor, Tensor]:
    """Return the greatest or smallest of each segment, and the place along ``dim`` of the first that equals it.

    For an empty segment: 0, and E. The gradient goes to that place.
    """
    elements, shape = src.size(dim), resized(src, dim, size)
    if src.numel() == 0:
        return total(src, index, dim, size).to(src.dtype), index.new_full(shape, elements)
    values, segment, count = make_rows(src, index, dim, size)
    best, row = find_extreme(values, segment, count, greatest)
    place = row.reshape(shape)
    if values.size(0) > elements:
        inner = src.numel() // values.size(1)
        for i in range(dim + 1):
            inner = inner // src.size(i)
        place = (place // inner % elements).masked_fill(place == values.size(0), elements)
    return best.reshape(shape), place


def write(out: Tensor | None, result: Tensor, dtype: torch.dtype) -> Tensor:
    """Return ``result`` as ``dtype``, in ``out`` where there is one."""
    return result.to(dtype) if out is None else out.copy_(result)
