"""A MinkUNet whose kernel maps are inputs: gathers and matrix products alone, which every runtime knows."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from pcseg.errors import InputError
from pcseg.networks import MinkUNet
from pcseg.nn.conv import SparseConv, SparseConvTranspose3d
from pcseg.sparse import SparseTensor


@dataclass(frozen=True)
class Table:
    """A table of neighbors that convolutions read: from voxels of ``in_stride`` to those of ``out_stride``.

    ``dilation`` is in voxels of the finer stride.
    """

    in_stride: int
    out_stride: int
    kernel_size: int
    dilation: int

    @property
    def name(self) -> str:
        """The name of the graph's input."""
        dilated = f"_dilation_{self.dilation}" if self.dilation > 1 else ""
        return f"table_{self.in_stride}_to_{self.out_stride}_kernel_{self.kernel_size}{dilated}"


class TableNetwork(nn.Module):
    """The network of a MinkUNet in eval mode, from features and tables to scores.

    ``forward`` takes ``feats`` (N, C) and, for each of ``tables``, the rows (M, K) int64 of neighbors
    (:func:`pcseg.share.kernel_tables.tables`); it returns scores (N, n_classes). Raises InputError for a network of
    another kind, whose further layers have no such form.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        if type(network) is not MinkUNet:
            raise InputError(
                f"network {type(network).__name__}: cannot be exported; of point networks only MinkUNet can"
            )
        self.body = _converted(copy.deepcopy(network).float().cpu().eval())
        self.in_channels = network.in_channels
        self.tables = self._found()

    def forward(self, feats: Tensor, *tables: Tensor) -> Tensor:
        return self._scores(feats, dict(zip(self.tables, tables, strict=True)))

    def _scores(self, feats: Tensor, tables: Mapping[Table, Tensor]) -> Tensor:
        voxels = cast(SparseTensor, _Voxels(feats, 1, tables))
        body = cast(MinkUNet, self.body)
        return body.decode(body.encode(voxels), position=feats).logits

    def _found(self) -> tuple[Table, ...]:
        """Return the tables that the convolutions ask for, in the order of their first use."""
        asked = _Asked()
        with torch.no_grad():
            self._scores(torch.zeros(1, self.in_channels), asked)
        return tuple(asked)


@dataclass(frozen=True)
class _Voxels:
    """Features (N, C) at a stride: what of a SparseTensor the layers use."""

    feats: Tensor
    stride: int
    tables: Mapping[Table, Tensor]

    def replace(self, feats: Tensor) -> _Voxels:
        return replace(self, feats=feats)

    @property
    def sample(self) -> Tensor:
        return self.feats[:, 0]


class _Asked(dict[Table, Tensor]):
    """Tables of one voxel without neighbors, made when they are asked for."""

    def __missing__(self, table: Table) -> Tensor:
        self[table] = torch.ones(1, table.kernel_size**3, dtype=torch.int64)
        return self[table]


class _TableConv(nn.Module):
    """A SparseConv that looks its neighbors up in a table."""

    def __init__(self, conv: SparseConv) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.detach().flatten(0, 1))
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach())
        self.kernel_size, self.stride, self.dilation = conv.kernel_size, conv.stride, conv.dilation
        self.finer = isinstance(conv, SparseConvTranspose3d)

    def forward(self, x: _Voxels) -> _Voxels:
        stride = x.stride // self.stride if self.finer else x.stride * self.stride
        table = x.tables[Table(x.stride, stride, self.kernel_size, self.dilation)]
        rows = torch.cat([x.feats, x.feats.new_zeros(1, x.feats.shape[1])])  # the last: where there is no neighbor
        out = rows[table].flatten(1) @ self.weight
        return replace(x, feats=out if self.bias is None else out + self.bias, stride=stride)


def _converted(module: nn.Module) -> nn.Module:
    """Return ``module`` with its sparse convolutions replaced."""
    for name, child in module.named_children():
        converted: Any = _TableConv(child) if isinstance(child, SparseConv) else _converted(child)
        setattr(module, name, converted)
    return module
