"""Damaged scene folders and dataset.json: read, or refused in one line that names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.files import write_json
from pcseg.scenes.scene import read_classes, read_scene, scene_classes, write_scene
from tests.scenes.random_scene import ABC, scene


@pytest.mark.parametrize(
    ("name", "array", "found"),
    [
        ("coord", np.zeros((0, 3), np.float32), "no point"),
        ("coord", np.array([[0, 0, 0], [0, np.nan, 0]], np.float32), "point 1 is"),
        ("coord", np.array([[0, np.inf, 0]], np.float32), "point 0 is"),
        ("coord", np.zeros((3, 2), np.float32), r"shape \(3, 2\)"),
        ("coord", np.array(["a", "b"]), "not an array of numbers"),
        ("color", np.full((50, 3), 300.0, np.float32), "from 300 to 300"),
        ("color", np.full((50, 3), np.nan, np.float32), "from nan"),
        ("color", np.zeros((49, 3), np.uint8), "shape"),
        ("normal", np.zeros((51, 3), np.float32), "shape"),
        ("segment", np.zeros(49, np.int16), "49 values for 50 points"),
        ("segment", np.full(50, np.nan), "fractions or NaN"),
        ("segment", np.zeros((25, 2), np.int16), "50 values for 50 points"),
        ("coord", np.full((50, 3), 1e30, np.float32), "point 0 is"),
        ("coord", np.full((50, 3), 1e300), "point 0 is"),
        ("coord", np.zeros(50, [("x", "f4"), ("y", "f4"), ("z", "f4")]), "not an array of numbers"),
        ("coord", np.zeros((50, 3), np.complex64), "not an array of numbers"),
        ("instance", np.full(50, 2**63, np.uint64), "more than 63 bits"),
        ("instance", np.full(50, 2.0**63), "more than 63 bits"),
        ("instance", np.full(50, 1e300), "more than 63 bits"),
        ("superpoint", np.full(50, np.inf), "more than 63 bits"),
        ("color", np.concatenate([[[200.0, 0, 0]], np.full((49, 3), 0.25)]), "1 points are above 1"),
    ],
)
def test_malformed_arrays(tmp_path: Path, name: str, array: np.ndarray, found: str) -> None:
    folder = write_scene(tmp_path, scene())
    np.save(folder / f"{name}.npy", array)
    with pytest.raises(InputError, match=found) as caught:
        read_scene(folder, ABC, with_labels=True)
    assert "\n" not in str(caught.value)
    assert f"{name}.npy" in str(caught.value)


def test_pickles_and_cut_files_are_refused(tmp_path: Path) -> None:
    folder = write_scene(tmp_path, scene())
    whole = (folder / "coord.npy").read_bytes()
    np.save(folder / "coord.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"coord\.npy: not a readable"):
        read_scene(folder, ABC, with_labels=False)
    for cut in (0, 5, 60, len(whole) - 1):
        (folder / "coord.npy").write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"coord\.npy: not a readable"):
            read_scene(folder, ABC, with_labels=False)


@pytest.mark.parametrize("text", ["[]", '{"origin": [1, 2]}', '{"origin": "here"}', '{"classes": 3}', "{"])
def test_malformed_scene_json(tmp_path: Path, text: str) -> None:
    folder = write_scene(tmp_path, scene())
    (folder / "scene.json").write_text(text)
    with pytest.raises(InputError, match=r"scene\.json"):
        read_scene(folder, ABC, with_labels=True)


@pytest.mark.parametrize(
    "text",
    [
        '{"classes": ["a"], "colors": [[1e999, 0, 0]]}',
        '{"classes": ["a"], "colors": [[1, 0]]}',
        '{"classes": ["a"], "colors": [[1.5, 0, 0]]}',
        '{"classes": ["a"], "colors": [[256, 0, 0]]}',
        '{"classes": ["a"], "colors": 5}',
        '{"classes": [1], "colors": [[1, 0, 0]]}',
        '{"classes": "abc", "colors": [[1, 0, 0]]}',
        '{"classes": ["a", "a"], "colors": [[1, 0, 0], [1, 0, 0]]}',
        '{"classes": ["\\ud800"], "colors": [[1, 0, 0]]}',
        '{"classes": ["a"], "colors": [[1, 0, 0]], "codes": 5}',
        '{"classes": ["a"], "colors": [[1, 0, 0]], "codes": [["x"]]}',
        '{"classes": ["a"], "colors": [[1, 0, 0]], "codes": [[true]]}',
        "[]", "5", "null", "", "{", "[" * 100_000, '"\\u00', "\x00",
    ],
)  # fmt: skip
def test_malformed_dataset_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=r"dataset\.json") as caught:
        read_classes(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["coord", "color", "segment", "instance", "scene.json", "dataset.json"])
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path, name: str) -> None:
    """Bytes changed, dropped, doubled and cut, most in the first 200, where the headers are."""
    folder = write_scene(tmp_path, scene())
    write_json(tmp_path / "dataset.json", {"classes": list(ABC.names), "colors": [list(c) for c in ABC.colors]})
    file = tmp_path / name if name == "dataset.json" else folder / (name if "." in name else f"{name}.npy")
    whole = file.read_bytes()
    rng = np.random.default_rng(list(name.encode()))
    refused = []
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(min(len(content), 200)))
            byte = bytes([int(rng.integers(256)) if rng.random() < 0.5 else ord(rng.choice(list("'{[(:,0-\\b\n e<|")))])
            content[at : at + int(rng.integers(3))] = byte * int(rng.integers(1, 3))
        file.write_bytes(content[: rng.integers(1, len(content))] if rng.random() < 0.1 else content)
        try:
            read_scene(folder, scene_classes(folder), with_labels=True)
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert all(str(tmp_path) in text and "\n" not in text for text in refused)


@pytest.mark.parametrize("header", [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), ",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (10**9, 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000000000, 3)}",
    "(" * 3000, "-" * 5000 + "1", "'\\N{no}'",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3.5)}",
    "{'descr': ['a', 5], 'fortran_order': False, 'shape': (3, 3)}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3, 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 3)}",
    "1" * 5000, "{'descr': '|V0', 'fortran_order': 0, 'shape': ()}",
])  # fmt: skip
def test_damaged_npy_headers_are_refused_in_one_line(tmp_path: Path, header: str) -> None:
    folder = write_scene(tmp_path, scene())
    text = header.encode() + b"\n"
    for version in (b"\1\0", b"\2\0", b"\3\0"):
        length = len(text).to_bytes(2 if version == b"\1\0" else 4, "little")
        (folder / "coord.npy").write_bytes(b"\x93NUMPY" + version + length + text + bytes(36))
        with pytest.raises(InputError, match=r"coord\.npy") as caught:
            read_scene(folder, ABC, with_labels=False)
        assert "\n" not in str(caught.value)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no coord.npy or image.npy here"):
        read_scene(tmp_path, ABC, with_labels=False)
