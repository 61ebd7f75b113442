"""A random scene with every array, a folder in Pointcept's layout, and the comparison of two scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcseg.classes import Classes
from pcseg.scenes.scene import Scene

ABC = Classes(("a", "b", "c"))


def scene(points: int = 50, **changes: object) -> Scene:
    """Return a scene of the classes ABC, the same on every call; ``changes`` replaces arrays, None drops one."""
    rng = np.random.default_rng(0)
    values: dict = {
        "name": "Area_1/office_1",
        "coord": rng.normal(size=(points, 3)).astype(np.float32),
        "color": rng.integers(0, 256, (points, 3)).astype(np.uint8),
        "normal": rng.normal(size=(points, 3)).astype(np.float32),
        "segment": rng.integers(-1, 3, points),
        "instance": rng.integers(-1, 9, points),
        "superpoint": rng.integers(0, 9, points),
        "origin": np.array([500000.25, 4500000.5, 100.0]),
        "classes": ABC.names,
    } | changes
    own = {key: values.pop(key) for key in list(values) if key not in ("name", "coord", "origin", "classes")}
    return Scene(**values, attributes={key: array for key, array in own.items() if array is not None})


def assert_equal(a: Scene, b: Scene) -> None:
    """Check that both scenes have the same arrays with the same values."""
    for name in ("coord", "color", "normal", "segment", "instance", "superpoint", "origin"):
        left, right = getattr(a, name), getattr(b, name)
        assert (left is None) == (right is None), name
        if left is not None:
            np.testing.assert_array_equal(left, right, err_msg=name)


def pointcept(root: Path, split: str, name: str, **files: np.ndarray) -> Path:
    """Write ``<root>/<split>/<name>/<file>.npy`` for each array; return the folder."""
    folder = root / split / name
    folder.mkdir(parents=True)
    for stem, array in files.items():
        np.save(folder / f"{stem}.npy", array)
    return folder
