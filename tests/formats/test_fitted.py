"""Columns go to the standard fields of LAS where these can hold them, however they are spelled."""

from __future__ import annotations

from pathlib import Path

import laspy
import numpy as np
import pytest

from pcseg.formats import write_cloud


@pytest.mark.parametrize("name", ["intensity", "scalar_Intensity", "Intensity"])
@pytest.mark.parametrize(
    ("values", "wanted", "said"),
    [
        ([0.0, 0.25, 1.0], [0, 16384, 65535], "called intensity, written as parts of 65535"),
        ([0.0, 255.0, 65535.0], [0, 255, 65535], "called intensity"),
        ([0.0, 0.5, 2.0], None, "cannot hold"),
        ([0.0, np.nan, 1.0], None, "cannot hold"),
    ],
)
def test_intensities_go_to_the_field_of_las_where_it_can_hold_them(
    tmp_path: Path, name: str, values: list[float], wanted: list[int] | None, said: str
) -> None:
    reported = write_cloud(tmp_path / "a.las", np.eye(3), fields={name: np.array(values, np.float32)})
    found = laspy.read(tmp_path / "a.las")
    assert found.intensity.tolist() == (wanted or [0, 0, 0])
    assert len(list(found.point_format.extra_dimension_names)) == (wanted is None)
    quiet = wanted == [0, 255, 65535] and name == "intensity"
    assert [said in str(remark) for remark in reported] == [True] * (not quiet and len(reported))
    if wanted is None and reported:
        (kept,) = found.point_format.extra_dimension_names
        np.testing.assert_array_equal(found[kept], np.float32(values))


def test_of_two_intensities_the_one_of_that_name_goes_to_the_field_of_las(tmp_path: Path) -> None:
    fields = {"scalar_Intensity": np.full(3, 7), "intensity": np.full(3, 9), "scalar_UserData": np.arange(3.0)}
    fields |= {"scalar_ScanAngle": np.full(3, 8), "scalar_GpsTime": np.arange(3.0)}
    write_cloud(tmp_path / "a.las", np.eye(3), fields=fields)
    found = laspy.read(tmp_path / "a.las")
    assert (found.intensity == 9).all()
    assert (found["scalar_Intensity"] == 7).all()
    assert found.user_data.tolist() == [0, 1, 2]
    assert (found["scalar_ScanAngle"] == 8).all()  # degrees, where LAS counts in 0.006
    assert found["scalar_GpsTime"].tolist() == [0, 1, 2]
    assert not found.scan_angle.any()
