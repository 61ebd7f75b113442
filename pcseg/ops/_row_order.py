"""Output rows sorted by the offsets that reach them: the form of a kernel map that the tensor-core kernels read.

A tile of rows costs a product for each offset that any of its rows has. Rows that have the same offsets therefore go
into the same tile: they are sorted by a mask with a bit per offset (spconv v2, Yan et al.; TorchSparse++, arXiv
2311.12862, which also cuts the offsets into groups with an order each). Torch ops only, on the device of the map.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.weak import WeakTensorKeyDictionary

from pcseg.errors import InputError

GRAIN = 128
"""What the rows of a table are padded to: a multiple of the rows of any tile."""


class SortedRows:
    """A map whose offsets are cut into S groups of ``width``, each with an order of the M output rows of its own.

    ``rows`` (S, M) int32: the output row at each place. ``table`` (K, P) int32, P = M padded to GRAIN: the input row
    that offset k has for the output row at that place in the order of k's group, or -1.
    """

    def __init__(self, pairs: Tensor, starts: Tensor, n_out: int, width: int) -> None:
        k, n_groups, counts = len(starts) - 1, -(-(len(starts) - 1) // width), starts.diff()
        offset = _offsets(pairs, starts)
        # The rarer an offset, the higher its bit: what few rows have is then together, and common bits vary within.
        bit = torch.cat([group.argsort(descending=True, stable=True).argsort() for group in counts.split(width)])
        place = offset // width * n_out + pairs[1]
        masks = torch.zeros(n_groups * n_out, dtype=torch.int64, device=pairs.device)
        masks.index_add_(0, place, (1 << bit).to(pairs.device)[offset])
        order = _gray_rank(masks.view(n_groups, n_out)).argsort(dim=1, descending=True, stable=True)
        rank = torch.empty_like(order).scatter_(1, order, torch.arange(n_out, device=pairs.device).expand_as(order))
        self.width, self.rows = width, order.int()
        self.table = pairs.new_full((k, -(-n_out // GRAIN) * GRAIN), -1)
        self.table.view(-1)[offset * self.table.shape[1] + rank.view(-1)[place]] = pairs[0]
        self._tiles: dict[int, tuple[Tensor, Tensor]] = {}

    def tiles(self, size: int) -> tuple[Tensor, Tensor]:
        """For each group and tile of ``size`` places: how many of its offsets occur (S, T), and which ones first.

        The latter (S, T, width) int32, counted within the group.
        """
        if size not in self._tiles:
            occurs = self.table.view(len(self.table), -1, size).amax(2) >= 0
            occurs = pad(occurs, (0, 0, 0, len(self.rows) * self.width - len(occurs)))
            occurs = occurs.view(len(self.rows), self.width, -1).transpose(1, 2)
            first = (~occurs).to(torch.uint8).argsort(dim=2, stable=True)
            self._tiles[size] = occurs.sum(2, dtype=torch.int32).contiguous(), first.int().contiguous()
        return self._tiles[size]


class DeviceMap:
    """What the kernels derive from a map, each part at most once: never ``pairs`` itself, which it must not keep alive.

    ``starts`` (K + 1,) int64 on the map's device; ``n_in``: the least number of input rows.
    """

    def __init__(self, pairs: Tensor, starts: Tensor, n_out: int) -> None:
        self.n_in, self.n_out = _checked(pairs, starts, n_out), n_out
        self.starts, self._host_starts = starts.to(pairs.device), starts
        self._written = _times_written(pairs)
        self._sorted: dict[int, SortedRows] = {}

    def serves(self, pairs: Tensor, starts: Tensor, n_out: int) -> bool:
        """Whether this was made of the same map, ``pairs`` being the same tensor."""
        same = n_out == self.n_out and _times_written(pairs) == self._written
        return same and (starts is self._host_starts or torch.equal(starts, self._host_starts))

    def sorted_rows(self, pairs: Tensor, width: int) -> SortedRows:
        if width not in self._sorted:
            self._sorted[width] = SortedRows(pairs, self._host_starts, self.n_out, width)
        return self._sorted[width]


_known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def device_map(pairs: Tensor, starts: Tensor, n_out: int) -> DeviceMap:
    """The DeviceMap of a map, made when it is first asked for; InputError where it is no map.

    It is found again by the tensor ``pairs`` itself and lives as long as that, so whoever keeps a map keeps this too
    and no caller has to know. It is memory only: where torch hands over another tensor for the same pairs (saved
    tensors moved to the host and back, say), it is made anew.
    """
    known = _known.get(pairs)
    if known is None or not known.serves(pairs, starts, n_out):
        known = _known[pairs] = DeviceMap(pairs, starts, n_out)
    return known


def _offsets(pairs: Tensor, starts: Tensor) -> Tensor:
    """The offset of each pair (Q,) int64."""
    k = torch.arange(len(starts) - 1, device=pairs.device)
    return k.repeat_interleave(starts.diff().to(pairs.device), output_size=pairs.shape[1])


def _gray_rank(mask: Tensor) -> Tensor:
    """Where masks of up to 32 bits stand in the reflected Gray code, in which neighbours differ by one bit."""
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
