"""Softmax and its logarithm over the elements of the same index."""

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.scatter._reduce import gather_rows, sum_rows, widened
from pcseg.scatter._rows import make_rows, prepare


def scatter_softmax(src: Tensor, index: Tensor, dim: int = -1, dim_size: int | None = None) -> Tensor:
    """Return the softmax over each segment, in the shape of ``src``, floating; ``index`` as in scatter."""
    if not src.is_floating_point():
        raise InputError(f"src: {src.dtype} given; give a floating type")
    dim, index, size = prepare(src, index, dim, None, dim_size)
    values, segment, count = make_rows(src, index, dim, size)
    return torch.ops.pcseg.segment_softmax(values, segment, count).reshape(src.size())


def scatter_log_softmax(
    src: Tensor, index: Tensor, dim: int = -1, eps: float = 1e-12, dim_size: int | None = None
) -> Tensor:
    """Return the logarithm of the softmax over each segment, in the shape of ``src``; arguments as in scatter_softmax.

    ``eps`` is added to the sum of exponentials.
    """
    if not src.is_floating_point():
        raise InputError(f"src: {src.dtype} given; give a floating type")
    dim, index, size = prepare(src, index, dim, None, dim_size)
    values, segment, count = make_rows(widened(src), index, dim, size)
    greatest = torch.ops.pcseg.segment_max(values, segment, count)[0]
    greatest = torch.where(greatest.isfinite(), greatest, 0.0)
    values = values - gather_rows(greatest, segment)
    scale = (sum_rows(values.exp(), segment, count) + eps).log()
    return (values - gather_rows(scale, segment)).reshape(src.size()).to(src.dtype)
