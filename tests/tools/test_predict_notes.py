"""tools/predict.py says what it noted in reading a scan also where it refuses it, and loses no column of a table."""

from __future__ import annotations

from dataclasses import replace

import laspy
import numpy as np
import pytest

from pcseg.formats import read_cloud, write_cloud
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.inputs import VoxelInputs
from tests.tools._runs import checkpoint, tool_here

RNG = np.random.default_rng(0)
XYZ, RGB = RNG.uniform(0, 4, (400, 3)), RNG.integers(0, 256, (400, 3))


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("net") / "last.safetensors")


@pytest.fixture
def colored(net, tmp_path):
    """A network that needs color."""
    save_model(tmp_path / "net.safetensors", replace(load_model(net), inputs=VoxelInputs(0.1, ("color", "height"))))
    return tmp_path / "net.safetensors"


def test_a_table_whose_colors_have_no_name_is_refused_with_its_note(colored, tmp_path):
    np.savetxt(tmp_path / "a.txt", np.c_[XYZ, RGB, RGB[:, :2]], fmt="%g")
    given = f"checkpoint={colored}", f"input={tmp_path}/a.txt", f"output={tmp_path}/o.ply"
    done = tool_here("predict", *given)
    assert done.returncode == 2
    note, error = done.stderr.splitlines()
    assert note.startswith(f"  note: {tmp_path}/a.txt: 8 columns without names: only x, y and z are known; ")
    assert "columns=x,y,z" in note
    assert error.startswith(f"error: {tmp_path}/a.txt: has no color")
    assert "columns=x,y,z,red,green,blue" in error
    assert tool_here("predict", *given, "columns=x,y,z,red,green,blue,a,b").returncode == 0


@pytest.mark.parametrize("needed", [True, False])
def test_colors_that_are_all_black_are_none_but_stay_in_the_file(net, colored, tmp_path, needed):
    write_cloud(tmp_path / "a.las", XYZ, color=np.zeros((400, 3), np.uint8))
    for suffix in ("las", "ply"):
        weights, target = colored if needed else net, tmp_path / f"o.{suffix}"
        done = tool_here("predict", f"checkpoint={weights}", f"input={tmp_path}/a.las", f"output={target}")
        assert done.returncode == (2 if needed else 0)
        assert f"note: {tmp_path}/a.las: its colors are all black (0)" in done.stdout + done.stderr
        assert ("has no color" in done.stderr) == needed
        assert needed or read_cloud(target).black


def test_a_column_without_a_name_that_is_taken_for_labels_is_kept(net, tmp_path):
    table = np.c_[XYZ, RNG.integers(0, 256, 400), RGB]
    np.savetxt(tmp_path / "a.txt", table, fmt="%.4f %.4f %.4f %d %d %d %d")
    done = tool_here("predict", f"checkpoint={net}", f"input={tmp_path}/a.txt", f"output={tmp_path}/o.las")
    assert done.returncode == 0, done.stderr
    assert "are read as x y z red green blue label, but may be x y z intensity red green blue" in done.stdout
    assert laspy.read(tmp_path / "o.las")["label_2"].tolist() == RGB[:, 2].tolist()


def test_a_column_of_another_scale_than_in_training_is_noted(net, tmp_path):
    inputs = VoxelInputs(0.1, ({"name": "intensity", "range": [0, 60000]}, "optional_color"))
    save_model(tmp_path / "net.safetensors", replace(load_model(net), inputs=inputs))
    for most, told in ((60000, False), (255, True)):
        write_cloud(tmp_path / "a.las", XYZ, color=RGB, fields={"intensity": np.linspace(0, most, 400).astype("u2")})
        given = f"checkpoint={tmp_path}/net.safetensors", f"input={tmp_path}/a.las", f"output={tmp_path}/o.las"
        done = tool_here("predict", *given)
        assert done.returncode == 0, done.stderr
        assert (f"note: {tmp_path}/a.las: intensity runs from" in done.stdout) == told
