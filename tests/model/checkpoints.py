"""A small model and edited copies of its checkpoint, for the tests of this folder."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec

SPEC = NetworkSpec("MinkUNet", {"in_channels": 4, "n_classes": 3, "channels": (4, 4), "blocks": (1, 1)})
CLASSES = Classes(("floor", "wall", "chair"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))


def model(spec: NetworkSpec = SPEC) -> Model:
    torch.manual_seed(0)
    inputs = VoxelInputs(0.05, ("color", "height"))
    return Model(Networks(spec.build(), spec), CLASSES, inputs, {"config": {"seed": 3}, "git": None})


def edited(path: Path, **changes: object) -> Path:
    """The checkpoint with some of its description replaced."""
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["pcseg"])
    target = path.with_name("edited.safetensors")
    tensors = safetensors.torch.load_file(path)
    inputs = {**header["inputs"], **{k: v for k, v in changes.items() if k in ("voxel_size", "features")}}
    header = {**header, "inputs": inputs, **{k: v for k, v in changes.items() if k not in inputs}}
    safetensors.torch.save_file(tensors, target, {"pcseg": json.dumps(header)})
    return target


def refused(path: Path) -> str:
    """The message with which a file is refused: one printable line that names it, of bounded length, soon."""
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        load_model(path)
    message = str(caught.value)
    assert time.process_time() - started < 10
    assert message.startswith(str(path))
    assert message.isprintable()
    assert len(message) < 1000
    return message
