"""Logarithm of the sum of exponentials over the elements of the same index."""

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.scatter._reduce import gather_rows, sum_rows, widened, write
from pcseg.scatter._rows import make_rows, prepare, resized


def scatter_logsumexp(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    eps: float = 1e-12,
) -> Tensor:
    """Return log(sum(exp(src)) + eps) of each segment, floating; arguments as in scatter.

    0 for a segment that is empty or of -inf alone. With ``out``: the logarithm of exp(out) plus the sum, or out itself
    for such a segment. ``eps`` is relative to the exponential of the segment's maximum.
    """
    if not src.is_floating_point():
        raise InputError(f"src: {src.dtype} given; give a floating type")
    dim, index, size = prepare(src, index, dim, out, dim_size)
    shape = resized(src, dim, size)
    values, segment, count = make_rows(widened(src), index, dim, size)
    greatest, row = torch.ops.pcseg.segment_max(values, segment, count)
    none = ((row < 0) | (greatest == -float("inf"))).reshape(shape)
    greatest = torch.where(greatest.isfinite(), greatest, 0.0)
    sums = sum_rows((values - gather_rows(greatest, segment)).exp(), segment, count)
    result = (sums.reshape(shape).masked_fill(none, 1.0) + eps).log() + greatest.reshape(shape)
    if out is None:
        return result.masked_fill(none, 0.0).to(src.dtype)
    return write(out, torch.where(none, out, torch.logaddexp(result, out.clone().to(result.dtype))), src.dtype)
