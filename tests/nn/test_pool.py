"""Pooling reduces the voxels that are present and no others."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.nn import SparseAvgPool3d, SparseMaxPool3d
from pcseg.sparse import SparseTensor
from tests.oracles.minkowski import region
from tests.sparse.clouds import random_coords


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), layer=st.sampled_from([(2, 2), (3, 1), (3, 2), (1, 2)]))
@pytest.mark.parametrize("kind", [SparseAvgPool3d, SparseMaxPool3d])
def test_pools_over_present_voxels(kind: type, seed: int, layer: tuple[int, int]) -> None:
    size, stride = layer
    coords = random_coords(seed, 60)
    feats = torch.randn(len(coords), 2, dtype=torch.float64) - 3  # below zero: an absent neighbor must not win
    out = kind(size, stride)(SparseTensor(feats, coords))
    assert out.stride == stride
    rows = {tuple(row): n for n, row in enumerate(coords.tolist())}
    for m, (sample, x, y, z) in enumerate(out.coords.tolist()):
        around = [rows.get((sample, x + a, y + b, z + c)) for a, b, c in region(size)]
        present = feats[[n for n in around if n is not None]]
        if len(present):
            expected = present.mean(0) if kind is SparseAvgPool3d else present.max(0).values
            torch.testing.assert_close(out.feats[m], expected)
        else:
            assert out.feats[m].tolist() == [0, 0]


def test_gradients_reach_the_input() -> None:
    coords = random_coords(0, 60)
    feats = torch.randn(len(coords), 2, requires_grad=True)
    SparseAvgPool3d(2, 2)(SparseTensor(feats, coords)).feats.sum().backward()
    assert (feats.grad > 0).all()


@pytest.mark.parametrize("kind", [SparseAvgPool3d, SparseMaxPool3d])
@pytest.mark.parametrize(("sizes", "message"), [((0, 1), "kernel_size=0"), ((2, 0), "stride=0")])
def test_sizes_that_are_none_are_refused(kind: type, sizes: tuple[int, int], message: str) -> None:
    with pytest.raises(InputError, match=f"{kind.__name__}: {message}"):
        kind(*sizes)
