"""The interface that all networks share, 2D and 3D, and the one of networks that can be cut at a stride.

To add a network, write one file in this package, import its name in ``pcseg/networks/__init__.py`` and list it in
``__all__`` (checkpoints name networks by it), add ``configs/network/<name>.yaml`` and a row to NETWORKS in
``tests/networks/test_contract.py``. The network is an ``nn.Module``; methods, evaluation and checkpoints rely on this:

- Constructor: takes ``in_channels`` and ``n_classes`` and any other arguments that JSON can hold; raises InputError for
  values it cannot use. The weights of the classifier, and no others, have ``n_classes`` as their first size, so that
  classes can be added later.
- ``forward``: one of :class:`Network`, row for row in the order of the input. For voxels the E elements are the N rows
  of
  the SparseTensor. For images (B, C, H, W) they are the B * H * W pixels, sample by sample, row by row:
  ``logits.permute(0, 2, 3, 1).reshape(-1, n_classes)`` at the resolution of the input.
- Elements: ``logits`` (E, K), and ``feats`` (E, C), the features that they are computed from. Auxiliary logits,
  projections
  and the like go into ``outputs`` by name, flattened in the same way.
- ``position`` and ``color`` are passed through unchanged. If ``position`` is None, it is voxel coordinates or pixels,
  float32.
- Batches may be as small as one element while training; use :func:`pcseg.nn.make_norm`. Samples do not see each other
  in
  eval mode.
- ``activation_checkpointing``, where offered, is a constructor argument and an attribute that may be set at any time:
  see :func:`pcseg.nn.run`. For torch.compile, sparse networks call :func:`pcseg.nn.make_maps` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

from pcseg.elements import Elements
from pcseg.sparse import SparseTensor

Inputs = TypeVar("Inputs", bound=SparseTensor | Tensor, contravariant=True)
Level = TypeVar("Level", bound=SparseTensor | Tensor)


@runtime_checkable
class Network(Protocol[Inputs]):
    """A network from voxels (SparseTensor) or images (Tensor (B, C, H, W)) to scores of each element."""

    def forward(self, inputs: Inputs, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        """Return Elements of E rows; ``position`` (E, 2 or 3) and ``color`` (E, 3) are passed through."""
        ...


@runtime_checkable
class LeveledNetwork(Protocol[Level]):
    """A Network that can be cut at a stride, for methods that change features there (dense supervision propagation).

    ``decode(encode(inputs, s), position, color)`` equals ``forward(inputs, position, color)`` for each s in
    ``strides``.
    """

    strides: tuple[int, ...]
    """Strides of the encoder levels, finest first, in voxels or pixels of the input."""

    def channels_at(self, stride: int) -> int:
        """Return the number of feature channels of the encoder level at ``stride``; raises InputError for others."""
        ...

    def encode(self, inputs: Level, stride: int | None = None) -> tuple[Level, ...]:
        """Return the encoder levels up to ``stride`` (default: the coarsest), finest first."""
        ...

    def decode(self, levels: Sequence[Level], position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        """Return the Elements of the levels of ``encode``, of which the features may have been replaced."""
        ...

    def forward(self, inputs: Level, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        """See :class:`Network`."""
        ...
