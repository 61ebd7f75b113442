"""Whole networks: the same modules and weights on the convolutions of pcseg or of another library."""

from __future__ import annotations

import copy
import functools
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness.convolutions import flops_of, lexicographic
from benchmarks.harness.reference import reference_ops
from benchmarks.harness.timing import TOLERANCE, Case, Task
from benchmarks.peers.library import built, open_library
from pcseg.model.checkpoint import NetworkSpec
from pcseg.nn import BatchNorm, SparseConv3d, SparseConvTranspose3d
from pcseg.sparse import SparseTensor

FEATURES, CLASSES = 3, 13
IMPLS = ("pcseg", "pcseg_compiled", "pcseg_checkpointing", "reference")
VOXEL_NETWORKS = (
    "MinkUNet", "MinkUNetASPP", "MinkUNetAxial", "MinkUNetOCR",
    "minkunet14a", "minkunet18a", "minkunet34c", "minkunet_small",
)  # fmt: skip
"""Those of pcseg.networks that take voxels; of pictures are benchmarks.harness.pictures.OWN."""


def prepare(case: Case, impl: str) -> Task:
    """Return a pass of the network ``case.op`` by one of IMPLS or a peer; every pass starts at int32 coordinates.

    forward: inference in eval mode. forward_backward: training mode, the mean square of the logits, and the gradients
    of all weights. Convolutions are the library's; norms, linear layers and the rest are torch's, except that pcseg,
    forward on a CPU, fuses norm, residual and ReLU into its convolutions.
    """
    within = functools.partial(reference_ops, case.device) if impl == "reference" else nullcontext
    name = "pcseg" if impl in IMPLS else impl
    with within():
        return _Work(case, name, impl).task(within)


class _Work:
    """The network of one library, run as ``impl`` says, and its input."""

    def __init__(self, case: Case, name: str, impl: str) -> None:
        self.backward = case.mode == "forward_backward"
        self.library = open_library(name, case.device)
        plain = _network(case.op).to(case.device, case.dtype)
        self.coords = torch.from_numpy(case.cloud.coords).to(case.device)
        generator = torch.Generator().manual_seed(0)
        self.feats = torch.rand(len(self.coords), FEATURES, generator=generator).to(case.device, case.dtype)
        # Norms over the few voxels of the coarsest level magnify rounding; a wrong layer is off by about 1.
        self.tolerance = TOLERANCE[case.dtype] * (20 if self.backward else 1)
        self.position = self.coords[:, 1:].float()  # only passed through, so its order does not matter
        self.flops = _flops(plain, SparseTensor(self.feats, self.coords), self.backward)
        self.network = plain if name == "pcseg" else _with_layers_of(self.library, plain)
        self.network.train(self.backward)
        self.network.activation_checkpointing = impl == "pcseg_checkpointing"  # type: ignore[assignment]
        self.call = torch.compile(self.network, dynamic=True) if impl == "pcseg_compiled" else self.network

    def run(self) -> tuple[Any, Tensor, tuple[Tensor, ...]]:
        """Return the library's input, the logits (N, K) of its rows and, with backward, all weights' gradients."""
        with torch.set_grad_enabled(self.backward):
            x = self.library.tensor(self.coords, self.feats)
            logits = self.call(x, self.position).logits
            if not self.backward:
                return x, logits, ()
            return x, logits, torch.autograd.grad(logits.square().mean(), list(self.network.parameters()))

    def result(self) -> tuple[Tensor, ...]:
        """Return the logits and, with backward, the gradient of the first norm's weight, the last to be computed."""
        x, logits, gradients = self.run()
        names = [name for name, _ in self.network.named_parameters()]
        far = [gradient for name, gradient in zip(names, gradients, strict=False) if name == "stem.norm.weight"]
        return logits[lexicographic(x.coords)], *far

    def task(self, within: Any) -> Task:
        return Task(self.run, self.result, self.tolerance, within, self.flops)


def _network(name: str) -> nn.Module:
    """Return a network of pcseg.networks, always with the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return NetworkSpec(name, {"in_channels": FEATURES, "n_classes": CLASSES}).build()


def _with_layers_of(library: Any, network: nn.Module) -> nn.Module:
    """Return a copy of ``network`` with the library's sparse convolutions, of the same weights, and torch's norms."""
    found = copy.deepcopy(network)
    for name, layer in network.named_modules():
        if isinstance(layer, BatchNorm):
            norm = nn.BatchNorm1d(layer.num_features, layer.eps, layer.momentum).to(layer.weight)
            norm.load_state_dict(layer.state_dict())
            found.set_submodule(name, norm)
        if isinstance(layer, (SparseConv3d, SparseConvTranspose3d)):
            found.set_submodule(name, built(library, layer))
    return found


@torch.no_grad()
def _flops(network: nn.Module, x: SparseTensor, backward: bool) -> int:
    """Return the multiplications and additions of a pass in convolutions and linear layers, no input gradient."""
    counts = []

    def count(layer: nn.Module, inputs: tuple[Any, ...], _: Any) -> None:
        if isinstance(layer, nn.Linear):
            counts.append(2 * len(inputs[0]) * layer.in_features * layer.out_features)
        else:
            counts.append(flops_of(layer, inputs[0].maps, inputs[0].stride))  # type: ignore[arg-type]

    kinds = (nn.Linear, SparseConv3d, SparseConvTranspose3d)
    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, kinds)]
    network.eval()(x)
    for hook in hooks:
        hook.remove()
    return 3 * sum(counts) - counts[0] if backward else sum(counts)
