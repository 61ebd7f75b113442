"""Features that are computed from a whole scan, kept beside a scene on disk, and the ranges of its columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.feeding.feature import Feature
from pcseg.feeding.features import Features
from pcseg.feeding.ground import ground_height
from pcseg.feeding.shape import shapes
from pcseg.files import atomic_path
from pcseg.scenes.arrays import load
from pcseg.scenes.bulk import GAP, bulk
from pcseg.scenes.scene import Scene, list_columns, read_scene

CACHE = "computed"
"""Folder within a scene folder that keeps computed features, named by parameters and content."""

VERSION = 1
"""To be raised where a computation changes, so that no older values are taken from a cache."""

PERCENTILES = (1.0, 99.0)
"""Of a column over the training scenes: the range that becomes -0.5 to 0.5."""

_SAMPLED = 20_000
"""Points of a scene, evenly spaced in its order, that the range of a column is measured on."""


def compute(
    features: Features, scan: Scene, voxel_size: float, main: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the computed features of a whole scan by attribute, (P,) or (P, 3) float32; normals only if it has none.

    ``main`` (P,): the bulk of the scan where it is known. Strays are computed separately, and change nothing about
    the rest.
    """
    wanted = _wanted(features, scan)
    if not wanted:
        return {}
    coord = np.asarray(scan.coord, dtype=np.float64)
    main = bulk(coord, GAP * voxel_size) if main is None else main
    found = {f.attribute: np.zeros((len(scan), 3) if f.name == "normal" else len(scan), np.float32) for f in wanted}
    for part in (main, ~main):
        if part.any():
            for attribute, values in _of_part(wanted, coord[part]).items():
                found[attribute][part] = values
    return found


def with_computed(features: Features, scene: Scene, folder: Path, voxel_size: float) -> Scene:
    """Return ``scene``, of a scene folder, with its computed features, memory-mapped from the cache there.

    Features that the cache lacks are computed and written to it, or kept in memory where it cannot be written.
    """
    wanted = _wanted(features, scene)
    if not wanted:
        return scene
    digest = scene.digest()
    paths = {f.attribute: folder / CACHE / _file_name(f, digest, voxel_size) for f in wanted}
    known = {}
    for attribute, path in paths.items():
        with suppress(InputError):
            values = load(path)
            if len(values) == len(scene):
                known[attribute] = values
    if len(known) == len(wanted):
        return scene.having(**known)
    found = compute(features, scene, voxel_size)
    for attribute, path in paths.items():
        with suppress(InputError):  # a data set that may not be written to
            with atomic_path(path) as temporary, open(temporary, "wb") as stream:
                np.save(stream, found[attribute])
            found[attribute] = load(path)
    return scene.having(**found)


def measured(features: Features, folders: Sequence[Path], classes: Classes, voxel_size: float) -> Features:
    """Return the features with the range of each column that has none: PERCENTILES of it over the scenes.

    ``folders`` are those of the scenes. Computed features are written to the cache of each, so that training does not
    wait for them. Raises InputError for a scene that lacks a column.
    """
    unknown = [f.name for f in features.each if f.is_column and f.range is None]
    if not unknown and not any(f.computed for f in features.each):
        return features
    found: dict[str, list[np.ndarray]] = {name: [] for name in unknown}
    for folder in tqdm(folders, desc="features", unit="scene", leave=False):
        scene = read_scene(folder, classes, with_labels=False, columns=features.columns)
        features.check(scene.name, [*scene.attributes, *list_columns(folder)])
        with_computed(features, scene, folder, voxel_size)
        rows = np.linspace(0, len(scene) - 1, min(len(scene), _SAMPLED)).astype(np.int64)
        for name in unknown:
            values = scene.attributes[name][rows].astype(np.float64)
            found[name].append(values[np.isfinite(values)])
    return features.ranged({name: _range(np.concatenate(values)) for name, values in found.items()})


def _range(values: np.ndarray) -> tuple[float, float]:
    """Return low and high, which differ; for a column of one value around it, and (0, 1) for no value."""
    if not len(values):
        return 0.0, 1.0
    low, high = map(float, np.percentile(values, PERCENTILES))
    if low == high:
        low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def _wanted(features: Features, scan: Scene) -> list[Feature]:
    return [f for f in features.each if f.computed and f.attribute not in scan.attributes]


def _of_part(wanted: Sequence[Feature], coord: np.ndarray) -> dict[str, np.ndarray]:
    """Return the computed features of points (P, 3), each radius once."""
    found = {}
    of_radius: dict[float, dict[str, np.ndarray]] = {}
    for feature in wanted:
        parameters = dict(feature.parameters)
        if feature.name == "ground_height":
            found[feature.attribute] = ground_height(coord, **parameters)
            continue
        radius = parameters["radius"]
        if radius not in of_radius:
            of_radius[radius] = shapes(coord, radius)
        found[feature.attribute] = of_radius[radius][feature.name]
    return found


def _file_name(feature: Feature, digest: str, voxel_size: float) -> str:
    """Return a name made of the feature and of a hash of all that its values depend on."""
    text = json.dumps([VERSION, feature.to_json(), digest, voxel_size])
    return f"{feature.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npy"
