"""State files whose description is damaged, or of another format, are refused in one line."""

from __future__ import annotations

import json

import pytest
import safetensors.torch
import torch

from pcseg.errors import InputError
from pcseg.model.tensor_file import read_tensors, write_tensors

STATE = {
    "step": 3,
    "seconds": 1.5,
    "best": None,
    "optimizers": {},
    "networks": {},
    "classes": {},
    "precision": {},
    "record": {},
}


def test_a_state_of_format_1_names_the_version_that_reads_it(tmp_path):
    path = tmp_path / "resume.safetensors"
    text = json.dumps({**STATE, "format": 1, "kind": "state"})
    safetensors.torch.save_file({"a": torch.zeros(2)}, path, {"pcseg": text})
    with pytest.raises(InputError, match=r"checkpoint format 1, this version reads 2; .*format 1: 0\.1"):
        read_tensors(path, "state")


@pytest.mark.parametrize("name", list(STATE))
@pytest.mark.parametrize("value", ["absent", "x", [], True])
def test_a_state_whose_description_is_damaged_is_refused(tmp_path, name, value):
    path = tmp_path / "resume.safetensors"
    write_tensors(path, "state", {"a": torch.zeros(2)}, STATE)
    assert read_tensors(path, "state")[1]["step"] == 3
    header = {**STATE, name: value}
    write_tensors(path, "state", {"a": torch.zeros(2)}, {k: v for k, v in header.items() if v != "absent"})
    with pytest.raises(InputError, match=rf"resume\.safetensors: its description is damaged \({name} is ") as caught:
        read_tensors(path, "state")
    assert str(caught.value).isprintable()
