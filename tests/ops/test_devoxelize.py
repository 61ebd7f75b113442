"""Voxels back to points: nearest and trilinear, values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import devoxelize_nearest, devoxelize_trilinear
from tests.ops.clouds import devices
from tests.oracles.devoxelize import trilinear


def voxels(count: int, seed: int, low: int = -2, high: int = 3) -> Tensor:
    """Return up to ``count`` different voxels of two samples, (N, 4) int32."""
    rng = np.random.default_rng(seed)
    coords = np.concatenate([rng.integers(0, 2, (count, 1)), rng.integers(low, high, (count, 3))], axis=1)
    return torch.from_numpy(np.unique(coords, axis=0).astype(np.int32))


@devices
@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 60), points=st.integers(0, 12), whole=st.booleans(), seed=st.integers(0, 999))
def test_trilinear_equals_the_loop(device: str, count: int, points: int, whole: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    coords = voxels(count, seed)
    values = rng.normal(size=(len(coords), 3))
    at = rng.uniform(-4, 5, (points, 3))
    at = np.round(2 * at) / 2 if whole else at  # on centers, edges and corners of voxels
    position = np.concatenate([rng.integers(0, 3, (points, 1)), at], axis=1)
    out = devoxelize_trilinear(*(t.to(device) for t in (torch.from_numpy(values), coords, torch.from_numpy(position))))
    np.testing.assert_allclose(out.cpu().numpy(), trilinear(values, coords.numpy(), position), atol=1e-12)


def test_a_linear_field_is_kept_where_all_corners_are_there() -> None:
    grid = torch.cartesian_prod(*[torch.arange(5)] * 3)
    coords = torch.cat([torch.zeros(125, 1), grid], 1).int()
    slope = torch.tensor([[1.0, 2.0], [-0.5, 0.0], [3.0, 1.0]], dtype=torch.float64)
    at = torch.rand(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 4 + 0.5
    out = devoxelize_trilinear((grid + 0.5).double() @ slope, coords, torch.cat([torch.zeros(50, 1), at], 1))
    torch.testing.assert_close(out, at @ slope)


def test_a_constant_stays_constant_however_few_voxels() -> None:
    coords = voxels(40, 1)
    inside = coords.double() + torch.tensor([0, 0.9, 0.2, 0.5])
    out = devoxelize_trilinear(torch.full((len(coords), 1), 7.0), coords, inside)
    torch.testing.assert_close(out, torch.full_like(out, 7.0))


def test_gradients() -> None:
    coords = voxels(12, 2, 0, 2)
    values = torch.rand(len(coords), 2, dtype=torch.float64).requires_grad_()
    position = torch.cat([torch.zeros(9, 1), 3 * torch.rand(9, 3)], 1).double()
    assert torch.autograd.gradcheck(lambda v: devoxelize_trilinear(v, coords, position), (values,))
    inverse = torch.randint(0, len(coords), (15,))
    assert torch.autograd.gradcheck(lambda v: devoxelize_nearest(v, inverse), (values,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_nearest_copies_exactly(dtype: torch.dtype) -> None:
    values, inverse = torch.randn(6, 3).to(dtype), torch.tensor([5, 0, 0, 3])
    assert torch.equal(devoxelize_nearest(values, inverse), values[inverse])


def test_half_precision_errs_by_one_rounding() -> None:
    coords = voxels(30, 3)
    values = torch.randn(len(coords), 2, generator=torch.Generator().manual_seed(0)).bfloat16()
    position = coords + torch.tensor([0, 0.3, 0.6, 0.9])
    exact = trilinear(values.double().numpy(), coords.numpy(), position.double().numpy())
    out = devoxelize_trilinear(values, coords, position)
    assert out.dtype == torch.bfloat16
    np.testing.assert_allclose(out.double().numpy(), exact, rtol=2**-8, atol=1e-5)


def test_wrong_arguments_are_refused() -> None:
    coords = voxels(5, 0)
    values = torch.rand(len(coords), 1)
    with pytest.raises(InputError, match="NaN or infinite"):
        devoxelize_trilinear(values, coords, torch.full((1, 4), torch.nan))
    with pytest.raises(InputError, match=r"\(P, 4\)"):
        devoxelize_trilinear(values, coords, torch.zeros(2, 3))
    with pytest.raises(InputError, match="row: holds 9"):
        devoxelize_nearest(values[:1], torch.tensor([9]))
    with pytest.raises(InputError, match=r"inverse: \(1,\) torch\.float32"):
        devoxelize_nearest(values, torch.zeros(1))
    with pytest.raises(InputError, match="a row for each voxel"):
        devoxelize_trilinear(torch.rand(len(coords) + 1, 1), coords, torch.zeros(1, 4))
