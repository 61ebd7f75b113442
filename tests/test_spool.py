"""Arrays in files without a name: the same as in memory, and nothing is left."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from pcseg import spool
from pcseg.errors import InputError
from pcseg.spool import copied, let_go, pieces, spooled


def test_small_arrays_are_in_memory_and_large_ones_in_files_without_a_name(tmp_path: Path) -> None:
    new = spooled(tmp_path)
    assert not isinstance(new((10, 3), np.float64), np.memmap)
    large = new((spool.SMALL // 8 + 1,), np.float64)
    assert isinstance(large, np.memmap)
    assert large.dtype == np.float64
    assert not large[:100].any()
    assert not large[-100:].any()
    assert list(tmp_path.iterdir()) == []


def test_what_was_let_go_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "SMALL", 0)
    monkeypatch.setattr(spool, "ROWS", 1000)
    array = spooled(tmp_path)((4500, 3), np.int32)
    array[:] = np.arange(13500).reshape(4500, 3)
    let_go(array, array[3:, 1], None, np.arange(3))
    np.testing.assert_array_equal(array, np.arange(13500).reshape(4500, 3))
    assert [len(piece) for _, piece in pieces(array)] == [1000, 1000, 1000, 1000, 500]
    chosen = array[:, 0] % 2 == 0
    np.testing.assert_array_equal(copied(array[:, 1], chosen), np.arange(1, 13500, 6))
    assert not isinstance(copied(array[:, 1]), np.memmap)


def test_a_full_disk_is_told_in_one_line_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(InputError, match=r"cannot hold a temporary file of 80 MB \(No space left on device\)"):
        spooled(tmp_path)((10_000_000,), np.float64)
    assert list(tmp_path.iterdir()) == []
