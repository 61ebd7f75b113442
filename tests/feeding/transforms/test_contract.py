"""Contract of every transform: labels stay with their points, the input stays as it was, one result per generator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.feeding import transforms
from pcseg.feeding.transforms import Compose, Sometimes, Transform
from tests.feeding.transforms.clouds import arrays, cloud, copied, same

EACH: dict[str, Transform] = {
    "RotateZ": transforms.RotateZ(),
    "Tilt": transforms.Tilt(5.0),
    "Scale": transforms.Scale(0.8, 1.2),
    "Scale anisotropic": transforms.Scale(0.8, 1.2, anisotropic=True),
    "Flip": transforms.Flip(),
    "Jitter": transforms.Jitter(),
    "Shift": transforms.Shift(),
    "Elastic": transforms.Elastic(),
    "AutoContrast": transforms.AutoContrast(),
    "ColorShift": transforms.ColorShift(0.5),
    "ColorJitter": transforms.ColorJitter(0.5),
    "ColorDrop": transforms.ColorDrop(0.5),
    "Dropout": transforms.Dropout(0.5),
    "Compose": Compose([transforms.RotateZ(), transforms.Jitter()]),
    "Sometimes": Sometimes(transforms.RotateZ(), 0.5),
}
each = pytest.mark.parametrize("name", EACH)


def test_none_is_missing_here() -> None:
    others = {"Transform", "BoxCrop", "SphereCrop", "mix3d"}
    assert {name.split()[0] for name in EACH} == set(transforms.__all__) - others


@each
@given(seed=st.integers(0, 2**32), count=st.integers(1, 40), color=st.booleans(), normal=st.booleans())
@settings(max_examples=15, deadline=None)
def test_contract(name: str, seed: int, count: int, color: bool, normal: bool) -> None:
    points = cloud(count, color, normal, seed % 5)
    before = copied(points)
    after = EACH[name](points, np.random.default_rng(seed))
    assert all(np.array_equal(arrays(points)[key], array) for key, array in before.items())
    assert np.array_equal(after.attributes["intensity"], points.attributes["intensity"])
    assert np.array_equal(after.labels, points.labels)  # all points are labeled here, so none may go
    assert (after.color is None, after.normal is None) == (not color, not normal)
    for array, columns in ((after.coord, 3), (after.color, 3), (after.normal, 3)):
        assert array is None or (array.shape == (count, columns) and array.dtype == np.float32)
    assert after.height.shape == (count,)
    assert after.height.dtype == np.float32
    assert all(np.isfinite(array).all() for array in arrays(after).values())
    assert after.color is None or (after.color.min() >= -1e-6 and after.color.max() <= 1 + 1e-6)
    assert after.normal is None or np.allclose(np.linalg.norm(after.normal, axis=1), 1, atol=1e-5)
    assert same(after, EACH[name](points, np.random.default_rng(seed)))


@each
def test_another_generator_gives_another_result(name: str) -> None:
    """A Dropout of labeled points does nothing, so some are unlabeled here."""
    points = cloud()
    points = points.having(labels=np.where(points.labels < 30, -1, 0))
    found = [EACH[name](points, np.random.default_rng(seed)) for seed in range(8)]
    assert any(not same(found[0], other) for other in found[1:])
