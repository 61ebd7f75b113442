"""Tables of neighbors against a search by hand, and points to voxels as prediction makes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pcseg.share import kernel_tables
from pcseg.share.kernel_tables import features, tables, voxelize


def by_hand(coords: np.ndarray, spec: dict[str, int]) -> np.ndarray:
    """Return the table of one convolution, by a dictionary of places."""
    levels = {}
    for stride in (1, spec["in_stride"], spec["out_stride"]):
        rows = [(s, *(np.array(p) // stride * stride).tolist()) for s, *p in coords.tolist()]
        levels[stride] = rows if stride == 1 else sorted(set(rows))
    size, fine = spec["kernel_size"], min(spec["in_stride"], spec["out_stride"]) * spec["dilation"]
    first = -(size // 2) if size % 2 else 0
    steps = range(first, first + size)
    place = {row: i for i, row in enumerate(levels[spec["in_stride"]])}
    sign = 1 if spec["in_stride"] <= spec["out_stride"] else -1
    found = []
    for s, x, y, z in levels[spec["out_stride"]]:
        reach = [(s, x + sign * fine * i, y + sign * fine * j, z + sign * fine * k)
                 for k in steps for j in steps for i in steps]  # fmt: skip
        found.append([place.get(row, len(place)) for row in reach])
    return np.array(found)


@pytest.mark.parametrize(
    ("strides", "size", "dilation"),
    [((1, 1), 3, 1), ((1, 1), 5, 1), ((1, 2), 2, 1), ((2, 1), 2, 1), ((2, 4), 2, 1), ((4, 2), 2, 1), ((2, 2), 3, 2)],
)
def test_tables_hold_the_rows_of_neighbors(strides: tuple[int, int], size: int, dilation: int) -> None:
    rng = np.random.default_rng(0)
    coords = np.unique(np.column_stack([rng.integers(0, 2, 150), rng.integers(-7, 8, (150, 3))]), axis=0)
    coords = rng.permutation(coords).astype(np.int32)
    spec = {"in_stride": strides[0], "out_stride": strides[1], "kernel_size": size, "dilation": dilation}
    (found,) = tables(coords, [{"name": "a", **spec}]).values()
    assert found.dtype == np.int64
    assert np.array_equal(found, by_hand(coords, spec))


def test_voxels_that_extend_too_far_are_refused() -> None:
    coords = np.array([[0, 0, 0, 0], [0, 2**31 - 1, 2**31 - 1, 2**31 - 1]])
    spec = {"name": "a", "in_stride": 1, "out_stride": 1, "kernel_size": 3, "dilation": 1}
    with pytest.raises(ValueError, match="extend too far"):
        tables(coords, [spec])


def test_points_become_voxels_from_corner_and_floor() -> None:
    xyz = np.array([[5e5 + x, 1e6 + y, 200 + z] for x, y, z in [(0, 0, 0), (0.04, 0, 0.01), (0.25, 0.1, 0), (0, 0, 1)]])
    coords, rows, inverse = voxelize(xyz, 0.1)
    assert coords.tolist() == [[0, 0, 0, 0], [0, 0, 0, 10], [0, 2, 1, 0]]
    assert rows.tolist() == [0, 3, 2]
    assert inverse.tolist() == [0, 0, 2, 1]
    color = np.array([[0, 255, 51]] * 4)
    found = features(["optional_color", "height", "ones"], xyz, color)
    assert np.allclose(found[3], [-0.5, 0.5, -0.3, 1, 1], atol=1e-6)
    assert not features(["optional_color"], xyz).any()
    with pytest.raises(ValueError, match="needs color"):
        features(["color"], xyz)
    with pytest.raises(ValueError, match="feature planarity"):
        features(["planarity"], xyz)


def test_it_needs_numpy_alone(tmp_path: Path) -> None:
    (tmp_path / "kernel_tables.py").write_text(Path(kernel_tables.__file__).read_text())
    line = "import sys, kernel_tables; print({'torch', 'pcseg', 'scipy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
