"""Tables without names are read by convention if their values agree with it; doubts are reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.formats.table_columns import table_cloud

RNG = np.random.default_rng(0)
XYZ, RGB = RNG.uniform(0, 9, (300, 3)), RNG.integers(0, 256, (300, 3))
LABEL, NORMAL = RNG.integers(-1, 13, 300), RNG.normal(size=(300, 3))
NORMAL /= np.linalg.norm(NORMAL, axis=1, keepdims=True)
ALPHA, INTENSITY = np.full(300, 255), RNG.integers(-2000, 2000, 300)


@pytest.mark.parametrize(
    ("parts", "fields", "doubt"),
    [
        ((XYZ,), set(), ""),
        ((XYZ, LABEL), {"label"}, ""),
        ((XYZ, RNG.random(300)), {"intensity"}, "4 columns holds no labels"),
        ((XYZ, RNG.integers(0, 256, 300)), {"label"}, "may be intensity"),
        ((XYZ, RGB), set(), ""),
        ((XYZ, NORMAL), set(), "taken for normals"),
        ((XYZ, np.abs(NORMAL)), set(), "taken for normals"),
        ((XYZ, RGB, LABEL), {"label"}, ""),
        ((XYZ, RGB, np.where(LABEL == 3, 255, LABEL)), {"label"}, ""),
        ((XYZ, RGB / 255, LABEL), {"label"}, ""),
        ((XYZ, RGB, ALPHA), {"alpha"}, "always 255: taken for alpha"),
        ((XYZ, RGB / 255, ALPHA / 255), {"alpha"}, "always 1: taken for alpha"),
        ((XYZ, RGB, np.ones(300)), {"label"}, ""),
        ((XYZ, RGB, RNG.integers(0, 256, 300)), {"label"}, "label, but may be x y z intensity red green blue, or end"),
        ((XYZ, RGB / 255, RNG.integers(0, 256, 300)), {"label"}, "may be intensity or alpha"),
        ((XYZ, INTENSITY, RGB), {"intensity"}, "as in Semantic3D"),
        ((XYZ, RGB, NORMAL), {f"column{i}" for i in range(4, 10)}, "only x, y and z are known"),
    ],
)
def test_columns_without_names(parts: tuple[np.ndarray, ...], fields: set[str], doubt: str) -> None:
    rows = np.column_stack(parts).astype(float)
    found = table_cloud(rows, (), Path("here"))
    assert set(found.fields) == fields
    assert not found.named
    assert bool(found.defects) == bool(doubt)
    assert doubt in " ".join(map(str, found.defects))
    for part in parts:
        if part is RGB and "column4" not in fields:
            np.testing.assert_array_equal(found.color, RGB)


@pytest.mark.parametrize("first", [0, 1])
def test_a_first_column_that_counts_the_points_is_told(first: int) -> None:
    count = np.arange(300) + first
    found = table_cloud(np.column_stack([count, XYZ]), (), Path("here"))
    assert found.coord[:, 0].tolist() == count.tolist()
    said = "the first column counts the points; it is read as x; give columns=index,x,y,z,..."
    assert said in str(found.defects[0])
    with pytest.raises(InputError, match=r"here: the first column counts the points.*columns=index,x,y,z"):
        table_cloud(np.column_stack([count, XYZ - 5, RGB[:, :2]]), (), Path("here"))
    for rows in (np.column_stack([count, XYZ[:, :2]]), np.column_stack([count[::-1], XYZ])):
        assert said not in " ".join(map(str, table_cloud(rows, (), Path("here")).defects))


def test_one_stray_does_not_decide() -> None:
    rows = np.column_stack([XYZ, RGB, LABEL]).astype(float)
    rows[5, 3], rows[6, 6] = -1, 2.5
    found = table_cloud(rows, (), Path("here"))
    assert set(found.fields) == {"label"}
    np.testing.assert_array_equal(np.delete(found.color, 5, axis=0), np.delete(RGB, 5, axis=0))


def test_nothing_fits() -> None:
    with pytest.raises(InputError, match="may be colors or normals"):
        table_cloud(np.column_stack([XYZ, np.tile([0, 0, 1], (300, 1))]), (), Path("here"))
    for parts in ((XYZ, RNG.normal(size=(300, 3))), (XYZ, RNG.normal(size=(300, 4)))):
        with pytest.raises(InputError, match="negative, so not colors"):
            table_cloud(np.column_stack(parts), (), Path("here"))
