"""Archives of arrays and tensors are read back exactly; false sizes are refused before unpacking, code is never run."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pcseg.archives import check_stored, load_tensors, read_npz
from pcseg.errors import InputError

kinds = hnp.integer_dtypes() | hnp.floating_dtypes() | hnp.unsigned_integer_dtypes() | hnp.unicode_string_dtypes()
kinds = kinds | hnp.boolean_dtypes() | hnp.array_dtypes(hnp.integer_dtypes(), allow_subarrays=True)
arrays = hnp.arrays(kinds, hnp.array_shapes(min_dims=0, min_side=0, max_side=5))


@given(table=st.dictionaries(st.text("abcxyzäö点", min_size=1, max_size=6), arrays, max_size=4), packed=st.booleans())
@settings(max_examples=100, deadline=None)
def test_every_array_comes_back(tmp_path_factory: pytest.TempPathFactory, table: dict, packed: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "any.npz"
    (np.savez_compressed if packed else np.savez)(path, **table)
    found, left = read_npz(path)
    assert left == ()
    assert found.keys() == table.keys()
    for name, array in table.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_fortran_order_empty_arrays_and_members_that_are_none(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    nothing = np.zeros((0, 300), np.float32)  # longer along a side than its member has bytes
    np.savez(tmp_path / "a.npz", values=values, nothing=nothing, about=np.array([{"a": 1}], dtype=object))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("readme.txt", "hello")
    found, left = read_npz(tmp_path / "a.npz")
    assert found.keys() == {"values", "nothing"}
    assert np.array_equal(found["values"], values)
    assert found["nothing"].shape == (0, 300)
    assert left == ("about.npy", "readme.txt")


def header(descr: str, shape: str, version: int = 1) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text


@pytest.mark.parametrize(
    "member",
    [
        header("'<f4'", f"({10**15},)"),
        header("'<f4'", "(10, 10)") + bytes(399),
        header("'<f4'", "(10, 10)") + bytes(401),
        header("'<f4'", f"({10**12}, 0)"),
        header("'V0'", f"({10**12},)"),
        header("'<f4'", "(-1, -100)") + bytes(400),
        header("'<f4'", "(3,") + bytes(12),
        header("'<q9'", "(3,)") + bytes(24),
        header("'(1000000000,)f4'", "(3,)") + bytes(12),
        header("'<f4'", "(" * 2000),
        header("'<f4'", "(1,)" + " " * 20_000, version=2) + bytes(4),
        header("'<f4'", "(1,)", version=9) + bytes(4),
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY",
        b"",
    ],
)
def test_impossible_headers_are_refused(tmp_path: Path, member: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("coord.npy", member)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.npz: not a readable \.npz file"):
        read_npz(tmp_path / "a.npz")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def bomb(path: Path, size: int, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a compressed archive of one array of ``size`` zeros, whose header is right."""
    with zipfile.ZipFile(path, "w", method) as archive, archive.open("coord.npy", "w", force_zip64=True) as stream:
        stream.write(header("'|u1'", f"({size},)"))
        for _ in range(size // 2**20):
            stream.write(bytes(2**20))
    return path


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = bomb(tmp_path / "a.npz", 2**26)
    with pytest.raises(InputError, match=r"it unpacks to 67,108,\d+ bytes, more than the limit of 33,554,432"):
        read_npz(path, 2**25)
    assert len(read_npz(path)[0]["coord"]) == 2**26
    with pytest.raises(InputError, match="unusual compression"):
        read_npz(bomb(tmp_path / "b.npz", 2**20, zipfile.ZIP_LZMA))
    with pytest.raises(ValueError, match=r"unpacks to|is compressed"):
        check_stored(path)


def test_false_sizes_are_refused(tmp_path: Path) -> None:
    raw = bomb(tmp_path / "a.npz", 2**22).read_bytes()
    at = raw.rindex(b"PK\x01\x02")
    for offset, value in ((24, 2**20), (24, 2**31 - 2**20), (20, 2**31), (42, 10**6), (10, 0)):
        changed = bytearray(raw)
        struct.pack_into("<H" if offset == 10 else "<I", changed, at + offset, value)
        (tmp_path / "b.npz").write_bytes(bytes(changed))
        with pytest.raises(InputError, match="not a readable"):
            read_npz(tmp_path / "b.npz")


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.arange(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", stream.getvalue())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", stream.getvalue())
    with pytest.raises(InputError, match="two members have the same name"):
        read_npz(tmp_path / "a.npz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.npz: no such file"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_arrays_and_numbers_are_loaded(tmp_path: Path, zipped: bool) -> None:
    content = {
        "state_dict": {"weight": torch.arange(6.0).reshape(2, 3)},
        "best": np.float64(0.5),
        "epoch": np.int64(7),
        "lists": {kind: np.arange(5, dtype=kind) for kind in ("int32", "int64", "float32", "float64")},
        "note": "text",
    }
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    found = load_tensors(tmp_path / "a.pth")
    assert found.keys() == content.keys()
    assert torch.equal(found["state_dict"]["weight"], content["state_dict"]["weight"])
    assert (found["best"], found["epoch"], found["note"]) == (0.5, 7, "text")
    for kind, array in content["lists"].items():
        assert found["lists"][kind].dtype == kind
        assert np.array_equal(found["lists"][kind], array)


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_file_of_tensors_is_never_run(tmp_path: Path) -> None:
    torch.save({"weight": Evil(tmp_path / "ran")}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps({"weight": Evil(tmp_path / "ran")}, protocol=2))
    torch.save({"objects": np.array([Evil(tmp_path / "ran")], dtype=object)}, tmp_path / "c.pth")
    for name in "abc":
        with pytest.raises(pickle.UnpicklingError):
            load_tensors(tmp_path / f"{name}.pth")
    assert not (tmp_path / "ran").exists()


def test_compressed_and_missing_files_of_tensors_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "a.pth")
    with (
        zipfile.ZipFile(tmp_path / "a.pth") as old,
        zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(ValueError, match=r"is compressed|unpacks to"):
        load_tensors(tmp_path / "b.pth")
    with pytest.raises(FileNotFoundError):
        load_tensors(tmp_path / "none.pth")
