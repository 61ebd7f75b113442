"""Pooling of a SparseTensor over the voxels that are present."""

from __future__ import annotations

from torch import Tensor, nn

from pcseg import ops
from pcseg.sparse import KernelMap, SparseTensor
from pcseg.sparse.sizes import check_sizes


class SparsePool(nn.Module):
    """Pooling: output voxel m reduces the present inputs at m + offset k; absent neighbors do not count.

    Features (N, C) become (M, C) at ``stride`` times the stride of the input.
    """

    def __init__(self, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        check_sizes(type(self).__name__, kernel_size=kernel_size, stride=stride)
        self.kernel_size, self.stride = kernel_size, stride

    def reduce(self, values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
        """Return (n_segments, C) from ``values`` (Q, C), of which row q belongs to segment[q], (Q,) int64."""
        raise NotImplementedError

    def maps(self, x: SparseTensor) -> tuple[int, KernelMap]:
        """Return the stride of the output and the kernel map to it."""
        stride = x.stride * self.stride
        return stride, x.maps.kernel_map(x.stride, stride, self.kernel_size)

    def forward(self, x: SparseTensor) -> SparseTensor:
        stride, kernel_map = self.maps(x)
        rows_in, rows_out = kernel_map.pairs.long()
        return x.at(stride, self.reduce(x.feats[rows_in], rows_out, kernel_map.n_out))

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class SparseMaxPool3d(SparsePool):
    """Largest value of each channel among the present inputs."""

    def reduce(self, values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
        return ops.segment_max(values, segment, n_segments)


class SparseAvgPool3d(SparsePool):
    """Mean of each channel over the present inputs."""

    def reduce(self, values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
        return ops.segment_mean(values, segment, n_segments)
