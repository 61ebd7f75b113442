"""Every station, field and limit of E57 is read as declared; everything left out is reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.formats.e57 import read_e57
from tests.datasets.raw import UTM
from tests.formats.e57_files import RGB, XYZ, Station, color_limits, colors, points, write


def _step(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


CRC = [_step(value) for value in range(256)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=3),
    high=st.sampled_from([1, 255, 1023, 4095, 65535]),
    declared=st.booleans(),
    coordinates=st.sampled_from(["double", "single", "scaled"]),
    turned=st.booleans(),
)
def test_values_read_equal_values_written(
    tmp_path: Path, counts: list[int], high: int, declared: bool, coordinates: str, turned: bool
) -> None:
    kind = ("scaled", -(10**9), 10**9, 1e-6, 5.0) if coordinates == "scaled" else ("float", coordinates)
    rotation = np.array([0.5, 0.5, 0.5, 0.5])  # x to y, y to z, z to x
    stations, wanted, painted, marks = [], [], [], []
    for k, count in enumerate(counts):
        fields = {name: (values, kind) for name, (values, _) in points(count, k).items()}
        rgb = colors(count, 0, high)
        marks.append(np.arange(count) - 3)
        fields |= rgb | {"label": (marks[-1], ("integer", -3, 100))}
        shift = UTM + k
        pose = {"translation": dict(zip("xyz", map(float, shift), strict=True))}
        if turned:
            pose["rotation"] = dict(zip("wxyz", map(float, rotation * 2), strict=True))  # not a unit quaternion
        stations.append(Station(fields, pose, color_limits(0, high) if declared else {}))
        local = np.stack([fields[name][0] for name in XYZ], axis=1)
        wanted.append((local[:, [2, 0, 1]] if turned else local) + shift)
        painted.append(np.stack([rgb[name][0] for name in RGB], axis=1))
    cloud = read_e57(write(tmp_path / "a.e57", stations))
    step = {"double": 1e-8, "single": 1e-5, "scaled": 5.1e-7}[coordinates]
    np.testing.assert_allclose(cloud.coord, np.concatenate(wanted), rtol=0, atol=step)
    assert cloud.color is not None
    exact = np.concatenate(painted)
    exact = exact // 256 if high == 65535 else exact / high * 255
    assert np.abs(cloud.color - exact).max() <= 0.5
    np.testing.assert_array_equal(cloud.fields["label"], np.concatenate(marks))
    np.testing.assert_array_equal(cloud.fields["scan"], np.repeat(np.arange(len(counts)), counts))
    assert cloud.defects == ()


def test_no_color_vanishes_with_the_stations_that_lack_it(tmp_path: Path) -> None:
    intensity = {"intensity": (np.full(4, 0.5), ("float", "single"))}
    path = write(tmp_path / "a.e57", [
        Station(points(4) | colors(4, 0, 255)), Station(points(0)), Station(points(4) | intensity), Station(points(2)),
    ])  # fmt: skip
    cloud = read_e57(path)
    assert cloud.color is not None
    assert cloud.color[:4].any()
    assert not cloud.color[4:].any()
    np.testing.assert_array_equal(cloud.fields["intensity"], [np.nan] * 4 + [0.5] * 4 + [np.nan] * 2)
    assert cloud.fields["scan"].tolist() == [0] * 4 + [2] * 4 + [3] * 2
    said = [defect.found for defect in cloud.defects]
    assert said == [
        "station 1 has no point", "color is missing in stations 2, 3", "intensity is missing in stations 0, 3",
    ]  # fmt: skip


def test_spherical_coordinates_and_invalid_points(tmp_path: Path) -> None:
    angles = {
        "sphericalRange": (np.array([1.0, 2.0, 3.0]), ("float", "double")),
        "sphericalAzimuth": (np.array([0.0, np.pi / 2, 0.0]), ("float", "double")),
        "sphericalElevation": (np.array([0.0, 0.0, np.pi / 2]), ("float", "double")),
        "sphericalInvalidState": (np.array([0, 0, 2]), ("integer", 0, 2)),
    }
    invalid = {"cartesianInvalidState": (np.array([1, 0, 2, 0]), ("integer", 0, 2))}
    cloud = read_e57(write(tmp_path / "a.e57", [Station(angles), Station(points(4) | invalid)]))
    np.testing.assert_allclose(cloud.coord[:2], [[1, 0, 0], [0, 2, 0]], atol=1e-12)
    local = np.stack([values for values, _ in points(4).values()], axis=1)
    np.testing.assert_array_equal(cloud.coord[2:], local[[1, 3]])
    assert [defect.found for defect in cloud.defects] == [
        "station 0: 1 of 3 points are marked invalid by the scanner",
        "station 1: 2 of 4 points are marked invalid by the scanner",
    ]


def test_normals_are_turned_and_other_fields_kept(tmp_path: Path) -> None:
    extra = {
        "nor:normalX": (np.array([1.0, 0, 0]), ("float", "single")),
        "nor:normalY": (np.array([0.0, 1, 0]), ("float", "single")),
        "nor:normalZ": (np.array([0.0, 0, 1]), ("float", "single")),
        "timeStamp": (np.array([1.5, 2.5, 1e9]), ("float", "double")),
        "rowIndex": (np.array([0, 1, 70_000]), ("integer", 0, 70_000)),
        "intensity": (np.array([0.0, 0.5, 1.0]), ("scaled", 0, 2000, 0.0005, 0.0)),
    }
    half = 0.5**0.5  # a quarter turn about z
    pose = {"rotation": {"w": half, "x": 0.0, "y": 0.0, "z": half}}
    cloud = read_e57(write(tmp_path / "a.e57", [Station(points(3) | extra, pose)]))
    assert cloud.normal is not None
    np.testing.assert_allclose(cloud.normal, [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-6)
    for name in ("timeStamp", "rowIndex", "intensity"):
        np.testing.assert_allclose(cloud.fields[name], extra[name][0], atol=1e-9, err_msg=name)
    assert cloud.defects == ()


@pytest.mark.parametrize(("low", "high"), [(0, 255), (0.0, 1.0), (300, 200), (0, 10)])
def test_limits_that_the_colors_exceed_are_ignored(tmp_path: Path, low: float, high: float) -> None:
    values = np.tile([0, 1000, 65535], (3, 1))
    station = Station(points(3) | colors(3, 0, 65535, values), limits=color_limits(low, high))
    cloud = read_e57(write(tmp_path / "a.e57", [station]))
    assert cloud.color is not None
    assert cloud.color[:, 0].tolist() == [0, 3, 255]


def test_no_station_of_use(tmp_path: Path) -> None:
    for stations, said in (
        ([], "no scan in this E57 file"),
        ([Station(points(0))], "no point in its 1 scans .station 0 has no point"),
        ([Station({"intensity": (np.ones(3), ("float", "single"))})], "no coordinates among intensity"),
    ):
        with pytest.raises(InputError, match=said):
            read_e57(write(tmp_path / "a.e57", stations, images=True))
    pose = {"rotation": {"w": 0.0, "x": 0.0, "y": 0.0, "z": 0.0}, "translation": {"x": 1.0, "y": 0.0, "z": 0.0}}
    assert "rotation" in read_e57(write(tmp_path / "a.e57", [Station(points(3), pose)])).defects[0].found


def test_damaged_files_cost_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = write(tmp_path / "a.e57", [Station(points(500) | colors(500, 0, 255))]).read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    assert signed(bytearray(whole)) == whole
    for turn in range(100):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 6)):
            damaged[rng.integers(0, (48, len(whole))[turn % 2])] ^= 1 << rng.integers(0, 8)
        if turn % 10 == 0:
            damaged = damaged[: rng.integers(0, len(whole))]
        (tmp_path / "a.e57").write_bytes(signed(damaged) if turn % 5 else damaged)
        message = said(tmp_path / "a.e57")
        assert not message or message.startswith(f"{tmp_path / 'a.e57'}: ")
        assert "\n" not in message
        refused += bool(message)
    assert refused > 20
    assert capfd.readouterr() == ("", "")


def signed(data: bytearray) -> bytearray:
    """Return ``data`` with the checksum (CRC-32C) of each page corrected, so that damage is not found by the
    checksum.
    """
    for page in range(0, len(data) - 1023, 1024):
        crc = 0xFFFFFFFF
        for byte in data[page : page + 1020]:
            crc = crc >> 8 ^ CRC[(crc ^ byte) & 0xFF]
        data[page + 1020 : page + 1024] = (crc ^ 0xFFFFFFFF).to_bytes(4, "big")
    return data


def said(path: Path) -> str:
    try:
        read_e57(path)
    except InputError as error:
        return str(error)
    return ""
