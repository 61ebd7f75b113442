"""Write LAS scans for tests, and change and compare them."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import laspy
import numpy as np

from pcseg.errors import InputError
from pcseg.formats.las import read_las
from tests.datasets.raw import UTM

LEAST = {0: "1.1", 1: "1.1", 2: "1.2", 3: "1.2", 4: "1.3", 5: "1.3", 6: "1.4", 7: "1.4", 8: "1.4", 9: "1.4", 10: "1.4"}


VERSIONS = ("1.1", "1.2", "1.3", "1.4", "1.5")


KINDS = [
    (kind, v) for kind, v in itertools.product(LEAST, VERSIONS) if v >= LEAST[kind] and not (v == "1.5" and kind < 6)
]


EXTRA = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "2u2", "3f4", "3u1")


def write(path: Path, kind: int, version: str, count: int, extra: tuple[str, ...] = (), seed: int = 0) -> laspy.LasData:
    """Write a scan of random bits."""
    rng = np.random.default_rng(seed)
    header = laspy.LasHeader(point_format=kind, version=version)
    header.scales, header.offsets = np.array([0.001, 0.002, 0.01]), UTM
    header.add_extra_dims([laspy.ExtraBytesParams(f"e{k}", name) for k, name in enumerate(extra)])
    points = laspy.ScaleAwarePointRecord.zeros(count, header=header)
    for name in points.array.dtype.names:
        values = points.array[name]
        if values.dtype.kind == "f":
            values[...] = rng.normal(0, 1e5, values.shape)
        else:
            bounds = np.iinfo(values.dtype)
            values[...] = rng.integers(bounds.min, bounds.max, values.shape, values.dtype, endpoint=True)
    data = laspy.LasData(header, points)
    data.write(str(path))
    return laspy.read(str(path))


def scan(path: Path, kind: int = 3, version: str = "1.2", count: int = 300) -> bytearray:
    """Write a realistic scan, which is easier to compress, and return its bytes."""
    rng = np.random.default_rng(1)
    header = laspy.LasHeader(point_format=kind, version=version)
    header.scales = np.full(3, 0.001)
    data = laspy.LasData(header)
    data.x, data.y, data.z = rng.random((3, count)) * 10
    data.classification = rng.integers(0, 5, count).astype("u1")
    data.write(str(path))
    return bytearray(path.read_bytes())


def edited(path: Path, *changes: tuple[int, str, object]) -> Path:
    data = bytearray(path.read_bytes())
    for at, form, value in changes:
        struct.pack_into(form, data, at, value)
    path.write_bytes(data)
    return path


def said(path: Path) -> str:
    """Return the message with which a file is refused, or ""."""
    try:
        read_las(path)
    except InputError as error:
        return str(error)
    return ""


def compare(path: Path, given: laspy.LasData) -> None:
    """Compare every column with that of laspy."""
    cloud = read_las(path)
    np.testing.assert_array_equal(cloud.coord, np.stack([given.x, given.y, given.z], axis=1))
    seen = {"X", "Y", "Z"}
    if "red" in given.point_format.dimension_names:
        seen |= {"red", "green", "blue"}
        wide = np.stack([given.red, given.green, given.blue], axis=1)
        assert cloud.color is not None
        assert (cloud.color == wide // 256).all()
    for name in given.point_format.dimension_names:
        if name in seen:
            continue
        values = np.asarray(given[name])
        if values.ndim == 1:
            np.testing.assert_array_equal(cloud.fields[name], values, err_msg=name)
            seen.add(name)
        else:
            for k in range(values.shape[1]):
                np.testing.assert_array_equal(cloud.fields[f"{name}[{k}]"], values[:, k], err_msg=name)
                seen.add(f"{name}[{k}]")
    assert {*cloud.fields} <= seen


LARGE = 0xFFFFFFF0
