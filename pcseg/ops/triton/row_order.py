"""Output rows sorted by the offsets that reach them: the form of a kernel map that the tensor-core kernels read.

A tile of rows costs one matrix product for each offset that occurs in any of its rows. Rows with the same offsets
therefore go into the same tile: rows are sorted by a mask with one bit per offset (spconv v2, Yan et al.;
TorchSparse++, arXiv 2311.12862, which also cuts the offsets into groups, each with its own order). Torch ops only, on
the device of the map.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.weak import WeakTensorKeyDictionary

from pcseg.errors import InputError


class SortedRows:
    """A kernel map cut into S groups of ``width`` offsets, each with its own order of the M output rows, in T tiles.

    ``rows`` (S, M) int32: the output rows in the order of each group; a tile is ``size`` consecutive places of it.
    A block is a tile and an offset that occurs in it: ``offsets`` (L,) int32 is its offset, ``table`` (L, size) int32
    the input row at each place of the tile, or -1. The blocks of tile t of group s are ``firsts[s * T + t]`` to
    ``firsts[s * T + t + 1]``; ``firsts`` (S * T + 1,) int32.
    """

    def __init__(self, pairs: Tensor, starts: Tensor, n_out: int, width: int, size: int) -> None:
        device, counts = pairs.device, starts.diff()
        n_groups, n_tiles = -(-len(counts) // width), -(-n_out // size)
        offset = _offsets(pairs, starts)
        group = offset // width
        # The rarer an offset, the higher its bit: the rows that have it are then consecutive.
        bit = torch.cat([part.argsort(descending=True, stable=True).argsort() for part in counts.split(width)])
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
        self.rows = order.int()
        self.firsts = pad(number[width - 1 :: width], (1, 0)).int()
        self.offsets = (blocks // (n_tiles * width) * width + blocks % width).int()
        self.table = pairs.new_full((len(blocks), size), -1)
        self.table.view(-1)[(number[tile] - 1) * size + place % size] = pairs[0]


class DeviceMap:
    """Tensors derived from a kernel map, each computed once; no reference to ``pairs``, so that the map can be freed.

    ``starts`` (K + 1,) int64 on the map's device; ``n_in``: the smallest number of input rows that the map fits.
    """

    def __init__(self, pairs: Tensor, starts: Tensor, n_out: int) -> None:
        self.n_in, self.n_out = _checked(pairs, starts, n_out), n_out
        self.starts, self._host_starts = starts.to(pairs.device), starts
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
            made = self._sorted[width, size] = SortedRows(pairs, self._host_starts, self.n_out, width, size)
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
        known = _known[pairs] = DeviceMap(pairs, starts, n_out)
    if known.n_in > n_in:
        raise InputError(f"sparse_conv: feats has {n_in} rows, the map needs {known.n_in}; give all its inputs")
    if pairs.is_cuda:
        known.read_by(torch.cuda.current_stream(pairs.device))
    return known


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
