"""The interface that all networks share, 2D and 3D, and the interface of networks that can be cut at a stride.

To add a network, write one file in this package, import its name in ``pcseg/networks/__init__.py`` and list it in
``__all__`` (checkpoints name networks by it), add ``configs/network/<name>.yaml`` and a row to NETWORKS in
``tests/networks/test_contract.py``. A network is an ``nn.Module``. Methods, evaluation and checkpoints need this of it:

- Constructor: takes ``in_channels``, ``n_classes`` and any other arguments that JSON can hold; raises InputError for
  values it cannot use. The first size of the classifier's weights, and of no others, is ``n_classes``, so that classes
  can be added later.
- ``forward``: that of :class:`Network`, row for row in the order of the input. For voxels the E elements are the N rows
  of the SparseTensor; for images (B, C, H, W) the B * H * W pixels (:func:`pcseg.elements.flatten_pixels`).
  The type of its first argument, SparseTensor or Tensor, tells which of the two it takes.
- Elements: ``logits`` (E, K) and ``feats`` (E, C), the features they are computed from. Auxiliary logits, projections
  and the like go into ``outputs`` by name, flattened in the same way. ``position`` and ``color`` are those given; the
  default of ``position`` is voxel coordinates or pixels, float32.
- Samples of a batch do not affect each other in eval mode. A batch in training may have a single element: use
  :func:`pcseg.nn.make_norm`.
- ``activation_checkpointing``, if offered, is an argument of the constructor and an attribute that may change at any
  time (:func:`pcseg.nn.run`). For torch.compile, sparse networks call :func:`pcseg.nn.make_maps` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

from pcseg.elements import Elements
from pcseg.errors import InputError
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

    For each s of ``strides``, ``decode(encode(inputs, s), position, color)`` is ``forward(inputs, position, color)``.
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


def feature_channels(network: object) -> int:
    """Return the number C of channels of a network's ``feats``: what its classifier ``head`` takes.

    Raises InputError for a network whose head does not say.
    """
    head = getattr(network, "head", None)
    for name in ("in_features", "in_channels"):
        if isinstance(found := getattr(head, name, None), int):
            return found
    raise InputError(f"{type(network).__name__}: has no 'head' that says how many features it takes; give it one")


def check_levels(method: str, network: object) -> None:
    """Raise InputError, naming the ``method`` that wants to cut it at a stride, for a network without levels."""
    if not isinstance(network, LeveledNetwork):
        raise InputError(f"{method}: {type(network).__name__} has no levels (encode, decode); take one that has")
