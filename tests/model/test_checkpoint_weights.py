"""Weights in checkpoints: damaged ones are refused in one line, and are not written."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
import safetensors.torch
import torch

from pcseg.engine.predict import Predictor
from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model, save_model
from tests.model.checkpoints import model, refused


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(checkpoint, value):
    with safetensors.safe_open(checkpoint, framework="pt") as file:
        metadata = file.metadata()
    for name in ("head.bias", "stem.norm.running_var", "down.0.0.conv.weight"):
        tensors = safetensors.torch.load_file(checkpoint)
        tensors[name].view(-1)[-1] = value
        safetensors.torch.save_file(tensors, checkpoint.with_name("nan.safetensors"), metadata)
        assert f"weight {name} holds NaN or infinite numbers" in refused(checkpoint.with_name("nan.safetensors"))


def test_weights_that_cannot_be_or_give_no_scores_are_refused(checkpoint):
    with safetensors.safe_open(checkpoint, framework="pt") as file:
        metadata = file.metadata()
    tensors = safetensors.torch.load_file(checkpoint)
    tensors["stem.norm.running_var"][3] = -1.0
    safetensors.torch.save_file(tensors, checkpoint, metadata)
    assert "weight stem.norm.running_var holds variances below 0" in refused(checkpoint)
    tensors["stem.norm.running_var"][3] = 1.0
    tensors["stem.conv.weight"][:] = 1e38
    tensors["stem.norm.weight"][:] = 1e38
    safetensors.torch.save_file(tensors, checkpoint, metadata)
    predictor = Predictor(load_model(checkpoint))
    points = np.random.default_rng(0).random((50, 3))
    with pytest.raises(InputError, match="its network gives scores that are no numbers"):
        predictor.predict(points, np.full((50, 3), 255, dtype=np.uint8))


def test_weights_that_are_no_numbers_are_not_written(checkpoint):
    before, broken = checkpoint.read_bytes(), model()
    broken.network.head.weight.data[0, 0] = float("nan")
    with pytest.raises(InputError, match=r"weight head\.weight holds NaN"):
        save_model(checkpoint, broken)
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize(
    "kind", ["float16", "bfloat16", "float64", "float8_e4m3fn", "int32", "uint8", "bool", "complex64"]
)
def test_weights_of_other_types_are_read_or_refused(checkpoint, kind):
    with safetensors.safe_open(checkpoint, framework="pt") as file:
        metadata = file.metadata()
    tensors = safetensors.torch.load_file(checkpoint)
    tensors["head.weight"] = tensors["head.weight"].to(getattr(torch, kind))
    safetensors.torch.save_file(tensors, checkpoint, metadata)
    if "float" in kind:
        assert load_model(checkpoint).network.head.weight.dtype == torch.float32
    else:
        assert "weight head.weight is of torch." in refused(checkpoint)
    tensors["head.weight"] = torch.full((3, 4), 1e300, dtype=torch.float64)
    safetensors.torch.save_file(tensors, checkpoint, metadata)
    assert "holds NaN or infinite" in refused(checkpoint)


def test_damaged_checkpoints_are_read_or_refused_in_one_line(checkpoint):
    raw = checkpoint.read_bytes()
    head = 8 + struct.unpack("<Q", raw[:8])[0]
    draw = random.Random(2)
    pieces = [
        b"[",
        b"{",
        b"}",
        b'"',
        b"\\",
        b"0",
        b"9" * 30,
        b"-1",
        b"NaN",
        b"1e999",
        b"null",
        b"true",
        b"\x00",
        b"\xff",
        b"F64",
    ]
    for i in range(300):
        changed = bytearray(raw)
        for _ in range(draw.randint(1, 3)):
            at, kind = draw.randrange(8 if i % 10 == 0 else head), draw.randrange(4)
            if kind == 0:
                changed[at] ^= 1 << draw.randrange(8)
            elif kind == 1:
                piece = draw.choice(pieces)  # in place, so that the header keeps its length
                changed[at : at + len(piece)] = piece
            elif kind == 2:
                changed[at : at + 4] = draw.choice([b"\xff\xff\xff\xff", bytes(4), b"\xff\xff\xff\x7f"])
            else:
                del changed[at : at + draw.randint(1, 20)]
        path = checkpoint.with_name("damaged.safetensors")
        path.write_bytes(bytes(changed))
        try:
            load_model(path)
        except InputError:
            refused(path)
