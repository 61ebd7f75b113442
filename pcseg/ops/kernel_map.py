"""Kernel maps: the pairs of input and output voxels at each offset of a sparse convolution."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops._keys import Packing, check_coords
from pcseg.ops._sort import hash_workspace
from pcseg.ops.triton.row_order import vouch


def kernel_map(in_coords: Tensor, out_coords: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Return all pairs (n, m) with in_coords[n] == out_coords[m] + (0, offset), grouped by offset.

    ``in_coords`` (N, 4) and ``out_coords`` (M, 4) int32 [sample, x, y, z], rows in any order; ``offsets`` (K, 3) int32,
    preferably on the CPU: reading them from a GPU waits for it.
    Returns ``pairs`` (2, Q) int32, rows (input, output), grouped by offset with ascending output rows in each group;
    and ``starts`` (K + 1,) int64 on the CPU: group k is pairs[:, starts[k]:starts[k + 1]]. Raises InputError where
    ``in_coords`` has a voxel twice or a coordinate is beyond +-COORDINATE_LIMIT.
    """
    pairs, starts = torch.ops.pcseg.kernel_map(in_coords, out_coords, offsets)
    vouch(pairs, starts, len(in_coords), len(out_coords))
    return pairs, starts


def _check(in_coords: Tensor, out_coords: Tensor, offsets: Tensor) -> None:
    check_coords("in_coords", in_coords)
    check_coords("out_coords", out_coords)
    if offsets.dim() != 2 or offsets.shape[1] != 3 or offsets.dtype != torch.int32:
        raise InputError(f"offsets: {tuple(offsets.shape)} {offsets.dtype} given; give (K, 3) torch.int32")
    native.check_devices(in_coords=in_coords, out_coords=out_coords)


def _twice(voxel: list[int]) -> InputError:
    return InputError(f"in_coords: voxel {voxel} is there more than once; voxelize the points first")


def _same(in_coords: Tensor, out_coords: Tensor) -> bool:
    """Return whether both are the same memory."""
    layout = (in_coords.data_ptr(), in_coords.shape, in_coords.stride())
    return layout == (out_coords.data_ptr(), out_coords.shape, out_coords.stride())


def _reference(in_coords: Tensor, out_coords: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    _check(in_coords, out_coords, offsets)
    wanted = offsets.tolist()
    reach = torch.stack([offsets.amin(0), offsets.amax(0)]).cpu() if wanted else None
    packing = Packing("in_coords", in_coords, out_coords, reach)
    keys, order = packing.keys(in_coords).sort()
    twice = (keys[1:] == keys[:-1]).nonzero()
    if len(twice):
        raise _twice(in_coords[order[twice[0, 0]]].tolist())
    targets = packing.keys(out_coords)
    groups, starts = [torch.empty(2, 0, dtype=torch.int32, device=in_coords.device)], [0]
    for offset in wanted if len(keys) else []:
        target = targets + packing.step(offset)
        place = torch.searchsorted(keys, target).clamp_(max=len(keys) - 1)
        out = (keys[place] == target).nonzero().squeeze(1)
        groups.append(torch.stack([order[place[out]], out]).int())
        starts.append(starts[-1] + len(out))
    starts += [0] * (len(wanted) + 1 - len(starts))
    return torch.cat(groups, 1), torch.tensor(starts, dtype=torch.int64)


def _fake(in_coords: Tensor, out_coords: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    n_pairs = torch.library.get_ctx().new_dynamic_size()
    pairs = in_coords.new_empty(2, n_pairs)
    return pairs, torch.empty(offsets.shape[0] + 1, dtype=torch.int64, device="cpu")


def _cpu(in_coords: Tensor, out_coords: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    _check(in_coords, out_coords, offsets)
    same, in_coords = _same(in_coords, out_coords), in_coords.contiguous()
    out_coords = in_coords if same else out_coords.contiguous()
    k, n, m, threads = len(offsets), len(in_coords), len(out_coords), torch.get_num_threads()
    neighbor = torch.empty(k, m, dtype=torch.int32)
    sources, starts = torch.empty(k, dtype=torch.int64), torch.empty(k + 1, dtype=torch.int64)
    native.call(
        "pcseg_kernel_map_find", in_coords, n, out_coords, m, offsets.contiguous(), k, neighbor, sources, starts,
        threads,
    )  # fmt: skip
    pairs = torch.empty(2, int(starts[-1]), dtype=torch.int32)
    native.call("pcseg_kernel_map_fill", neighbor, m, k, sources, starts, pairs, threads)
    return pairs, starts


def _cuda(in_coords: Tensor, out_coords: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    _check(in_coords, out_coords, offsets)
    device, place, k, n, m = (
        in_coords.device,
        native.cuda_place(in_coords),
        len(offsets),
        len(in_coords),
        len(out_coords),
    )
    same, offsets = _same(in_coords, out_coords), offsets.cpu()
    in_coords = in_coords.contiguous()
    out_coords = in_coords if same else out_coords.contiguous()
    packing = Packing("in_coords", in_coords, out_coords, torch.stack(offsets.aminmax(dim=0)) if k else None)
    steps = torch.tensor([packing.step(offset) for offset in offsets.tolist()], dtype=torch.int64)
    mirrored = same and k % 2 == 1 and torch.equal(offsets, -offsets.flip(0))
    runs = native.query("pcseg_cuda_kernel_map_runs", m)
    neighbor = torch.full((k, m), -1, dtype=torch.int32, device=device)
    counts = torch.empty(k * runs, dtype=torch.int32, device=device)
    duplicate = torch.full((1,), -1, dtype=torch.int64, device=device)
    native.call(
        "pcseg_cuda_kernel_map_find", in_coords, n, out_coords, m, packing.numbers(),
        steps.to(device, non_blocking=True), k, int(mirrored), *hash_workspace(n, device), neighbor, counts, duplicate,
        *place,
    )  # fmt: skip
    ends = counts.cumsum(0)
    *found, twice = torch.cat([ends[runs - 1 :: runs], duplicate]).tolist()
    if twice >= 0:
        raise _twice(packing.voxel(twice))
    starts = torch.tensor([0, *found])
    pairs = torch.empty(2, int(starts[-1]), dtype=torch.int32, device=device)
    native.call("pcseg_cuda_kernel_map_fill", neighbor, m, k, ends, pairs, pairs.shape[1], *place)
    return pairs, starts


native.define(
    "kernel_map(Tensor in_coords, Tensor out_coords, Tensor offsets) -> (Tensor, Tensor)",
    reference=_reference,
    fake=_fake,
    cpu=_cpu,
    cuda=_cuda,
)
