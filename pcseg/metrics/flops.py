"""The work of a network: how many multiply-adds it does on a given input."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pcseg.nn.levels import Level


@torch.no_grad()
def multiply_adds(network: nn.Module, inputs: Level) -> int:
    """Return the multiply-adds of a pass of ``network`` over ``inputs`` at test time, one for each pair of operations.

    Counted are convolutions, linear layers and other products of matrices, as papers count them: of a sparse
    convolution one for each pair of its kernel map, channel in and channel out. Norms, activations and sums are not.
    """
    ops: dict[Any, Any] = {
        torch.ops.pcseg.sparse_conv: _sparse_conv,
        torch.ops.pcseg.sparse_conv_norm_relu: _sparse_conv,
    }
    training = [module for module in network.modules() if module.training]
    try:
        with FlopCounterMode(display=False, custom_mapping=ops) as counter:
            network.eval()(inputs)
    finally:
        for module in training:
            module.training = True
    return int(counter.get_total_flops()) // 2


def _sparse_conv(feats: tuple[int, ...], weight: tuple[int, ...], pairs: tuple[int, ...], *_: Any, **__: Any) -> int:
    """Return multiplications and additions, from the shapes of the arguments of the op."""
    return 2 * pairs[1] * weight[1] * weight[2]
