"""Activations and dropout: torch's modules and functions, applied to the features of a sparse tensor or field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pcseg.errors import InputError
from pcseg.minkowski.convolution import MinkowskiModuleBase
from pcseg.minkowski.tensor import Tensor

MODULES = (
    "ELU", "Hardshrink", "Hardsigmoid", "Hardtanh", "Hardswish", "LeakyReLU", "LogSigmoid", "PReLU", "ReLU", "ReLU6",
    "RReLU", "SELU", "CELU", "GELU", "Sigmoid", "SiLU", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink",
    "Threshold", "Softmin", "Softmax", "LogSoftmax", "AdaptiveLogSoftmaxWithLoss", "Dropout", "AlphaDropout",
)  # fmt: skip
"""Names in torch.nn; here they begin with Minkowski."""

FUNCTIONS = (
    "threshold", "relu", "hardtanh", "hardswish", "relu6", "elu", "selu", "celu", "leaky_relu", "prelu", "rrelu", "glu",
    "gelu", "logsigmoid", "hardshrink", "tanhshrink", "softsign", "softplus", "softmin", "softmax", "softshrink",
    "gumbel_softmax", "log_softmax", "tanh", "sigmoid", "hardsigmoid", "silu", "batch_norm", "normalize", "linear",
    "dropout", "alpha_dropout",
)  # fmt: skip
"""Names in torch.nn.functional of functions from features to features."""

LOSSES = (
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "poisson_nll_loss", "cross_entropy",
    "hinge_embedding_loss", "kl_div", "l1_loss", "mse_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss",
    "multi_margin_loss", "nll_loss", "smooth_l1_loss", "soft_margin_loss",
)  # fmt: skip
"""Names in torch.nn.functional of functions of features and a target tensor."""


class MinkowskiNonlinearityBase(MinkowskiModuleBase):
    """Base of the activations: ``module`` is torch's module MODULE with the same arguments."""

    MODULE: type[nn.Module] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        if self.MODULE is None:
            raise InputError("MinkowskiNonlinearityBase: set MODULE to a class of torch.nn")
        self.module = self.MODULE(*args, **kwargs)

    def forward(self, input: Any) -> Any:
        return input.with_features(self.module(input._F))

    def extra_repr(self) -> str:
        return self.module.extra_repr()


class MinkowskiSinusoidal(MinkowskiModuleBase):
    """coef * sin(x @ kernel + bias), with ``kernel`` (Cin, Cout), ``bias`` and ``coef`` (1, Cout)."""

    def __init__(self, in_channel: int, out_channel: int) -> None:
        super().__init__()
        self.in_channel, self.out_channel = in_channel, out_channel
        self.kernel = nn.Parameter(torch.rand(in_channel, out_channel))
        self.bias = nn.Parameter(torch.rand(1, out_channel))
        self.coef = nn.Parameter(torch.rand(1, out_channel))

    def forward(self, input: Tensor) -> Tensor:
        return input.with_features(torch.sin(input._F.mm(self.kernel) + self.bias) * self.coef)


def _function(name: str) -> Callable[..., Any]:
    inner = getattr(F, name)

    def apply(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return input.with_features(inner(input._F, *args, **kwargs))

    apply.__name__, apply.__doc__ = name, f"Apply torch.nn.functional.{name} to the features."
    return apply


def _loss(name: str) -> Callable[..., Any]:
    inner = getattr(F, name)

    def apply(input: Tensor, target: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        return inner(input._F, target, *args, **kwargs)

    apply.__name__, apply.__doc__ = name, f"Return torch.nn.functional.{name} of the features and ``target``."
    return apply


def functions() -> dict[str, Callable[..., Any]]:
    """Return the contents of MinkowskiFunctional."""
    return {**{name: _function(name) for name in FUNCTIONS}, **{name: _loss(name) for name in LOSSES}}


ACTIVATIONS: dict[str, type[MinkowskiNonlinearityBase]] = {
    f"Minkowski{name}": type(
        f"Minkowski{name}",
        (MinkowskiNonlinearityBase,),
        {"MODULE": getattr(nn, name), "__doc__": f"torch.nn.{name} on the features.", "__module__": __name__},
    )
    for name in MODULES
}
"""The activations and dropouts by name."""

globals().update(ACTIVATIONS)  # pickle looks for classes in their module
