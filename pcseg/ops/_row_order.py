"""Output rows sorted by the offsets that reach them: the form of a kernel map that the tensor-core kernels read.

A tile of rows costs a product for each offset that any of its rows has. Rows that have the same offsets therefore go
into the same tile: they are sorted by a mask with a bit per offset (spconv v2, Yan et al.; TorchSparse++, arXiv
2311.12862, which also cuts the offsets into groups with an order each). Torch ops only, on the device of the map.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.weak import WeakTensorKeyDictionary

from pcseg.errors import InputError


class SortedRows:
    """A map cut into S groups of ``width`` offsets, each with an order of the M output rows, and tiles of ``size`` rows.

    ``rows`` (S, M) int32: the output row at each place of an order. A block is a tile and an offset that occurs there:
    ``offsets`` (B,) int32 and ``table`` (B, size) int32, for each place of the tile its input row, or -1. Blocks of a
    tile follow each other, tile t = 0 ... T - 1 of group s from ``firsts[s * T + t]`` to the next; int32 too.
    """

    def __init__(self, pairs: Tensor, starts: Tensor, n_out: int, width: int, size: int) -> None:
        device, counts = pairs.device, starts.diff()
        n_groups, n_tiles = -(-len(counts) // width), -(-n_out // size)
        offset = _offsets(pairs, starts)
        group = offset // width
        # The rarer an offset, the higher its bit: what few rows have is then together, and common bits vary within.
        bit = torch.cat([part.argsort(descending=True, stable=True).argsort() for part in counts.split(width)])
        masks = torch.zeros(n_groups * n_out, dtype=torch.int64, device=device)
        masks.index_add_(0, group * n_out + pairs[1], (1 << bit).to(device, non_blocking=True)[offset])
        order = _gray_rank(masks.view(n_groups, n_out)).argsort(dim=1, descending=True, stable=True)
        rank = torch.empty_like(order).scatter_(1, order, torch.arange(n_out, device=device).expand_as(order))
        place = rank.view(-1)[group * n_out + pairs[1]]

        tile = (group * n_tiles + place // size) * width + offset % width  # where the pair's block may stand
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
    """What the kernels derive from a map, each part at most once: never ``pairs`` itself, which it must not keep alive.

    ``starts`` (K + 1,) int64 on the map's device; ``n_in``: the least number of input rows.
    """

    def __init__(self, pairs: Tensor, starts: Tensor, n_out: int) -> None:
        self.n_in, self.n_out = _checked(pairs, starts, n_out), n_out
        self.starts, self._host_starts = starts.to(pairs.device), starts
        self._written = _times_written(pairs)
        self._sorted: dict[tuple[int, int], SortedRows] = {}
        self._readers: list[torch.cuda.Stream] = []

    def serves(self, pairs: Tensor, starts: Tensor, n_out: int) -> bool:
        """Whether this was made of the same map, ``pairs`` being the same tensor."""
        same = n_out == self.n_out and _times_written(pairs) == self._written
        return same and (starts is self._host_starts or torch.equal(starts, self._host_starts))

    def sorted_rows(self, pairs: Tensor, width: int, size: int) -> SortedRows:
        if (width, size) not in self._sorted:
            made = self._sorted[width, size] = SortedRows(pairs, self._host_starts, self.n_out, width, size)
            if pairs.is_cuda:  # whoever finds it, on whichever stream, finds it ready
                torch.cuda.current_stream(pairs.device).synchronize()
            for stream in self._readers:
                _outlive(stream, *vars(made).values())
        return self._sorted[width, size]

    def read_by(self, stream: torch.cuda.Stream) -> None:
        """No memory of this is used again before ``stream`` has done what it was given, should the map go before."""
        if stream not in self._readers:
            self._readers.append(stream)
            parts = (tensor for made in self._sorted.values() for tensor in vars(made).values())
            _outlive(stream, self.starts, *parts)

    def trial(self) -> DeviceMap:
        """One that knows the same, and keeps what it learns beyond that to itself."""
        trial = copy.copy(self)
        trial._sorted = dict(self._sorted)
        return trial


_known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def device_map(pairs: Tensor, starts: Tensor, n_in: int, n_out: int) -> DeviceMap:
    """The DeviceMap of a map, made when it is first asked for; InputError where it is none from n_in to n_out rows.

    It is found again by the tensor ``pairs`` itself and lives as long as that, so whoever keeps a map keeps this too
    and no caller has to know. It is memory only: where torch hands over another tensor for the same pairs (saved
    tensors moved to the host and back, say), it is made anew. Making it waits for the GPU, finding it does not: a CUDA
    graph can hold a convolution whose map has been used before, and replays that map.
    """
    known = _known.get(pairs)
    if known is None or not known.serves(pairs, starts, n_out):
        known = _known[pairs] = DeviceMap(pairs, starts, n_out)
    if known.n_in > n_in:
        raise InputError(f"sparse_conv: feats has {n_in} rows, the map speaks of {known.n_in}; give all its inputs")
    if pairs.is_cuda:
        known.read_by(torch.cuda.current_stream(pairs.device))
    return known


def _outlive(stream: torch.cuda.Stream, *tensors: Tensor) -> None:
    for tensor in tensors:
        tensor.record_stream(stream)


def _offsets(pairs: Tensor, starts: Tensor) -> Tensor:
    """The offset of each pair (Q,) int64."""
    k = torch.arange(len(starts) - 1, device=pairs.device)
    counts = starts.diff().to(pairs.device, non_blocking=True)
    return k.repeat_interleave(counts, output_size=pairs.shape[1])


def _gray_rank(mask: Tensor) -> Tensor:
    """Where masks of up to 32 bits stand in the reflected Gray code, in which neighbors differ by one bit."""
    for shift in (1, 2, 4, 8, 16):
        mask = mask ^ (mask >> shift)
    return mask


def _checked(pairs: Tensor, starts: Tensor, n_out: int) -> int:
    """The least number of input rows; InputError where pairs and starts are no map to ``n_out`` rows."""
    size, n_in = pairs.shape[1], 0
    good = len(starts) > 0 and starts[0] == 0 and starts[-1] == size and bool((starts.diff() >= 0).all())
    if good and size:
        places = _offsets(pairs, starts) * n_out + pairs[1]
        ascending = (places.diff() > 0).all().to(pairs.dtype)
        low, high, high_out, ascends = torch.stack([pairs.amin(), *pairs.amax(1), ascending]).tolist()
        good, n_in = low >= 0 and high_out < n_out and bool(ascends), high + 1
    if not good:
        raise InputError(f"sparse_conv: pairs and starts are no map to {n_out} rows; give those kernel_map made")
    return n_in


def _times_written(pairs: Tensor) -> int:
    """Changes with each write in place; inference tensors do not count theirs."""
    return 0 if pairs.is_inference() else pairs._version
