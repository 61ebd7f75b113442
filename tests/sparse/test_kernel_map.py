"""Offsets in MinkowskiEngine's order; maps hold each pair once; a transposed map holds the same pairs."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.sparse import KernelMap, MapCache, kernel_offsets
from tests.oracles import minkowski
from tests.sparse.clouds import random_coords

few = settings(max_examples=20, deadline=None)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (4, 3)])
def test_offsets_are_in_minkowski_order(size: int, stride: int, dilation: int) -> None:
    offsets = kernel_offsets(size, stride, dilation)
    assert offsets.dtype == torch.int32
    assert [tuple(row) for row in offsets.tolist()] == minkowski.region(size, stride * dilation)


def test_a_kernel_needs_a_size() -> None:
    with pytest.raises(InputError, match="kernel_size=0"):
        kernel_offsets(0)


def triples(kernel_map: KernelMap) -> set[tuple[int, int, int]]:
    """Return (k, input, output) of each pair and check the layout."""
    assert kernel_map.pairs.dtype == torch.int32
    assert kernel_map.starts.dtype == torch.int64
    assert kernel_map.starts[0] == 0
    assert kernel_map.starts[-1] == kernel_map.pairs.shape[1]
    found = set()
    for k, size in enumerate(kernel_map.starts.diff().tolist()):
        start = int(kernel_map.starts[k])
        rows_in, rows_out = kernel_map.pairs[:, start : start + size].tolist()
        assert rows_out == sorted(set(rows_out)), "output rows must ascend within a group"
        found |= {(k, n, m) for n, m in zip(rows_in, rows_out, strict=True)}
    assert len(found) == kernel_map.pairs.shape[1]
    return found


@few
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 60),
    layer=st.sampled_from(
        [(1, 1, 3, 1), (1, 1, 3, 2), (1, 1, 2, 1), (1, 2, 2, 1), (1, 2, 3, 1), (2, 4, 2, 1), (2, 2, 3, 1)]
    ),
)
def test_maps_and_their_transposes(seed: int, count: int, layer: tuple[int, int, int, int]) -> None:
    in_stride, out_stride, size, dilation = layer
    cache = MapCache(random_coords(seed, count))
    kernel_map = cache.kernel_map(*layer)
    inputs = {tuple(row): n for n, row in enumerate(cache.coords(in_stride).tolist())}
    outputs = cache.coords(out_stride).tolist()
    expected = set()
    for k, (x, y, z) in enumerate(minkowski.region(size, in_stride * dilation)):
        for m, (sample, a, b, c) in enumerate(outputs):
            n = inputs.get((sample, a + x, b + y, c + z))
            expected |= set() if n is None else {(k, n, m)}
    assert triples(kernel_map) == expected
    assert (kernel_map.n_in, kernel_map.n_out) == (len(inputs), len(outputs))

    transposed = kernel_map.transposed
    assert triples(transposed) == {(k, m, n) for k, n, m in expected}
    assert (transposed.n_in, transposed.n_out) == (len(outputs), len(inputs))
    assert triples(transposed.transposed) == expected


def test_a_map_and_its_transpose_are_made_once() -> None:
    cache = MapCache(random_coords(0))
    down = cache.kernel_map(1, 2, 2)
    assert cache.kernel_map(1, 2, 2) is down
    assert cache.kernel_map(2, 1, 2) is down.transposed
    assert down.transposed is down.transposed
    assert cache.kernel_map(1, 1, 3) is not cache.kernel_map(1, 1, 3, 2)


def test_transposing_makes_no_reference_cycle() -> None:
    """Memory that only the garbage collector can free stays allocated for a while, on a GPU often too long."""
    gc.disable()
    try:
        cache = MapCache(random_coords(0))
        maps = [cache.kernel_map(1, 1, 3), cache.kernel_map(1, 2, 2)]
        maps += [one.transposed for one in maps] + [one.transposed.transposed for one in maps]
        held = [weakref.ref(one) for one in maps] + [weakref.ref(one.pairs) for one in maps]
        del cache, maps
        assert not [one for one in held if one() is not None]
    finally:
        gc.enable()
