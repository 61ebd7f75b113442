"""Low-rank updates of weights (LoRA, Hu et al., arXiv 2106.09685) for the layers of sparse and dense networks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from pcseg.errors import InputError
from pcseg.nn.conv import SparseConv

UPDATE = "parametrizations.weight."
"""Names of the tensors of a layer with a low-rank update begin so, below the name of the layer."""


class LowRank(nn.Module):
    """Maps a weight to weight + scale * down @ up, its own size, with few numbers to train (arXiv 2106.09685, Eq. 3).

    The weight is that of a Linear (cout, cin), of a Conv2d (cout, cin, h, w), K = h * w, or of a SparseConv (K, cin,
    cout); ``down`` is (K * cin, rank) and ``up`` (rank, cout): a convolution to ``rank`` channels and a linear map of
    these. (Of a grouped Conv2d cin are the channels of one group, and each output channel keeps to its own.) ``down``
    is random, from the global generator, and ``up`` is 0, so that the map begins as the identity. ``scale`` is ``alpha
    / rank``.
    """

    scale: Tensor

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        self.inputs_first = weight.dim() == 3  # of a SparseConv
        cin, cout = (weight.flatten(0, 1) if self.inputs_first else weight.flatten(1).T).shape
        self.down = nn.Parameter(torch.randn(cin, rank, device=weight.device, dtype=weight.dtype) / math.sqrt(cin))
        self.up = nn.Parameter(weight.new_zeros(rank, cout))
        self.register_buffer("scale", weight.new_tensor(alpha / rank))

    def forward(self, weight: Tensor) -> Tensor:
        update = self.scale * (self.down @ self.up)
        return weight + (update if self.inputs_first else update.T).reshape(weight.shape)


def add_low_rank(network: nn.Module, rank: int = 8, alpha: float = 16.0, skip: str = "head") -> None:
    """Give each Linear, Conv2d and SparseConv of ``network``, but those below the module ``skip``, a low-rank update.

    The outputs stay the same. What is trained is not changed: the new tensors want a gradient, the others as before.
    Raises InputError for a rank below 1 or an alpha that is not above 0.
    """
    if rank < 1 or not alpha > 0:
        raise InputError(f"rank={rank}, alpha={alpha:g}: give 1 or more, and a number above 0")
    for name, layer in _layers(network):
        if not f"{name}.".startswith(f"{skip}."):
            parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank, alpha))


def add_saved_low_rank(network: nn.Module, saved: Mapping[str, Tensor]) -> None:
    """Give ``network`` the low-rank updates that ``saved``, a state of a network of its kind, has and it has not."""
    for name, layer in _layers(network):
        down = saved.get(f"{name}.{UPDATE}0.down")
        if down is not None and down.dim() == 2 and not parametrize.is_parametrized(layer):
            parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, down.shape[-1], 1.0))


def merged_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the state of ``network`` with low-rank updates added to the weights: that of a network without them."""
    state: dict[str, Tensor] = dict(network.state_dict())
    for name, layer in _layers(network):
        if parametrize.is_parametrized(layer):
            state = {key: value for key, value in state.items() if not key.startswith(f"{name}.{UPDATE}")}
            state[f"{name}.weight"] = layer.weight.detach()
    return state


def _layers(network: nn.Module) -> Iterator[tuple[str, SparseConv | nn.Linear | nn.Conv2d]]:
    """Yield the name and layer of each Linear, Conv2d and SparseConv of a network."""
    for name, layer in list(network.named_modules()):
        if isinstance(layer, (SparseConv, nn.Linear, nn.Conv2d)):
            yield name, layer
