"""Single sparse convolutions of pcseg, its reference and other libraries, on the same weights."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness.reference import reference_ops
from benchmarks.harness.timing import TOLERANCE, Case, Task
from benchmarks.peers.library import Conv, Library, built, in_our_order, open_library
from pcseg.nn import SparseConv3d, SparseConvTranspose3d
from pcseg.sparse import MapCache

CONVS = ("subm3", "down2", "up2")


def prepare(case: Case, impl: str) -> Task:
    """Return the task of ``impl`` ("pcseg", "reference" or a peer) for a case of CONVS.

    Without the map, the map exists before the clock starts; with it, the clock starts at int32 coordinates. The map of
    up2 is the transpose of down2's, so up2 has no case with a map.
    """
    within = functools.partial(reference_ops, case.device) if impl == "reference" else nullcontext
    with within():
        return _Work(case, open_library("pcseg" if impl == "reference" else impl, case.device)).task(within)


class _Work:
    """Layer, features and output gradient of a case, in the row order of one library."""

    def __init__(self, case: Case, library: Library) -> None:
        self.case, self.library = case, library
        channels, dtype = case.channels or 0, case.dtype
        self.conv = _conv(case.op, channels).to(case.device, dtype)
        self.backward = case.mode == "forward_backward"
        self.layer = built(library, self.conv).train(self.backward)
        self.coords = torch.from_numpy(case.cloud.coords).to(case.device)
        start = library.tensor(self.coords, _random(len(self.coords), channels, case.device, dtype, 0))
        with torch.set_grad_enabled(self.backward):
            if case.op == "up2":
                start = built(library, _conv("down2", channels).to(case.device, dtype)).train(self.backward)(start)
            rows = self.coords if case.with_map else start.coords
            self.feats = _placed(_random(len(rows), channels, case.device, dtype, 0), rows).requires_grad_(
                self.backward
            )
            self.start = None if case.with_map else start.replace(self.feats)
            y = self.once()
        self.order, self.out_order = lexicographic(rows), lexicographic(y.coords)
        self.grad = None
        if self.backward:
            self.grad = _placed(_random(len(y.coords), channels, case.device, dtype, 1), y.coords)

    def once(self) -> Any:
        """Return the output voxels, from coordinates where the map counts, else from voxels whose map is known."""
        start = self.library.tensor(self.coords, self.feats) if self.start is None else self.start
        return self.layer(start)

    def run(self) -> tuple[Tensor, ...]:
        """Return the output features and, with backward, the gradients of features and weight."""
        if not self.backward:
            with torch.no_grad():
                return (self.once().feats,)
        out = self.once().feats
        return (out, *torch.autograd.grad(out, [self.feats, next(self.layer.parameters())], self.grad))

    def result(self) -> tuple[Tensor, ...]:
        out, *grads = self.run()
        if not grads:
            return (out[self.out_order],)
        return out[self.out_order], grads[0][self.order], in_our_order(self.library, self.conv, grads[1])

    def task(self, within: Any) -> Task:
        stride = 2 if self.case.op == "up2" else 1
        flops = flops_of(self.conv, MapCache(self.coords), stride) * (3 if self.backward else 1)
        return Task(self.run, self.result, TOLERANCE[self.case.dtype], within, flops)


def flops_of(conv: Conv, maps: MapCache, stride: int) -> int:
    """Return the multiplications and additions of ``conv`` on voxels at ``stride``."""
    up = isinstance(conv, SparseConvTranspose3d)
    fine, coarse = (stride // conv.stride, stride) if up else (stride, stride * conv.stride)
    return 2 * maps.kernel_map(fine, coarse, conv.kernel_size).pairs.shape[1] * conv.cin * conv.cout


def lexicographic(coords: Tensor) -> Tensor:
    """Return the order (N,) int64 that sorts voxels (N, 4) by sample, x, y and z."""
    return torch.from_numpy(np.lexsort(coords.cpu().numpy().T[::-1]).copy()).to(coords.device)


def _conv(op: str, channels: int) -> Conv:
    """Return the pcseg layer for one of CONVS, always with the same weight."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if op == "subm3":
            return SparseConv3d(channels, channels, 3)
        return (SparseConv3d if op == "down2" else SparseConvTranspose3d)(channels, channels, 2, 2)


@functools.lru_cache(maxsize=3)
def _random(rows: int, channels: int, device: str, dtype: torch.dtype, seed: int) -> Tensor:
    """Return the same random numbers for every implementation; cached, since a large case has gigabytes of them."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, channels, generator=generator).to(device, dtype)


def _placed(values: Tensor, coords: Tensor) -> Tensor:
    """Return ``values`` so that row i belongs to the i-th voxel of ``coords`` in lexicographic order."""
    order = lexicographic(coords)
    if torch.equal(order, torch.arange(len(order), device=order.device)):
        return values.detach()
    return torch.empty_like(values).index_copy_(0, order, values)
