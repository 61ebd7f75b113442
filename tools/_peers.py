"""Other libraries of sparse convolutions behind one face, with pcseg's own weights in their layers.

An adapter is a file ``_peer_<name>.py`` with a class ``Library(device)``:

- ``tensor(coords, feats)``: their tensor on new voxels (N, 4) int32, nothing known of them yet, as a :class:`PeerTensor`.
- ``layer(conv)``: their layer for ours, a module from PeerTensor to PeerTensor whose only parameter is its weight, of
  shape (K, Cin, Cout) or (Cout, k, k, k, Cin); raises NotImplementedError where they have none.
- ``remark``: what a reader of its times must know, without the name in front; "" for nothing.

Where a library has a setting for it, its adapter turns TF32 off, so that all multiply float32 alike.

In what order a library numbers the offsets of its kernels is not looked up but measured, by :func:`kernel_order`.
"""

from __future__ import annotations

import copy
import functools
import importlib
import importlib.metadata
import importlib.util
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pcseg.nn import SparseConv3d, SparseConvTranspose3d
from pcseg.sparse import SparseTensor, kernel_offsets

Conv = SparseConv3d | SparseConvTranspose3d

CPU_PEERS = ("spconv", "MinkowskiEngine")
GPU_PEERS = (*CPU_PEERS, "torchsparse", "warpconvnet", "flex_gemm")
"""Names that the peers are imported under."""


class PeerTensor(Protocol):
    """What the networks of pcseg ask of a sparse tensor; ``coords`` (N, 4) in voxels of the input, multiples of ``stride``."""

    stride: int

    @property
    def feats(self) -> Tensor: ...
    @property
    def coords(self) -> Tensor: ...
    @property
    def sample(self) -> Tensor: ...
    def replace(self, feats: Tensor) -> Any: ...


class Library(Protocol):
    """A library of sparse convolutions."""

    remark: str

    def tensor(self, coords: Tensor, feats: Tensor) -> Any: ...
    def layer(self, conv: Conv) -> nn.Module: ...
    def __hash__(self) -> int: ...


class Own:
    """pcseg itself."""

    remark = ""

    def tensor(self, coords: Tensor, feats: Tensor) -> SparseTensor:
        return SparseTensor(feats, coords)

    def layer(self, conv: Conv) -> nn.Module:
        return copy.deepcopy(conv)


def peers(device: str) -> list[str]:
    """The peers for ``device`` that are installed."""
    names = CPU_PEERS if torch.device(device).type == "cpu" else GPU_PEERS
    return [name for name in names if importlib.util.find_spec(name) is not None]


def version(name: str) -> str:
    """The version of an installed peer, as its package says."""
    owners = importlib.metadata.packages_distributions().get(name, [name])
    try:
        return f"{owners[0]} {importlib.metadata.version(owners[0])}"
    except importlib.metadata.PackageNotFoundError:
        return name


@functools.cache
def open_library(name: str, device: str) -> Library:
    """The library of that name; "pcseg" is ours. Whatever goes wrong in importing a peer is raised."""
    if name == "pcseg":
        return Own()
    library: Library = importlib.import_module(f"_peer_{name.lower()}").Library(device)
    return library


def built(library: Library, conv: Conv) -> nn.Module:
    """The library's layer with the weight of ``conv``, on the device and of the type of that."""
    weight = conv.weight
    layer = library.layer(conv).to(weight.device, weight.dtype)
    with torch.no_grad():
        by_offset(next(layer.parameters())).copy_(weight[kernel_order(library, conv)])
    return layer


def in_our_order(library: Library, conv: Conv, gradient: Tensor) -> Tensor:
    """A gradient for the library's weight as one for the weight of ``conv``, (K, Cin, Cout)."""
    return torch.empty_like(conv.weight).index_copy_(0, kernel_order(library, conv), by_offset(gradient.contiguous()))


def by_offset(weight: Tensor) -> Tensor:
    """A view (K, Cin, Cout) of a library's weight."""
    if weight.dim() == 3:
        return weight
    return weight.view(len(weight), -1, weight.shape[-1]).permute(1, 2, 0)


def kernel_order(library: Library, conv: Conv) -> Tensor:
    """(K,) int64: which row of our weight the library's row k stands for."""
    up = isinstance(conv, SparseConvTranspose3d)
    return _kernel_order(library, up, conv.kernel_size, conv.stride, conv.weight.device, conv.weight.dtype)


@functools.cache
@torch.no_grad()
def _kernel_order(
    library: Library, up: bool, size: int, stride: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Measured on a cube of voxels, each carrying its number, with weights that copy offset k to channel k.

    The output at its center (or corner) then says which voxel each k took; going up, each voxel says which k it got.
    """
    k = size**3
    channels = 16 * -(-k // 16)  # some libraries take multiples of 16 only
    at = torch.tensor([0, 64, 64, 64], dtype=torch.int32)
    cube = (at + nn.functional.pad(kernel_offsets(size), (1, 0))).to(device)
    number = torch.zeros(k, 16, device=device, dtype=dtype)
    number[:, 0] = torch.arange(1, k + 1)
    kind = SparseConvTranspose3d if up else SparseConv3d
    layer = library.layer(kind(16, channels, size, stride)).to(device, dtype)
    weight = by_offset(next(layer.parameters()))
    weight.zero_()
    weight[torch.arange(k), 0, torch.arange(k)] = 1
    x = library.tensor(cube, number)
    if up:
        x = library.layer(SparseConv3d(16, 16, size, stride)).to(device, dtype)(x)
        y = layer(x.replace(torch.ones_like(x.feats)))
        order = torch.empty(k, dtype=torch.int64, device=device)
        order[y.feats.argmax(1)] = (y.coords[:, None] == cube).all(2).long().argmax(1)
    else:
        y = layer(x)
        at_center = (y.coords == at.to(device)).all(1)
        order = y.feats[at_center][0, :k].round().long() - 1
    if sorted(order.tolist()) != list(range(k)):
        raise RuntimeError(f"a kernel of size {size} and stride {stride} does not reach each of its {k} voxels once")
    return order
