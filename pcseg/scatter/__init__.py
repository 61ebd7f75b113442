"""Reduce tensors by index: an interface compatible with torch_scatter, without a library that is built for one torch.

For code that says ``from torch_scatter import scatter_mean``: ``import pcseg.scatter as torch_scatter``, and
``from pcseg.scatter.composite import ...`` for ``from torch_scatter.composite import ...``. Names, arguments and
results are those of torch_scatter 2.1.2, with these differences:

- All have second derivatives, those of segment_csr and segment_coo, too. The gradient of scatter_mul is also right
  where a factor is 0, and that of scatter_std is 0 where the deviation is.
- Half precision is reduced in float32 and rounded once.
- A mean of integers is rounded down by all functions.
- An index out of range, or of another type than int64, is an InputError (a ValueError) on the CPU. segment_coo takes an
  index in any order, and pointers of segment_csr need not cover the source.
- scatter_max takes a segment without an element above the lowest finite number, such as one of -inf alone, for an empty
  one, and skips NaN, as there; so do its like of segment_coo and segment_csr. scatter_logsumexp does not hide NaN.
- scatter_mul of an empty source is 1 everywhere.

Results are the same each time, on a GPU too, but for scatter_mul of floats there, which is torch's.
"""

from pcseg.scatter.composite import scatter_log_softmax, scatter_logsumexp, scatter_softmax, scatter_std
from pcseg.scatter.scatter import (
    scatter,
    scatter_add,
    scatter_max,
    scatter_mean,
    scatter_min,
    scatter_mul,
    scatter_sum,
)
from pcseg.scatter.segment_coo import (
    gather_coo,
    segment_add_coo,
    segment_coo,
    segment_max_coo,
    segment_mean_coo,
    segment_min_coo,
    segment_sum_coo,
)
from pcseg.scatter.segment_csr import (
    gather_csr,
    segment_add_csr,
    segment_csr,
    segment_max_csr,
    segment_mean_csr,
    segment_min_csr,
    segment_sum_csr,
)

__version__ = "2.1.2+pcseg"
"""The version of torch_scatter whose interface this is."""

__all__ = [
    "__version__",
    "gather_coo",
    "gather_csr",
    "scatter",
    "scatter_add",
    "scatter_log_softmax",
    "scatter_logsumexp",
    "scatter_max",
    "scatter_mean",
    "scatter_min",
    "scatter_mul",
    "scatter_softmax",
    "scatter_std",
    "scatter_sum",
    "segment_add_coo",
    "segment_add_csr",
    "segment_coo",
    "segment_csr",
    "segment_max_coo",
    "segment_max_csr",
    "segment_mean_coo",
    "segment_mean_csr",
    "segment_min_coo",
    "segment_min_csr",
    "segment_sum_coo",
    "segment_sum_csr",
]
