"""Standard deviation over the elements of the same index."""

import torch
from torch import Tensor

from pcseg.scatter._reduce import gather_rows, sum_rows, widened, write
from pcseg.scatter._rows import make_rows, prepare, resized


def scatter_std(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    unbiased: bool = True,
) -> Tensor:
    """Return the standard deviation of each segment; arguments as in scatter.

    The sum of squared differences from the mean is divided by the number of elements, less 1 if ``unbiased`` but at
    least 1, plus 1e-6: 0 for an empty segment, and for one element. ``out`` is added to that sum, and holds it then.
    The gradient of 0 is 0.
    """
    dim, index, size = prepare(src, index, dim, out, dim_size)
    wide = widened(src) if src.is_floating_point() else src.float()
    values, segment, count = make_rows(wide, index, dim, size)
    elements = segment.new_zeros([count]).index_add_(0, segment, torch.ones_like(segment)).unsqueeze(1)
    mean = sum_rows(values, segment, count) / elements.clamp(min=1)
    squares = sum_rows((values - gather_rows(mean, segment)).square(), segment, count).reshape(resized(src, dim, size))
    if out is not None:
        squares = write(out, out + squares, src.dtype)
    divisor = (elements - 1 if unbiased else elements).clamp(min=1).to(wide.dtype) + 1e-6
    variance = squares / divisor.expand(count, values.size(1)).reshape(squares.size())
    zero = variance == 0
    result = variance.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)
    return result.to(src.dtype) if src.is_floating_point() else result
