"""Reductions by index in any order, against loops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import pcseg.scatter as torch_scatter
from tests.scatter import loops
from tests.scatter.cases import SIZE, TYPES, array, draw, every_case

every_kind = pytest.mark.parametrize("how", loops.KINDS)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@every_kind
@every_case
def test_equals_the_loop(case: str, how: str) -> None:
    for dtype in TYPES:
        src, index, dim = draw(case, dtype)
        expected, places = loops.reduce(array(src), array(index), dim, SIZE, how)
        result = getattr(torch_scatter, f"scatter_{how}")(src, index, dim, dim_size=SIZE)
        if how in ("min", "max"):
            result, found = result
            np.testing.assert_array_equal(found.numpy(), places)
        assert result.dtype == dtype
        assert torch.equal(result, torch.from_numpy(expected).to(dtype))
        assert torch.equal(torch_scatter.scatter(src, index, dim, dim_size=SIZE, reduce=how), result)


@every_kind
@every_case
def test_out_is_where_a_reduction_starts(case: str, how: str) -> None:
    for dtype in TYPES:
        src, index, dim = draw(case, dtype)
        shape = list(src.shape)
        shape[dim] = SIZE
        out = torch.randint(0, 4, shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        expected, places = loops.reduce(array(src), array(index), dim, SIZE, how, array(out))
        given = out.transpose(0, -1).contiguous().transpose(0, -1)  # not contiguous
        result = getattr(torch_scatter, f"scatter_{how}")(src, index, dim, given)
        if how in ("min", "max"):
            result, found = result
            np.testing.assert_array_equal(found.numpy(), places)
        assert result.data_ptr() == given.data_ptr()
        assert torch.equal(given, torch.from_numpy(expected).to(dtype))


@every_kind
def test_the_size_is_that_of_the_greatest_index(how: str) -> None:
    src, index, dim = draw("rows")
    assert torch_scatter.scatter(src, index, dim, reduce=how).shape == (int(index.max()) + 1, 3)
    assert torch_scatter.scatter(src[:0], index[:0], dim, reduce=how).shape == (0, 3)
    assert torch_scatter.scatter(src.T, index, reduce=how).shape == (3, int(index.max()) + 1)  # dim is the last


@every_kind
def test_sources_and_indices_in_any_layout(how: str) -> None:
    src, index, dim = draw("an index of each element")
    expected = torch_scatter.scatter(src, index, dim, reduce=how)
    turned = (tensor.transpose(0, 2).contiguous().transpose(0, 2) for tensor in (src, index))
    assert torch.equal(torch_scatter.scatter(*turned, dim, reduce=how), expected)
    expanded = index[:, :, :1].expand(-1, -1, 3)
    expected, _ = loops.reduce(array(src), array(expanded), dim, SIZE, how)
    assert torch.equal(torch_scatter.scatter(src, expanded, dim, None, SIZE, how), torch.from_numpy(expected))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("shape", [(20_000, 8), (2, 10_000, 8)])
def test_many_long_rows(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """On the CPU pcseg's ops run from some size on."""
    g = torch.Generator().manual_seed(3)
    src, index = torch.rand(shape, generator=g).to(dtype), torch.randint(0, 50, shape[:-1], generator=g)
    dim = len(shape) - 2
    sums = np.zeros((*shape[:dim], 50, 8))
    lead = tuple(np.indices(shape[:-1])[:dim])
    np.add.at(sums, (*lead, index.numpy()), array(src))
    count = np.zeros((*shape[:dim], 50, 1))
    np.add.at(count, (*lead, index.numpy()), 1.0)
    tolerance = {"rtol": 1e-3 if dtype == torch.float16 else 1e-5}
    np.testing.assert_allclose(array(torch_scatter.scatter_sum(src, index, dim)), sums, **tolerance)
    np.testing.assert_allclose(array(torch_scatter.scatter_mean(src, index, dim)), sums / count, **tolerance)
    values = torch.rand(*shape[:dim], 50, 8, generator=g)
    assert torch.equal(torch_scatter.gather_coo(values, index), values[(*map(torch.from_numpy, lead), index)])


