"""Names of columns, the choice of those that a scene keeps, and that none gives labels away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.scenes.columns import column_name, kept_columns
from pcseg.scenes.scene import Scene, list_columns, read_scene, write_scene
from tests.scenes.rooms import CLASSES

FIELDS = {
    "Intensity": np.arange(3, dtype=np.uint16),
    "return_number": np.ones(3, dtype=np.uint8),
    "gps_time": np.arange(3) + 1e9,
    "classification": np.zeros(3, dtype=np.uint8),
}


@pytest.mark.parametrize(
    ("written", "name"),
    [("Intensity", "intensity"), ("scalar_Scan Angle", "scan_angle"), ("eb-1 (ns)", "eb_1_ns"), ("Größe", "gr_e")],
)
def test_names_are_plain(written: str, name: str) -> None:
    assert column_name(written) == name


def test_the_usual_columns_are_kept_or_those_that_are_named() -> None:
    assert list(kept_columns("a.las", FIELDS, None)) == ["intensity", "return_number"]
    kept = kept_columns("a.las", FIELDS, ["GPS_time", "intensity"])
    assert list(kept) == ["gps_time", "intensity"]
    assert (kept["gps_time"].dtype, kept["intensity"].dtype) == (np.float32, np.uint16)
    assert kept_columns("a.las", FIELDS, []) == {}


def test_a_name_that_is_not_there_or_holds_labels_is_refused() -> None:
    with pytest.raises(InputError, match=r"a\.las: has no column echo, color_index \(there are: intensity, .*fix keep"):
        kept_columns("a.las", FIELDS, ["echo", "intensity", "color index"])
    with pytest.raises(InputError, match=r"a\.las: the column classification holds labels"):
        kept_columns("a.las", FIELDS, ["classification"], taken=["classification"])
    with pytest.raises(InputError, match="the column segment holds labels or has a meaning"):
        kept_columns("a.las", {"segment": np.zeros(3)}, ["segment"])
    assert "intensity" not in kept_columns("a.las", FIELDS, None, taken=["Intensity"])


def test_a_scene_folder_keeps_columns_in_their_type(tmp_path: Path) -> None:
    columns = {"intensity": np.array([7, 65535, 0], np.uint16), "echo": np.array([0.5, np.nan, 1], np.float32)}
    folder = write_scene(tmp_path, Scene(np.eye(3, dtype=np.float32), columns, "train/a"))
    assert list_columns(folder) == ["echo", "intensity"]
    assert read_scene(folder, CLASSES, with_labels=True).columns == ()
    found = read_scene(folder, CLASSES, with_labels=False, columns=["intensity", "echo", "absent", "segment"])
    assert found.columns == ("intensity", "echo")
    for name, values in columns.items():
        assert found.attributes[name].dtype == values.dtype
        np.testing.assert_array_equal(found.attributes[name], values)
    np.save(folder / "echo.npy", np.zeros(2))
    with pytest.raises(InputError, match=r"echo\.npy: 2 values for 3 points"):
        read_scene(folder, CLASSES, with_labels=False, columns=["echo"])


def test_labels_are_never_a_column(tmp_path: Path) -> None:
    scene = Scene(np.eye(3, dtype=np.float32), {"segment": np.zeros(3, int), "instance": np.zeros(3, int)}, "train/a")
    folder = write_scene(tmp_path, scene)
    np.save(folder / "segment20.npy", np.zeros(3))
    assert list_columns(folder) == []
    names = ["segment", "instance", "segment20"]
    assert read_scene(folder, CLASSES, with_labels=False, columns=names).attributes == {}
