"""Features of shape against a brute force over all pairs, and known shapes; heights above a known ground."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.feeding import shape
from pcseg.feeding.ground import ground_height
from pcseg.feeding.shape import shapes


def oracle(coord: np.ndarray, radius: float) -> dict[str, np.ndarray]:
    """The definition of the docstring, point by point, on coordinates that are whole millimeters."""
    near = np.round((coord - coord.min(axis=0)) * 1000).astype(int)
    edge = radius / 5 * 1000
    cells: dict[tuple[int, ...], list[np.ndarray]] = {}
    keys = [tuple(int(np.floor((v + 0.5) / edge)) for v in point) for point in near]
    for key, point in zip(keys, near, strict=True):
        cells.setdefault(key, []).append(point / 1000)
    means = {key: np.mean(members, axis=0) for key, members in cells.items()}
    names = ("linearity", "planarity", "curvature", "verticality")
    rows: dict[str, list[float]] = {name: [] for name in names}
    for key in keys:
        around = np.array([m for m in means.values() if np.linalg.norm(m - means[key]) <= radius])
        if len(around) < 3:
            for name in names:
                rows[name].append(0.0)
            continue
        low, middle, high = np.linalg.eigvalsh(np.cov(around.T, bias=True))
        direction = np.linalg.eigh(np.cov(around.T, bias=True))[1][:, 0]
        rows["linearity"].append((high - middle) / high)
        rows["planarity"].append((middle - low) / high)
        rows["curvature"].append(low / (low + middle + high))
        rows["verticality"].append(1 - abs(direction[2]))
    return {name: np.array(values) for name, values in rows.items()}


def scan(points: int = 300) -> np.ndarray:
    """A wall, a floor, a pole and a bush, in whole millimeters."""
    rng = np.random.default_rng(1)
    u = rng.random((points, 3))
    wall, floor = u * [2, 0.02, 2], u * [2, 2, 0.02]
    pole, bush = u * [0.01, 0.01, 3] + [3, 3, 0], u * [1, 1, 1] + [5, 0, 1]
    lonely = [[20.0, 20, 20], [20.02, 20, 20]]
    return np.round(np.concatenate([wall, floor, pole, bush, lonely]), 3)


@pytest.mark.parametrize("radius", [0.2, 0.45])
@pytest.mark.parametrize("chunk", [50_000, 100])
def test_shapes_are_those_of_the_definition(radius: float, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "_CHUNK", chunk)
    found, wanted = shapes(scan(), radius), oracle(scan(), radius)
    for name, values in wanted.items():
        # float32 of values in [0, 1], after sums in another order
        assert np.allclose(found[name], values, atol=1e-5), name
        assert found[name].dtype == np.float32


def test_known_shapes_have_their_values() -> None:
    found = shapes(scan(4000), 0.4)
    parts = {name: slice(4000 * i, 4000 * (i + 1)) for i, name in enumerate(("wall", "floor", "pole", "bush"))}
    middle = {name: {key: np.median(found[key][rows]) for key in found} for name, rows in parts.items()}
    assert middle["floor"]["planarity"] > 0.7
    assert middle["floor"]["verticality"] < 0.02
    assert middle["wall"]["verticality"] > 0.9
    assert middle["pole"]["linearity"] > 0.95
    assert middle["bush"]["curvature"] > 0.15 > 0.05 > middle["floor"]["curvature"]
    normal = found["normal"]
    assert (normal[:, 2] >= 0).all()
    length = np.linalg.norm(normal, axis=1)
    assert (np.isclose(length, 1, atol=1e-5) | (length == 0)).all()
    assert (length[-2:] == 0).all()


def test_the_place_and_type_of_a_scan_change_no_bit() -> None:
    near = scan()
    far = near + np.array([770500.0, 6277500.0, 20.0])
    for name, values in shapes(near.astype(np.float32).astype(np.float64), 0.3).items():
        assert np.array_equal(values, shapes(far, 0.3)[name]), name
    above = ground_height(near.astype(np.float32).astype(np.float64), 0.5, 2, 0.2)
    assert np.array_equal(above, ground_height(far, 0.5, 2, 0.2))


def test_one_point_and_many_in_one_place_have_no_shape() -> None:
    for count in (1, 5):
        assert all((values == 0).all() for values in shapes(np.ones((count, 3)), 1.0).values())
        assert (ground_height(np.ones((count, 3)), 1, 5, 0.2) == 0).all()


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.6])
def test_heights_above_a_slope_with_houses_trees_and_low_outliers(slope: float) -> None:
    rng = np.random.default_rng(0)
    xy = rng.random((20000, 2)) * 60
    ground = slope * xy[:, 0] + 0.05 * xy[:, 1]
    height = np.zeros(len(xy))
    house = (np.abs(xy - [20, 30]) < 7).all(axis=1)
    height[house] = 8.0
    tree = (np.linalg.norm(xy - [45, 45], axis=1) < 6) & (rng.random(len(xy)) < 0.8)
    height[tree] = rng.random(int(tree.sum())) * 10
    at_the_edge = (xy[:, 0] > 52) & (np.abs(xy[:, 1] - 10) < 5)
    height[at_the_edge] = 6.0
    height[:3] = -7.0
    found = ground_height(np.column_stack([xy, ground + height]), 1.0, 12.0, 0.15)
    error = np.abs(found - height)
    assert np.percentile(error, 95) < 0.5 + slope
    assert np.median(error) < 0.1 + slope / 2
    assert np.median(found[house]) == pytest.approx(8, abs=0.6 + slope)
    assert np.median(found[at_the_edge]) == pytest.approx(6, abs=1 + 2 * slope)
