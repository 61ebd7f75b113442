"""A convolution with the norm, residual and ReLU behind it, in as few passes over memory as the case allows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from pcseg.nn.conv import SparseConv
from pcseg.nn.norm import BatchNorm
from pcseg.sparse import SparseTensor


def conv_norm_relu(conv: nn.Module, norm: nn.Module, x: SparseTensor, residual: Tensor | None = None) -> SparseTensor:
    """Return relu(norm(conv(x)) + residual); on a CPU without gradients in one pass over memory.

    ``conv`` maps SparseTensor to SparseTensor, ``norm`` features (M, C) to features (M, C), ``residual`` is (M, C).
    Fusing needs a SparseConv and a BatchNorm in eval mode, both without hooks, which would not be called.
    """
    unfused = torch.is_grad_enabled() or x.feats.device.type != "cpu" or _hooked(conv) or _hooked(norm)
    if not unfused and isinstance(conv, SparseConv) and isinstance(norm, BatchNorm) and (affine := norm.affine_map()):
        return conv.norm_relu(x, *affine, residual)
    x = conv(x)
    return x.replace(norm_relu(norm, x.feats, residual))


def norm_relu(norm: nn.Module, feats: Tensor, residual: Tensor | None = None) -> Tensor:
    """Return relu(norm(feats) + residual), (N, C); in place in the norm's output where no hook can hold it."""
    feats = norm(feats)
    alone = type(norm) in (BatchNorm, nn.LayerNorm) and not _hooked(norm)
    if not alone or (residual is not None and residual.dtype != feats.dtype):
        return torch.relu(feats if residual is None else feats + residual)
    return torch.relu_(feats if residual is None else feats.add_(residual))


def _hooked(module: nn.Module) -> bool:
    forward = module._forward_hooks or module._forward_pre_hooks
    backward = module._backward_hooks or module._backward_pre_hooks
    return bool(forward or backward or _has_any_global_hook())
