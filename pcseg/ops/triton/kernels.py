"""The Triton kernels of implicit_gemm.py: the work of one program.

``feats``, ``grad``, ``out`` and ``pairs`` are contiguous. Rows and channels may be any number: elements beyond the end
of an array are loaded as zero and not stored.
"""

# Triton accepts annotations of its own types only.
# mypy: disallow-untyped-defs=False

from __future__ import annotations

import triton
import triton.language as tl


# Sizes that change from input to input are not specialized: each special case would be compiled again.
@triton.jit(do_not_specialize=["group", "n_tiles", "n_out"])
def conv_kernel(
    feats, weight, out, rows, firsts, offsets, table, group, n_tiles, n_out,
    cin, cout, stride_k, stride_in, stride_out,
    ADD: tl.constexpr, PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """out[rows[place]] = sum over the tile's blocks of feats[table[block]] @ weight[offsets[block]] (+ out, if ADD)."""
    n_columns = tl.cdiv(cout, COLUMNS)
    tile = tl.program_id(0) // n_columns
    o = tl.program_id(0) % n_columns * COLUMNS + tl.arange(0, COLUMNS)
    place = tile * ROWS + tl.arange(0, ROWS)
    first = tl.load(firsts + group * n_tiles + tile)
    n_blocks = tl.load(firsts + group * n_tiles + tile + 1) - first
    steps = tl.cdiv(cin, DEPTH)
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    # One loop over blocks and channels instead of two, so that the next block is loaded while this one is multiplied.
    for step in range(n_blocks * steps):
        block = (first + step // steps).to(tl.int64)
        k = tl.load(offsets + block + tl.zeros((DEPTH,), dtype=tl.int32)).to(tl.int64)
        n = tl.load(table + block * ROWS + tl.arange(0, ROWS)).to(tl.int64)
        c = step % steps * DEPTH + tl.arange(0, DEPTH)
        left = tl.load(feats + n[:, None] * cin + c[None, :], mask=(n >= 0)[:, None] & (c < cin)[None, :], other=0.0)
        right = tl.load(
            weight + k[:, None] * stride_k + c[:, None] * stride_in + o[None, :] * stride_out,
            mask=(c < cin)[:, None] & (o < cout)[None, :],
            other=0.0,
        )
        total = tl.dot(left, right, total, input_precision=PRECISION)
    inside = place < n_out
    m = tl.load(rows + group.to(tl.int64) * n_out + place, mask=inside, other=0).to(tl.int64)
    to = out + m[:, None] * cout + o[None, :]
    valid = inside[:, None] & (o < cout)[None, :]
    if ADD:
        total += tl.load(to, mask=valid, other=0.0)
    tl.store(to, total.to(out.dtype.element_ty), mask=valid)


@triton.jit(do_not_specialize=["n_pairs"])
def weight_grad_kernel(
    feats, grad, pairs, starts, partial, n_pairs, cin, cout,
    PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """partial[k, share] = sum over the share's pairs (n, m) of offset k of the outer product feats[n] x grad[m]."""
    n_columns = tl.cdiv(cout, COLUMNS)
    c = tl.program_id(0) // n_columns * ROWS + tl.arange(0, ROWS)
    o = tl.program_id(0) % n_columns * COLUMNS + tl.arange(0, COLUMNS)
    share, shares, k = tl.program_id(1), tl.num_programs(1), tl.program_id(2)
    start, stop = tl.load(starts + k), tl.load(starts + k + 1)
    size = tl.cdiv(stop - start, shares)
    first = start + share * size
    last = tl.minimum(first + size, stop)
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for step in range(tl.cdiv(size, DEPTH).to(tl.int32)):
        p = first + step * DEPTH + tl.arange(0, DEPTH)
        n = tl.load(pairs + p, mask=p < last, other=0).to(tl.int64)
        m = tl.load(pairs + n_pairs + p, mask=p < last, other=0).to(tl.int64)
        left = tl.load(feats + n[:, None] * cin + c[None, :], mask=(p < last)[:, None] & (c < cin)[None, :], other=0.0)
        right = tl.load(
            grad + m[:, None] * cout + o[None, :], mask=(p < last)[:, None] & (o < cout)[None, :], other=0.0
        )
        total = tl.dot(tl.trans(left), right, total, input_precision=PRECISION)
    to = partial + (k * shares + share).to(tl.int64) * cin * cout + c[:, None] * cout + o[None, :]
    tl.store(to, total, mask=(c < cin)[:, None] & (o < cout)[None, :])
