"""Output rows sorted by the offsets that reach them: the form of a kernel map that the tensor-core kernels read.

A tile of rows costs one matrix product for each offset that occurs in any of its rows. Rows with the same offsets
therefore go into the same tile: rows are sorted by a mask with one bit per offset (spconv v2, Yan et al.;
TorchSparse++, arXiv 2311.12862, which also cuts the offsets into groups, each with its own order). By kernels of the
compiled library (csrc/cuda/row_order.cu) where it has them, else by torch ops on the device of the map.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.weak import WeakTensorKeyDictionary

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops._sort import sort_keys


@dataclass(eq=False)
class SortedRows:
    """A kernel map cut into S groups of ``width`` offsets, each with its own order of the M output rows, in T tiles.

    ``rows`` (S, M) int32: the output rows in the order of each group; a tile is ``size`` consecutive places of it.
    A block is a tile and an offset that occurs in it: ``offsets`` (L,) int32 is its offset, ``table`` (L, size) int32
    the input row at each place of the tile, or -1. The blocks of tile t of group s are ``firsts[s * T + t]`` to
    ``firsts[s * T + t + 1]``; ``firsts`` (S * T + 1,) int32.
    """

    rows: Tensor
    firsts: Tensor
    offsets: Tensor
    table: Tensor


def _bits(starts: Tensor, width: int) -> Tensor:
    """Return the bit of each offset in the mask of its group, (K,) int64 on the CPU.

    The rarer an offset, the higher its bit: the rows that have it are then consecutive.
    """
    return torch.cat([part.argsort(descending=True, stable=True).argsort() for part in starts.diff().split(width)])


def _sorted_by_torch(pairs: Tensor, starts: Tensor, n_out: int, width: int, size: int) -> SortedRows:
    """Return SortedRows for groups of ``width`` offsets, at most 32, and tiles of ``size`` rows."""
    device = pairs.device
    n_groups, n_tiles = -(-(len(starts) - 1) // width), -(-n_out // size)
    offset, bit = _offsets(pairs, starts), _bits(starts, width)
    group = offset // width
    masks = torch.zeros(n_groups * n_out, dtype=torch.int64, device=device)
    masks.index_add_(0, group * n_out + pairs[1], (1 << bit).to(device, non_blocking=True)[offset])
    order = _gray_rank(masks.view(n_groups, n_out)).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(n_out, device=device).expand_as(order))
    place = rank.view(-1)[group * n_out + pairs[1]]

    tile = (group * n_tiles + place // size) * width + offset % width  # number of the pair's possible block
    occurs = torch.zeros(n_groups * n_tiles * width, dtype=torch.bool, device=device)
    occurs[tile] = True
    number = occurs.cumsum(0)
    blocks = occurs.nonzero().squeeze(1)
    table = pairs.new_full((len(blocks), size), -1)
    table.view(-1)[(number[tile] - 1) * size + place % size] = pairs[0]
    return SortedRows(
        rows=order.int(),
        firsts=pad(number[width - 1 :: width], (1, 0)).int(),
        offsets=(blocks // (n_tiles * width) * width + blocks % width).int(),
        table=table,
    )


def _sorted_by_library(pairs: Tensor, starts: Tensor, n_out: int, width: int, size: int, on: Tensor) -> SortedRows:
    """Return the same by kernels of the library; ``on``: ``starts`` on the device of ``pairs``."""
    k, n_pairs, place, pairs = len(starts) - 1, pairs.shape[1], native.cuda_place(pairs), pairs.contiguous()
    n_groups, n_tiles = -(-k // width), -(-n_out // size)
    bits = _bits(starts, width).int()  # kept until the copy is done
    there = bits.to(pairs.device, non_blocking=True)
    masks, keys = pairs.new_zeros(n_groups * n_out), on.new_empty(n_groups * n_out)
    native.call("pcseg_cuda_row_order_keys", pairs, n_pairs, on, there, k, n_out, width, masks, keys, *place)
    order = sort_keys(keys, n_groups << width)[1]
    rows, places = torch.empty_like(order), torch.empty_like(order)
    present, blocks = (make(n_groups * n_tiles) for make in (pairs.new_zeros, pairs.new_empty))
    native.call(
        "pcseg_cuda_row_order_tiles", order, masks, n_groups, n_out, size, rows, places, present, blocks, *place
    )
    firsts = pairs.new_zeros(n_groups * n_tiles + 1)
    torch.cumsum(blocks, 0, dtype=torch.int32, out=firsts[1:])
    n_blocks = int(firsts[-1])
    offsets, table = pairs.new_empty(n_blocks), pairs.new_full((n_blocks, size), -1)
    native.call(
        "pcseg_cuda_row_order_fill", pairs, n_pairs, on, k, n_out, width, size, places, present, firsts, offsets,
        table, *place,
    )  # fmt: skip
    return SortedRows(rows.view(n_groups, n_out), firsts, offsets, table)


class DeviceMap:
    """Tensors derived from a kernel map, each computed once; no reference to ``pairs``, so that the map can be freed.

    ``starts`` (K + 1,) int64 on the map's device; ``n_in``: a number of input rows that the map fits. ``wait``: until
    ``starts`` is there.
    """

    def __init__(self, pairs: Tensor, starts: Tensor, n_in: int, n_out: int, wait: bool = True) -> None:
        self.n_in, self.n_out = n_in, n_out
        self.starts, self._host_starts = starts.to(pairs.device, non_blocking=not wait), starts
        self._written = _times_written(pairs)
        self._sorted: dict[tuple[int, int], SortedRows] = {}
        self._readers: list[torch.cuda.Stream] = []

    def serves(self, pairs: Tensor, starts: Tensor, n_out: int) -> bool:
        """Return whether this object belongs to the given map; ``pairs`` is known to be the same tensor."""
        same = n_out == self.n_out and _times_written(pairs) == self._written
        return same and (starts is self._host_starts or torch.equal(starts, self._host_starts))

    def sorted_rows(self, pairs: Tensor, width: int, size: int) -> SortedRows:
        """Return the map's SortedRows for groups of ``width`` offsets and tiles of ``size`` rows."""
        if (width, size) not in self._sorted:
            like = (pairs, self._host_starts, self.n_out, width, size)
            compiled = pairs.is_cuda and native.has_cuda()
            made = _sorted_by_library(*like, self.starts) if compiled else _sorted_by_torch(*like)
            self._sorted[width, size] = made
            if pairs.is_cuda:  # other streams may use the result without waiting
                torch.cuda.current_stream(pairs.device).synchronize()
            for stream in self._readers:
                _outlive(stream, *vars(made).values())
        return self._sorted[width, size]

    def read_by(self, stream: torch.cuda.Stream) -> None:
        """Keep the memory of these tensors from reuse until ``stream`` has finished, should the map be freed before."""
        if stream not in self._readers:
            self._readers.append(stream)
            parts = (tensor for made in self._sorted.values() for tensor in vars(made).values())
            _outlive(stream, self.starts, *parts)

    def trial(self) -> DeviceMap:
        """Return a copy that shares all orders sorted so far; orders it sorts later are not added to this object."""
        trial = copy.copy(self)
        trial._sorted = dict(self._sorted)
        return trial


