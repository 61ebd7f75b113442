"""Rows sorted by their offsets: each pair occurs once, tiles skip absent offsets, an order is freed with its map."""

from __future__ import annotations

import ctypes
import gc
import weakref

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from pcseg.errors import InputError
from pcseg.ops import kernel_map
from pcseg.ops._native import has_cuda
from pcseg.ops.triton import row_order
from pcseg.ops.triton.row_order import SortedRows, device_map, vouch
from tests.ops import emulated
from tests.ops.test_sparse_conv import coarse, distinct
from tests.oracles import sparse_conv as oracle


def a_map(kernel_size: int, points: int = 200, span: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, int]:
    coords = distinct(points, span, seed)
    outputs = coords if kernel_size % 2 else coarse(coords, kernel_size)
    return *kernel_map(coords, outputs, oracle.offsets(kernel_size)), len(outputs)


def sorted_rows(pairs: Tensor, starts: Tensor, n_out: int, width: int, size: int) -> SortedRows:
    return row_order._sorted_by_torch(pairs, starts, n_out, width, size)


def triples(ordered: SortedRows, n_out: int, width: int, size: int) -> list[tuple[int, int, int]]:
    """Return (offset, input row, output row) of each entry, sorted, and check the layout."""
    n_tiles, found = -(-n_out // size), []
    assert len(ordered.firsts) == len(ordered.rows) * n_tiles + 1
    assert ordered.firsts[-1] == len(ordered.offsets) == len(ordered.table)
    for group, rows in enumerate(ordered.rows.tolist()):
        assert sorted(rows) == list(range(n_out))
        for tile in range(n_tiles):
            first, last = ordered.firsts[group * n_tiles + tile :][:2].tolist()
            offsets = ordered.offsets[first:last].tolist()
            assert offsets == sorted(set(offsets))
            assert all(k // width == group for k in offsets)
            for k, inputs in zip(offsets, ordered.table[first:last].tolist(), strict=True):
                assert max(inputs) >= 0, "a block of which no row has the offset"
                found += [(k, n, rows[tile * size + lane]) for lane, n in enumerate(inputs) if n >= 0]
    return sorted(found)


@settings(deadline=None, max_examples=20)
@given(
    points=st.integers(1, 200), kernel_size=st.sampled_from([1, 2, 3, 5]), width=st.sampled_from([1, 9, 27, 32]),
    size=st.sampled_from([16, 64]), seed=st.integers(0, 1000),
)  # fmt: skip
def test_every_pair_is_there_once(points: int, kernel_size: int, width: int, size: int, seed: int) -> None:
    pairs, starts, n_out = a_map(kernel_size, points, seed=seed)
    offset = torch.arange(len(starts) - 1).repeat_interleave(starts.diff())
    expected = sorted(zip(offset.tolist(), *pairs.tolist(), strict=True))
    assert triples(sorted_rows(pairs, starts, n_out, width, size), n_out, width, size) == expected


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    points=st.integers(1, 300), span=st.sampled_from([2, 4, 9]), kernel_size=st.sampled_from([1, 2, 3, 4, 5]),
    width=st.sampled_from([1, 8, 9, 27, 32]), size=st.sampled_from([16, 64]), seed=st.integers(0, 1000),
)  # fmt: skip
def test_the_kernels_of_the_library_sort_as_torch_does(
    emulated_library: ctypes.CDLL, points: int, span: int, kernel_size: int, width: int, size: int, seed: int
) -> None:
    coords = distinct(points, span, seed)
    outputs = coords if kernel_size % 2 else coarse(coords, 2)
    pairs, starts = kernel_map(coords, outputs, oracle.offsets(kernel_size))
    expected = sorted_rows(pairs, starts, len(outputs), width, size)
    with emulated.calls_go_to(emulated_library):
        found = row_order._sorted_by_library(pairs, starts, len(outputs), width, size, starts)
    for name, value in vars(expected).items():
        torch.testing.assert_close(vars(found)[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize(("k", "n_out", "width"), [(27, 0, 27), (27, 5, 9), (125, 70, 32)])
def test_nor_do_they_differ_where_there_is_nothing_to_sort(
    emulated_library: ctypes.CDLL, k: int, n_out: int, width: int
) -> None:
    none, starts = torch.zeros(2, 0, dtype=torch.int32), torch.zeros(k + 1, dtype=torch.int64)
    expected = sorted_rows(none, starts, n_out, width, 16)
    with emulated.calls_go_to(emulated_library):
        found = row_order._sorted_by_library(none, starts, n_out, width, 16, starts)
    for name, value in vars(expected).items():
        torch.testing.assert_close(vars(found)[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.skipif(not (torch.cuda.is_available() and has_cuda()), reason="no GPU, or a library without its kernels")
@pytest.mark.parametrize(("width", "size"), [(27, 64), (9, 128), (32, 32)])
def test_they_do_so_on_a_gpu(width: int, size: int) -> None:
    pairs, starts, n_out = a_map(3, points=20000, span=30)
    expected = sorted_rows(pairs, starts, n_out, width, size)
    there, on = pairs.cuda(), starts.cuda()
    for _ in range(3):
        found = row_order._sorted_by_library(there, starts, n_out, width, size, on)
        for name, value in vars(expected).items():
            torch.testing.assert_close(vars(found)[name].cpu(), value, rtol=0, atol=0, msg=name)


def test_no_pairs_and_rows_without_any() -> None:
    none, starts = torch.zeros(2, 0, dtype=torch.int32), torch.zeros(28, dtype=torch.int64)
    assert triples(sorted_rows(none, starts, 5, 27, 16), 5, 27, 16) == []
    pairs, starts, n_out = a_map(3)
    assert len(triples(sorted_rows(pairs, starts, n_out + 100, 9, 16), n_out + 100, 9, 16)) == pairs.shape[1]


def test_sorting_skips_most_absent_offsets() -> None:
    """Compare products of tiles of 64 rows with the pairs they need, on a rough sheet of voxels in key order."""
    generator = torch.Generator().manual_seed(0)
    x, y = (t.reshape(-1) for t in torch.meshgrid(torch.arange(60), torch.arange(60), indexing="ij"))
    z = torch.randint(0, 3, x.shape, generator=generator)
    coords = torch.stack([torch.zeros_like(x), x, y, z], 1).int()
    pairs, starts = kernel_map(coords, coords, oracle.offsets(3))
    natural = torch.unique(torch.stack([torch.arange(27).repeat_interleave(starts.diff()), pairs[1] // 64]), dim=1)
    waste = {w: sorted_rows(pairs, starts, len(x), w, 64).table.numel() / pairs.shape[1] for w in (27, 9)}
    waste["natural"] = 64 * natural.shape[1] / pairs.shape[1]
    assert waste[27] < 0.8 * waste["natural"], waste
    assert waste[9] < 0.5 * waste["natural"], waste


def test_a_device_map_is_computed_once_and_freed_with_its_map() -> None:
    pairs, starts, n_out = a_map(3)
    before = len(row_order._known)
    known = device_map(pairs, starts, n_out, n_out)
    assert device_map(pairs, starts, n_out, n_out) is known
    assert device_map(pairs, starts.clone(), n_out, n_out) is known
    assert known.sorted_rows(pairs, 27, 64) is known.sorted_rows(pairs, 27, 64)
    assert known.n_in == int(pairs[0].max()) + 1
    assert device_map(pairs, starts, n_out, n_out + 1) is not known
    held = [weakref.ref(known), weakref.ref(known.sorted_rows(pairs, 27, 64))]
    gc.disable()
    try:
        del pairs, known
        assert len(row_order._known) == before
        assert [one() for one in held] == [None, None]
    finally:
        gc.enable()


def test_orders_of_a_trial_are_freed_with_it() -> None:
    pairs, starts, n_out = a_map(3)
    known = device_map(pairs, starts, n_out, n_out)
    kept, trial = known.sorted_rows(pairs, 27, 64), known.trial()
    assert trial.sorted_rows(pairs, 27, 64) is kept
    lost = weakref.ref(trial.sorted_rows(pairs, 9, 64))
    del trial
    assert lost() is None
    assert list(known._sorted) == [(27, 64)]


def test_all_parts_outlive_every_stream_that_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: set[tuple[int, object]] = set()
    monkeypatch.setattr(Tensor, "record_stream", lambda tensor, stream: recorded.add((id(tensor), stream)))
    pairs, starts, n_out = a_map(3)
    known = device_map(pairs, starts, n_out, n_out)
    parts = [known.starts]
    for stream, width in (("first", 27), ("second", 9), ("first", 9)):
        known.read_by(stream)  # type: ignore[arg-type]
        parts += vars(known.sorted_rows(pairs, width, 64)).values()
    assert recorded == {(id(part), stream) for part in parts for stream in ("first", "second")}


def test_a_map_written_over_is_another_map() -> None:
    pairs, starts, n_out = a_map(3)
    known = device_map(pairs, starts, n_out, n_out)
    pairs[0] = pairs[0].flip(0)
    assert device_map(pairs, starts, n_out, n_out) is not known
    with torch.inference_mode():
        frozen = pairs.clone()
        assert device_map(frozen, starts, n_out, n_out) is device_map(frozen, starts, n_out, n_out)


def test_a_map_vouched_for_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[int] = []
    check = row_order._checked
    monkeypatch.setattr(row_order, "_checked", lambda *args: checks.append(1) or check(*args))
    pairs, starts, n_out = a_map(3)
    monkeypatch.setattr(Tensor, "is_cuda", True)
    vouch(pairs, starts, n_out, n_out)
    monkeypatch.undo()
    monkeypatch.setattr(row_order, "_checked", lambda *args: checks.append(1) or check(*args))
    known = device_map(pairs, starts, n_out, n_out)
    assert known.n_in == n_out
    assert not checks
    with pytest.raises(InputError, match=f"feats has {n_out - 1} rows, the map needs {n_out}"):
        device_map(pairs, starts, n_out - 1, n_out)
    assert len(checks) == 1
    pairs[0] = pairs[0].flip(0)  # written over: checked again
    device_map(pairs, starts, n_out, n_out)
    assert len(checks) == 2


def test_a_map_vouched_for_takes_features_of_the_rows_that_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    coords = distinct(50, 4, seed=0)
    pairs, starts = kernel_map(coords, coords[:1], oracle.offsets(1))
    monkeypatch.setattr(Tensor, "is_cuda", True)
    vouch(pairs, starts, 50, 1)
    monkeypatch.undo()
    assert device_map(pairs, starts, 1, 1).n_in == 1


def test_an_invalid_map_is_refused() -> None:
    pairs, starts, n_out = a_map(3)
    swapped, negative = pairs.clone(), pairs.clone()
    swapped[1, :2] = pairs[1, :2].flip(0)
    negative[0, 5] = -1
    for broken in ((swapped, starts), (negative, starts), (pairs, starts.flip(0)), (pairs[:, 1:], starts)):
        with pytest.raises(InputError, match="give those that kernel_map returned"):
            device_map(*broken, n_out, n_out)
    with pytest.raises(InputError, match=f"no map to {n_out - 1} rows"):
        device_map(pairs, starts, n_out, n_out - 1)


@pytest.mark.parametrize("way", ["plain", "compiled", "recomputed"])
def test_torch_passes_on_the_same_tensors_of_a_map(way: str) -> None:
    """The cache relies on it: dispatcher, autograd, torch.compile and recomputation pass on ``pairs`` itself."""
    seen: list[tuple[int, int]] = []
    library = torch.library.Library(f"pcseg_test_{way}", "DEF")
    library.define("f(Tensor x, Tensor pairs) -> Tensor")
    op = getattr(torch.ops, library.ns).f

    def kernel(x: Tensor, pairs: Tensor) -> Tensor:
        seen.append((id(pairs), pairs.data_ptr()))
        return x * 2

    library.impl("f", kernel, "CPU")
    torch.library.register_fake(f"{library.ns}::f", lambda x, pairs: torch.empty_like(x), lib=library)
    torch.library.register_autograd(
        f"{library.ns}::f",
        lambda ctx, grad: (op(grad, *ctx.saved_tensors), None),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[1]),
        lib=library,
    )
    pairs, x = torch.zeros(2, 7, dtype=torch.int32), torch.ones(3, requires_grad=True)
    call = {
        "plain": op,
        "compiled": torch.compile(op, backend="aot_eager"),
        "recomputed": lambda x, pairs: checkpoint(lambda x: op(x, pairs).sin(), x, use_reentrant=False),
    }[way]
    call(x, pairs).sum().backward()
    assert seen == [(id(pairs), pairs.data_ptr())] * (3 if way == "recomputed" else 2)
