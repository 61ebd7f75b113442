"""One interface to other libraries of sparse convolutions, with pcseg's weights in their layers.

An adapter is a file ``<name>.py`` beside this one with a class ``Library(device)``:

- ``tensor(coords, feats)`` returns the library's tensor on new voxels (N, 4) int32, with no map yet, as a PeerTensor.
- ``layer(conv)`` returns the library's layer for a layer of pcseg: a module from PeerTensor to PeerTensor whose only
  parameter is its weight, of shape (K, Cin, Cout) or (Cout, k, k, k, Cin). Raises NotImplementedError if it has none.
- ``remark`` is a sentence that readers of its times need, without the name in front, or "".

An adapter turns TF32 off where its library has a setting for it, so that all multiply float32 alike.

:func:`kernel_order` measures in which order a library numbers the offsets of its kernels.
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
"""Import names of the peers."""


class PeerTensor(Protocol):
    """The part of SparseTensor that networks use; ``coords`` (N, 4) in input voxels, multiples of ``stride``."""

    stride: int

    @property
    def feats(self) -> Tensor: ...
    @property
    def coords(self) -> Tensor: ...
    @property
    def sample(self) -> Tensor: ...
    def replace(self, feats: Tensor) -> Any: ...


class Library(Protocol):
    """A library of sparse convolutions; the module's docstring describes its members."""

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
    """Return the installed peers for ``device``."""
    names = CPU_PEERS if torch.device(device).type == "cpu" else GPU_PEERS
    return [name for name in names if importlib.util.find_spec(name) is not None]


def version(name: str) -> str:
    """Return the package name and version of an installed peer."""
    owners = importlib.metadata.packages_distributions().get(name, [name])
    try:
        return f"{owners[0]} {importlib.metadata.version(owners[0])}"
    except importlib.metadata.PackageNotFoundError:
        return name


@functools.cache
def open_library(name: str, device: str) -> Library:
    """Return the library ``name``, "pcseg" or a peer; raises any error of importing a peer."""
    if name == "pcseg":
        return Own()
    library: Library = importlib.import_module(f"benchmarks.peers.{name.lower()}").Library(device)
    return library


def built(library: Library, conv: Conv) -> nn.Module:
    """Return the library's layer with the weight of ``conv``, on its device and of its dtype."""
    weight = conv.weight
    layer = library.layer(conv).to(weight.device, weight.dtype)
    with torch.no_grad():
        by_offset(next(layer.parameters())).copy_(weight[kernel_order(library, conv)])
    return layer


def in_our_order(library: Library, conv: Conv, gradient: Tensor) -> Tensor:
    """Return a gradient of the library's weight as a gradient (K, Cin, Cout) of the weight of ``conv``."""
    return torch.empty_like(conv.weight).index_copy_(0, kernel_order(library, conv), by_offset(gradient.contiguous()))


def by_offset(weight: Tensor) -> Tensor:
    """Return a view (K, Cin, Cout) of a library's weight."""
    if weight.dim() == 3:
        return weight
    return weight.view(len(weight), -1, weight.shape[-1]).permute(1, 2, 0)


def kernel_order(library: Library, conv: Conv) -> Tensor:
    """Return (K,) int64: the row of pcseg's weight for each row k of the library's."""
    up = isinstance(conv, SparseConvTranspose3d)
    return _kernel_order(library, up, conv.kernel_size, conv.stride, conv.weight.device, conv.weight.dtype)


@functools.cache
@torch.no_grad()
def _kernel_order(
    library: Library, up: bool, size: int, stride: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Measure the order on a cube of numbered voxels, with weights that copy offset k to channel k.

    The output at the cube's center (or corner) holds the voxel that each k read; of a transposed layer, the largest
    channel of each voxel is the k that it received.
    """
    k = size**3
    channels = 16 * -(-k // 16)  # some libraries only take multiples of 16
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