def test_half_precision_is_rounded_once() -> None:
    ones = torch.ones(5000, dtype=torch.float16)
    index = torch.zeros(5000, dtype=torch.int64)
    assert torch_scatter.scatter_sum(ones, index).item() == 5000  # added in half precision: 2048
    assert torch_scatter.scatter_mean(100 * ones, index).item() == 100  # the sum is above the greatest


def test_what_cannot_be_an_extreme() -> None:
    src = torch.tensor([torch.nan, 1.0, -torch.inf, -torch.inf, torch.inf, 2.0])
    index = torch.tensor([0, 0, 1, 1, 2, 2])
    greatest, places = torch_scatter.scatter_max(src, index)
    assert greatest.tolist() == [1.0, 0.0, torch.inf]
    assert places.tolist() == [1, 6, 4]
    smallest, places = torch_scatter.scatter_min(src, index)
    assert smallest.tolist() == [1.0, -torch.inf, 2.0]
    assert places.tolist() == [1, 2, 5]
    lowest = torch.full((2,), torch.iinfo(torch.int32).min, dtype=torch.int32)
    assert [value.item() for value in torch_scatter.scatter_max(lowest, index[:2])] == [0, 2]


def test_a_mean_of_integers_is_rounded_down() -> None:
    src, index = torch.tensor([-3, -2, 3, 2]), torch.tensor([0, 0, 1, 1])
    for mean in (
        torch_scatter.scatter_mean(src, index),
        torch_scatter.segment_mean_coo(src, index),
        torch_scatter.segment_mean_csr(src, torch.tensor([0, 2, 4])),
    ):
        assert mean.tolist() == [-3, 2]


@pytest.mark.parametrize("how", ["sum", "mean", "mul", "max"])
@pytest.mark.parametrize("channels", [1, 16])
def test_same_bits_for_any_number_of_threads(how: str, channels: int, threads: None) -> None:
    g = torch.Generator().manual_seed(4)
    src, index = torch.randn(20_000, channels, generator=g), torch.randint(0, 3000, (20_000,), generator=g)
    found = []
    for n in (1, 2, 5):
        torch.set_num_threads(n)
        found.append(torch_scatter.scatter(src, index, 0, reduce=how))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("greatest", [True, False])
@pytest.mark.parametrize("size", [3, 700])  # few: segments of several blocks; many: a range of segments a thread
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_special_numbers_do_not_count_in_many_rows_and_few(
    dtype: torch.dtype, size: int, greatest: bool, threads: None
) -> None:
    limits = torch.finfo(dtype)
    choice = torch.tensor([torch.nan, -torch.inf, torch.inf, limits.min, limits.max, -1.0, 0.0, 1.0], dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    src = choice[torch.randint(len(choice), (6000, 5), generator=generator)]
    src[:, 4] = torch.nan
    index = torch.randint(size, (6000,), generator=generator)
    key = np.where(np.isnan(src.numpy()), -np.inf, src.numpy() if greatest else -src.numpy())
    key[~(key > limits.min)] = -np.inf
    value, place = np.zeros((size, 5)), np.full((size, 5), 6000)
    for segment in range(size):
        (rows,) = np.nonzero(index.numpy() == segment)
        if not len(rows):
            continue
        first = rows[key[rows].argmax(0)]
        found = key[rows].max(0) > -np.inf
        place[segment] = np.where(found, first, 6000)
        value[segment] = np.where(found, src.numpy()[first, range(5)], 0)
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        function = torch_scatter.scatter_max if greatest else torch_scatter.scatter_min
        result, found = function(src, index, 0, dim_size=size)
        np.testing.assert_array_equal(found.numpy(), place)
        np.testing.assert_array_equal(result.numpy(), value.astype(src.numpy().dtype))
