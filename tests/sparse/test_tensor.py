"""SparseTensor: frozen geometry, and one cache for all tensors of an input, freed with them."""

from __future__ import annotations

import gc
import weakref
from dataclasses import FrozenInstanceError

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.sparse import MapCache, SparseTensor
from tests.sparse.clouds import random_coords


def test_it_is_frozen() -> None:
    x = SparseTensor(torch.zeros(2, 3), torch.tensor([[0, 0, 0, 0], [2, 5, 0, 0]], dtype=torch.int32))
    with pytest.raises(FrozenInstanceError):
        x.feats = torch.ones(2, 3)  # type: ignore[misc]
    assert len(x) == 2
    assert x.n_samples == 3
    assert x.sample.tolist() == [0, 2]
    assert x.sample.dtype == torch.int64


def test_derived_tensors_share_geometry() -> None:
    x = SparseTensor(torch.zeros(80, 3)[: len(random_coords(0))], random_coords(0))
    y = x.replace(torch.ones(len(x), 5))
    assert y.coords is x.coords
    assert y.maps is x.maps
    coarse = x.at(4, torch.zeros(len(x.maps.coords(4)), 1))
    assert coarse.stride == 4
    assert coarse.at(1, y.feats).coords is x.coords
    assert SparseTensor(x.feats, x.coords).maps is not x.maps


def test_an_empty_tensor_is_fine() -> None:
    x = SparseTensor(torch.zeros(0, 3), torch.zeros(0, 4, dtype=torch.int32))
    assert (len(x), x.n_samples) == (0, 0)
    assert x.maps.coords(8).shape == (0, 4)
    assert x.maps.kernel_map(1, 1, 3).transposed.starts.tolist() == [0] * 28


@pytest.mark.parametrize(
    ("feats", "coords"),
    [
        (torch.zeros(3, 2), torch.zeros(4, 4, dtype=torch.int32)),
        (torch.zeros(4, 2), torch.zeros(4, 3, dtype=torch.int32)),
        (torch.zeros(4, 2), torch.zeros(4, 4, dtype=torch.int64)),
        (torch.zeros(4), torch.zeros(4, 4, dtype=torch.int32)),
        (torch.zeros(4, 2, dtype=torch.int64), torch.zeros(4, 4, dtype=torch.int32)),
    ],
)
def test_wrong_arguments_are_refused(feats: torch.Tensor, coords: torch.Tensor) -> None:
    with pytest.raises(InputError, match=r"; give \(") as error:
        SparseTensor(feats, coords)
    assert "\n" not in str(error.value)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), through=st.sampled_from([(8,), (2, 8), (2, 4, 8), (4, 8)]))
def test_coarse_coordinates_are_rounded_down_unique_and_sorted(seed: int, through: tuple[int, ...]) -> None:
    coords = random_coords(seed, low=-30, high=30)
    cache = MapCache(coords)
    for stride in through:
        coarse = cache.coords(stride)
    expected = {(s, x // 8 * 8, y // 8 * 8, z // 8 * 8) for s, x, y, z in coords.tolist()}
    assert coarse.dtype == torch.int32
    assert [tuple(row) for row in coarse.tolist()] == sorted(expected)
    assert cache.coords(8) is coarse


def test_an_invalid_stride_is_refused() -> None:
    with pytest.raises(InputError, match="SparseTensor: stride=0"):
        SparseTensor(torch.zeros(80, 3)[: len(random_coords(0))], random_coords(0), stride=0)


def test_there_is_nothing_finer_than_the_input() -> None:
    cache = MapCache(random_coords(0) * torch.tensor([1, 4, 4, 4], dtype=torch.int32), stride=4)
    for stride in (2, 6):
        with pytest.raises(InputError, match=f"stride={stride}"):
            cache.coords(stride)


def test_geometry_is_freed_with_the_last_tensor() -> None:
    coords = random_coords(0)
    x = SparseTensor(torch.zeros(len(coords), 3), coords)
    kernel_map = weakref.ref(x.maps.kernel_map(1, 2, 2))
    pairs = weakref.ref(x.maps.kernel_map(2, 1, 2).pairs)
    cache = weakref.ref(x.maps)
    gc.disable()
    try:
        y = x.replace(torch.ones(len(coords), 1))
        del x
        assert kernel_map() is not None
        del y
        assert (cache(), kernel_map(), pairs()) == (None, None, None)
    finally:
        gc.enable()