_known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def device_map(pairs: Tensor, starts: Tensor, n_in: int, n_out: int) -> DeviceMap:
    """Return the DeviceMap of a kernel map; raises InputError for a map that does not lead from n_in to n_out rows.

    It is cached under the tensor ``pairs`` (by identity) and freed with it. Where torch passes another tensor with the
    same pairs (such as saved tensors moved to the host and back), it is computed again. Computing it waits for the GPU,
    finding it in the cache does not: a CUDA graph can capture a convolution whose map has been used before.
    """
    known = _known.get(pairs)
    if known is None or not known.serves(pairs, starts, n_out):
        known = _known[pairs] = DeviceMap(pairs, starts, _checked(pairs, starts, n_out), n_out)
    if known.n_in > n_in:
        known.n_in = _checked(pairs, starts, n_out)  # one that was vouched for may need fewer rows than it was made of
    if known.n_in > n_in:
        raise InputError(f"sparse_conv: feats has {n_in} rows, the map needs {known.n_in}; give all its inputs")
    if pairs.is_cuda:
        known.read_by(torch.cuda.current_stream(pairs.device))
    return known


def vouch(pairs: Tensor, starts: Tensor, n_in: int, n_out: int) -> None:
    """Note that a map on a GPU, just made, leads from ``n_in`` to ``n_out`` rows, so that device_map need not check it,
    which waits for the GPU. Written over, it is checked, unless it was made in inference mode: leave those as they are.
    """
    if pairs.is_cuda and not torch.compiler.is_compiling():
        _known[pairs] = DeviceMap(pairs, starts, n_in, n_out, wait=False)


def _outlive(stream: torch.cuda.Stream, *tensors: Tensor) -> None:
    for tensor in tensors:
        tensor.record_stream(stream)


def _offsets(pairs: Tensor, starts: Tensor) -> Tensor:
    """Return the offset of each pair, (Q,) int64."""
    k = torch.arange(len(starts) - 1, device=pairs.device)
    counts = starts.diff().to(pairs.device, non_blocking=True)
    return k.repeat_interleave(counts, output_size=pairs.shape[1])


def _gray_rank(mask: Tensor) -> Tensor:
    """Return the rank of masks of up to 32 bits in the reflected Gray code, in which neighbors differ by one bit."""
    for shift in (1, 2, 4, 8, 16):
        mask = mask ^ (mask >> shift)
    return mask


def _checked(pairs: Tensor, starts: Tensor, n_out: int) -> int:
    """Return the smallest number of input rows; InputError unless pairs and starts are a map to ``n_out`` rows."""
    size, n_in = pairs.shape[1], 0
    good = len(starts) > 0 and starts[0] == 0 and starts[-1] == size and bool((starts.diff() >= 0).all())
    if good and size:
        places = _offsets(pairs, starts) * n_out + pairs[1]
        ascending = (places.diff() > 0).all().to(pairs.dtype)
        low, high, high_out, ascends = torch.stack([pairs.amin(), *pairs.amax(1), ascending]).tolist()
        good, n_in = low >= 0 and high_out < n_out and bool(ascends), high + 1
    if not good:
        raise InputError(
            f"sparse_conv: pairs and starts are no map to {n_out} rows; give those that kernel_map returned"
        )
    return n_in


def _times_written(pairs: Tensor) -> int:
    """Return a counter of writes in place; always 0 for inference tensors, which do not count them."""
    return 0 if pairs.is_inference() else pairs._version
