"""LZF is decompressed as an encoder written for the tests compresses it; damage is a ValueError."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg.formats.lzf import lzf_decompress
from tests.oracles.lzf import lzf_compress


@given(st.lists(st.sampled_from([b"a", b"abc", b"\x00" * 40, b"xyzxyz", bytes(range(50))]), max_size=12))
def test_lzf_is_undone(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert lzf_decompress(lzf_compress(data), len(data)) == data


def test_lzf_stops_as_soon_as_there_is_too_much() -> None:
    bomb = b"\0\0" + b"\xe0\xff\0" * 10_000  # 2.64 MB of zeros
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"more than \d{4} bytes after decompression instead of 1000"):
        lzf_decompress(bomb, 1000)
    assert tracemalloc.get_traced_memory()[1] < 10_000
    tracemalloc.stop()


@given(st.binary(max_size=60), st.integers(0, 300))
def test_damaged_lzf_is_one_kind_of_error(packed: bytes, size: int) -> None:
    try:
        assert len(lzf_decompress(packed, size)) == size
    except ValueError as error:
        assert str(error)  # noqa: PT017
