"""The best match among NumPy arrays is used, others are reported, and damage is reported in one line."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.formats import read_cloud

COORD = np.random.default_rng(0).random((10, 3))
COLOR = np.random.default_rng(1).integers(0, 256, (10, 3))


@pytest.mark.parametrize("coord", ["coord", "xyz", "Points", "positions"])
@pytest.mark.parametrize("color", ["color", "rgb", "Colors"])
def test_arrays_by_usual_names(tmp_path: Path, coord: str, color: str) -> None:
    more = {
        "label": np.arange(10)[:, None],
        "meta": np.array([{}], object),
        "feat": np.zeros((10, 8)),
        "height": np.ones(10),
    }
    np.savez(tmp_path / "a.npz", **{coord: COORD, color: COLOR, **more})
    found = read_cloud(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.coord, COORD)
    np.testing.assert_array_equal(found.color, COLOR)
    assert found.fields["label"].tolist() == list(range(10))
    assert set(found.fields) == {"label", "height"}
    assert {str(d).split()[1] for d in found.defects} == {"meta.npy", "feat"}


@pytest.mark.parametrize(
    "arrays",
    [
        {"coord": COORD, "xyz": COORD + 1},
        {"coord": COORD.T, "color": COLOR},
        {"coord": COORD, "color": COLOR.T},
        {"coord": COORD, "label": np.eye(10)},
        {"coord": COORD, "label": np.zeros(9)},
        {"points": np.c_[COORD, COLOR], "label": np.zeros(10)},
        {"a": COORD, "b": COLOR},
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=r"a\.npz: .*(has shape|both look like|no x, y and z)"):
        read_cloud(tmp_path / "a.npz")


@pytest.mark.parametrize("shape", [(3, 500), (7, 20), (3, 5)])
def test_a_transposed_table_is_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(InputError, match=r"more columns than rows; .*transpose"):
        read_cloud(tmp_path / "a.npy")
    names = ("x", "y", "z", *(f"f{i}" for i in range(3, shape[1])))
    assert len(read_cloud(tmp_path / "a.npy", names)) == shape[0]


def test_columns_of_three(tmp_path: Path) -> None:
    table = np.zeros(4, [("pos", "f4", 3), ("rgb", "u1", 3), ("name", "S3"), ("hist", "f4", 2)])
    table["pos"], table["rgb"] = COORD[:4], COLOR[:4]
    np.save(tmp_path / "a.npy", table)
    found = read_cloud(tmp_path / "a.npy")
    np.testing.assert_array_equal(found.coord, COORD[:4].astype(np.float32))
    np.testing.assert_array_equal(found.color, COLOR[:4])
    assert {str(d).split()[1] for d in found.defects} == {"name", "hist"}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 127), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_header_is_one_line(tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]]) -> None:
    path = tmp_path_factory.mktemp("n") / "a.npy"
    np.save(path, COORD)
    content = bytearray(path.read_bytes())
    for place, byte in edits:
        content[place] = byte
    path.write_bytes(content)
    message = ""
    try:
        read_cloud(path)
    except InputError as error:
        message = str(error)
    assert not message or (message.startswith(str(path)) and "\n" not in message)


@pytest.mark.parametrize("shape", ["(1000000000000, 3)", "(2, 3)", "(-1, 3)", "(" * 90 + ")" * 90, "(True, 3)"])
def test_sizes_are_checked_before_memory_is_taken(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(311) + b"\n"
    content = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + b"\0" * 36
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("coord.npy", content)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(InputError, match=f"{name}: not a readable"):
            read_cloud(tmp_path / name)
