"""Pooling of a SparseTensor over the voxels that are present."""

from __future__ import annotations

from torch import Tensor, nn

from pcseg import ops
from pcseg.sparse import SparseTensor
from pcseg.sparse.sizes import check_sizes


class _SparsePool(nn.Module):
    """Output voxel m takes in the inputs at m + offset k that exist; empty neighbors do not count."""

    def __init__(self, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        check_sizes(type(self).__name__, kernel_size=kernel_size, stride=stride)
        self.kernel_size, self.stride = kernel_size, stride

    def reduce(self, values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
        raise NotImplementedError

    def forward(self, x: SparseTensor) -> SparseTensor:
        out_stride = x.stride * self.stride
        kernel_map = x.maps.kernel_map(x.stride, out_stride, self.kernel_size)
        rows_in, rows_out = kernel_map.pairs.long()
        return x.at(out_stride, self.reduce(x.feats[rows_in], rows_out, kernel_map.n_out))

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class SparseMaxPool3d(_SparsePool):
    """Largest value of each channel among the present inputs."""

    def reduce(self, values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
        return ops.segment_max(values, segment, n_segments)


class SparseAvgPool3d(_SparsePool):
    """Mean of each channel over the present inputs."""

    def reduce(self, values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
        return ops.segment_mean(values, segment, n_segments)
