"""KITTI scans and labels, and other files that end in .bin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pcseg.errors import InputError
from pcseg.formats import read_cloud

ROWS = npst.arrays(np.float32, st.tuples(st.integers(1, 20), st.just(4)), elements=st.floats(0.125, 100, width=32))


def scan(folder: Path, rows: np.ndarray) -> Path:
    path = folder / "sequences" / "00" / "velodyne" / "000000.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.astype("<f4").tofile(path)
    return path


@settings(deadline=None)
@given(ROWS, st.booleans(), st.data())
def test_points_and_labels(
    tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray, beside: bool, data: st.DataObject
) -> None:
    path = scan(tmp_path_factory.mktemp("k"), rows)
    numbers = st.integers(0, 2**16 - 1)
    pairs = data.draw(st.lists(st.tuples(numbers, numbers), min_size=len(rows), max_size=len(rows)))
    label, instance = np.array(pairs).T
    labels = path.with_suffix(".label") if beside else path.parent.parent / "labels" / "000000.label"
    labels.parent.mkdir(exist_ok=True)
    (label + (instance << 16)).astype("<u4").tofile(labels)
    found = read_cloud(path)
    np.testing.assert_array_equal(found.coord, rows[:, :3])
    for name, values in {"intensity": rows[:, 3], "label": label, "instance": instance}.items():
        np.testing.assert_array_equal(found.fields[name], values)


def test_labels_of_another_scan_are_refused(tmp_path: Path) -> None:
    path = scan(tmp_path, np.ones((5, 4)))
    for content, message in ((b"\0" * 16, "4 labels, but its scan has 5 points"), (b"\0" * 19, "cut off")):
        path.with_suffix(".label").write_bytes(content)
        with pytest.raises(InputError, match=rf"000000\.label: .*{message}"):
            read_cloud(path)


@pytest.mark.parametrize(
    "low", [-50, 1]
)  # all around the scanner, or a part, whose numbers are plausible in rows of 4 too
def test_nuscenes_is_read_with_names(tmp_path: Path, low: float) -> None:
    rng = np.random.default_rng(0)
    rows = np.c_[rng.uniform(low, 50, (64, 3)), rng.integers(0, 256, 64), np.arange(64) % 32]
    for count in (63, 64):  # 64 rows of 5 are 80 of 4
        path = scan(tmp_path, rows[:count])
        with pytest.raises(InputError, match="as in nuScenes, must be named: columns x, y, z, intensity, ring"):
            read_cloud(path)
        found = read_cloud(path, ("x", "y", "z", "intensity", "ring"))
        assert found.fields["ring"].tolist() == (np.arange(count) % 32).tolist()
    with pytest.raises(InputError, match="not rows of 6 numbers"):
        read_cloud(path, ("x", "y", "z", "intensity", "ring", "time"))


@pytest.mark.parametrize(
    "content",
    [
        np.random.default_rng(0).bytes(4096),
        np.random.default_rng(0).normal(size=(64, 4)).astype("<f4").tobytes(),  # weights of a network
        np.random.default_rng(0).uniform(1, 9, (64, 3)).tobytes(),  # float64
        np.arange(64, dtype="<i4").tobytes(),
        b"some plain text, 1 2 3 4 5\n" * 16,
        bytes(160),
        b"123",
    ],
)
def test_other_content_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.bin: .*not rows of x y z intensity") as caught:
        read_cloud(tmp_path / "a.bin")
    assert "\n" not in str(caught.value)
