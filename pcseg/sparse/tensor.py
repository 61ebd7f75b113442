"""SparseTensor: features on voxels. Layers change features; the geometry never changes."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.sparse.cache import MapCache
from pcseg.sparse.sizes import check_sizes


@dataclass(frozen=True)
class SparseTensor:
    """Features on N voxels of a batch of samples, in any order; each voxel once.

    ``feats`` (N, C) float; ``coords`` (N, 4) int32, rows (sample, x, y, z) in units of the finest voxel, multiples of
    ``stride``. ``maps`` is shared by all tensors derived from the same input; without ``shared``, the tensor is a new
    input with a cache of its own. Raises InputError for shapes, types or a stride that do not fit.
    """

    feats: Tensor
    coords: Tensor
    stride: int = 1
    shared: InitVar[MapCache | None] = None
    maps: MapCache = field(init=False, repr=False, compare=False)

    def __post_init__(self, shared: MapCache | None) -> None:
        # Not while compiling: sizes found equal in a graph become one symbol, that of coords, which is no input of the
        # graph; code of inductor (torch 2.13) then lacks it.
        if not torch.compiler.is_compiling():
            self._check()
        object.__setattr__(self, "maps", MapCache(self.coords, self.stride) if shared is None else shared)

    def _check(self) -> None:
        check_sizes("SparseTensor", stride=self.stride)
        if self.coords.dim() != 2 or self.coords.shape[1] != 4 or self.coords.dtype != torch.int32:
            found = f"{tuple(self.coords.shape)} {self.coords.dtype}"
            raise InputError(f"coords: {found}; give (N, 4) int32, rows (sample, x, y, z)")
        if self.feats.dim() != 2 or len(self.feats) != len(self.coords) or not self.feats.is_floating_point():
            found = f"{tuple(self.feats.shape)} {self.feats.dtype}"
            raise InputError(f"feats: {found}; give ({len(self.coords)}, C) floats, a row for each row of coords")

    def replace(self, feats: Tensor) -> SparseTensor:
        """Return a tensor of the same voxels with other features (N, C')."""
        return SparseTensor(feats, self.coords, self.stride, self.maps)

    def at(self, stride: int, feats: Tensor) -> SparseTensor:
        """Return a tensor of ``feats`` (M, C) on the voxels of the same input at another stride."""
        return SparseTensor(feats, self.maps.coords(stride), stride, self.maps)

    def __len__(self) -> int:
        return len(self.feats)

    @property
    def sample(self) -> Tensor:
        """Sample of each voxel, (N,) int64."""
        return self.coords[:, 0].long()

    @property
    def n_samples(self) -> int:
        """Number of samples B, taken as the largest sample index plus one."""
        return int(self.coords[:, 0].max()) + 1 if len(self) else 0
