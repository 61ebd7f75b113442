"""tools/convert_checkpoint.py as a user runs it: from a MinkowskiEngine .pth to a network that gives its scores."""

from __future__ import annotations

import importlib
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model
from pcseg.model.inputs import VoxelInputs
from pcseg.sparse import SparseTensor
from tests.forked import run_script
from tests.oracles import minkowski
from tests.sparse.clouds import random_coords

ROOT = Path(__file__).parents[2]


def convert(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_script("tools/convert_checkpoint.py", *arguments)


def checkpoint(folder: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    planes, layers = (8, 10, 12, 14, 12, 10, 8, 8), (1, 1, 2, 1, 1, 1, 1, 1)
    state = minkowski.random_state(np.random.default_rng(0), 3, 13, planes, layers, init_dim=6)
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 5}, folder / "weights.pth")
    return folder / "weights.pth", state


def test_the_converted_network_gives_the_same_scores(tmp_path: Path) -> None:
    path, state = checkpoint(tmp_path)
    output = tmp_path / "deep" / "net.safetensors"
    done = convert(f"input={path}", f"output={output}", "classes=s3dis", "voxel_size=0.05")
    assert done.returncode == 0, done.stderr
    assert "MinkUNet" in done.stdout
    model = load_model(output)
    assert (len(model.classes), model.inputs) == (13, VoxelInputs(0.05, ("color",)))
    coords = random_coords(0, 300, -9, 12, n_samples=1)
    feats = torch.rand(len(coords), 3) - 0.5
    expected = minkowski.minkunet(state, coords[:, 1:], feats)
    with torch.no_grad():
        logits = model.network(SparseTensor(feats, coords)).logits
    # float32 sums in another order through some 20 layers
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_mistakes_are_told_in_one_line_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = checkpoint(tmp_path)
    (tmp_path / "text.pth").write_text("not a checkpoint")
    output = tmp_path / "net.safetensors"
    done = convert(f"input={tmp_path / 'text.pth'}", f"output={output}", "classes=s3dis", "voxel_size=0.05")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {tmp_path / 'text.pth'}: not a file of plain tensors")
    assert done.stderr.count("\n") == 1

    monkeypatch.syspath_prepend(ROOT / "tools")
    tool = importlib.import_module("convert_checkpoint")
    good = tool.Options(input=str(path), output=str(output), classes="s3dis", voxel_size=0.05)
    for wrong, message in (
        ({"classes": "scannet20"}, "20 names"),
        ({"features": ["color", "height"]}, "4 channels"),
        ({"input": str(tmp_path / "absent.pth")}, "no such file"),
        ({"voxel_size": 0.0}, "voxel_size=0"),
        ({"output": str(tmp_path / "net.pth")}, "must end in .safetensors"),
    ):
        with pytest.raises(InputError, match=message) as error:
            tool.main(replace(good, **wrong))
        assert "\n" not in str(error.value)
    assert {file.name for file in tmp_path.iterdir()} == {"text.pth", "weights.pth"}
