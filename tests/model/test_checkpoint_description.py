"""Descriptions of checkpoints: those that no model has are refused in one line."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys

import pytest
import safetensors.torch

from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model
from tests.model.checkpoints import CLASSES, SPEC, edited, refused


def arguments(**changes: object) -> dict[str, object]:
    return {"network": {"name": "MinkUNet", "arguments": {**SPEC.arguments, **changes}}}


def of_classes(**changes: object) -> dict[str, object]:
    return {"classes": {"names": CLASSES.names, "colors": CLASSES.colors, **changes}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (arguments(in_channels=10**9), "in_channels is 1000000000, but 1,048,576 is the most"),
        (arguments(in_channels=10**6), r"the network has (125, 1000000, 32)"),
        (arguments(in_channels=10**6, stem_kernel=10**6), "correct its arguments"),
        (arguments(in_channels=0), "in_channels=0; give a whole number"),
        (arguments(in_channels=-4), "in_channels=-4"),
        (arguments(in_channels=4.0), "in_channels is 4.0, no number"),
        (arguments(in_channels="4"), "in_channels=4"),
        (arguments(in_channels=[4]), "in_channels=[4]"),
        (arguments(in_channels=None), "in_channels=None"),
        (arguments(channels=(10**6, 10**6)), "the network has (27, 32, 1000000)"),
        (arguments(channels="ab"), "channels"),
        (arguments(channels=7), "correct its arguments"),
        (arguments(channels=[[4], [4]]), "channels is [[4], [4]]"),
        (arguments(channels=[4] * 10**5, blocks=[1] * 10**5), "tensors are too few"),
        (arguments(blocks=(10**6, 1)), "tensors are too few"),
        (arguments(stem_kernel=10**5), "weight stem"),
        (arguments(norm="x" * 10**5), "norm is "),
        (arguments(norm=["batch"]), "correct its arguments"),
        (arguments(block=["basic"]), "correct its arguments"),
        ({"network": None}, "damaged"),
        ({"network": []}, "damaged"),
        ({"network": {"name": ["MinkUNet"], "arguments": {}}}, "is not one of"),
        ({"network": {"name": "MinkUNet", "arguments": []}}, "damaged"),
        ({"network": {"name": "MinkUNet", "arguments": {}}}, "correct its arguments"),
        ({"network": {"name": "__all__", "arguments": {}}}, "is not one of"),
        ({"voxel_size": 0}, "voxel_size=0: must be"),
        ({"voxel_size": -0.05}, "voxel_size=-0.05"),
        ({"voxel_size": 1e-30}, "voxel_size=1e-30"),
        ({"voxel_size": 1e30}, "voxel_size=1e+30"),
        ({"voxel_size": float("nan")}, "NaN where a finite"),
        ({"voxel_size": float("inf")}, "Infinity where a finite"),
        ({"voxel_size": "0.05"}, "voxel_size is '0.05'"),
        ({"voxel_size": True}, "voxel_size is True"),
        ({"voxel_size": [0.05]}, "voxel_size is [0.05]"),
        ({"features": [["a"]]}, "feature"),
        ({"features": "color"}, "features are 'color', no list"),
        ({"features": []}, "name at least one"),
        ({"features": ["color", "color"]}, "each once"),
        ({"features": ["color", "flavor\x1b[2J"]}, "is no column"),
        ({"features": ["color", {"name": "x", "range": [0, 1e308]}]}, "must be finite"),
        ({"features": ["color", {"name": "planarity", "radius": 1e99}]}, "must be a number"),
        ({"features": ["color"]}, "4 input channels but features of 3"),
        ({"features": {"color": 1}}, "no list"),
        (of_classes(names="abc"), "names are 'abc', no list"),
        (of_classes(names=["a", "b", 3]), "is no name"),
        (of_classes(names=["a", "b", "c\n"]), "is no name"),
        (of_classes(names=["a", "b", "\x1b[2J"]), "is no name"),
        (of_classes(names=["a", "b", "b"]), "listed twice"),
        (of_classes(names=[]), "the list is empty"),
        (of_classes(colors=[[1, 2, 3], [4, 5, 6], [7, 8, 256]]), "color"),
        (of_classes(colors=[[1, 2, 3], [4, 5, 6], [7, 8, -1]]), "color"),
        (of_classes(colors=[[1, 2, 3], [4, 5, 6], [7, 8, 1.5]]), "color"),
        (of_classes(colors=[[1, 2, 3], [4, 5, 6], None]), "damaged"),
        (of_classes(colors=[[1, 2, 3]]), "3 names but 1 colors"),
        (of_classes(colors=[[float("inf"), 0, 0]] * 3), "Infinity where a finite"),
        (of_classes(codes=[[1], [2], [2]]), "the code 2 is given to"),
        (of_classes(codes=[[1], [2], []]), "codes"),
        (of_classes(codes=[[1], [2], ["x"]]), "codes"),
        (of_classes(codes=7), "codes are 7, no list"),
        ({"record": None}, "record is None"),
        ({"record": [1]}, "record is [1]"),
        ({"record": {"deep": json.loads("[" * 99 + "]" * 99)}}, "lists within lists"),
        ({"record": {"long": "x" * 2**22}}, "are too many"),
        ({"record": {"number": 10**30}}, "a whole number of 31 digits"),
        ({"format": "1" * 10**5}, "checkpoint format 111"),
        ({"kind": ["model"] * 10**5}, "file where a 'model' file is needed"),
    ],
)
def test_what_no_model_has_is_refused(checkpoint, changes, told):
    assert told in refused(edited(checkpoint, **changes))


def test_a_header_of_another_kind_is_refused(checkpoint):
    tensors = safetensors.torch.load_file(checkpoint)
    for text in ("", "{", "[" * 10**5, "7", "[]", "{}", '{"format": 1, "format": 1}', '{"format": 1}', "\x00"):
        safetensors.torch.save_file(tensors, checkpoint, {"pcseg": text})
        refused(checkpoint)


def test_no_memory_is_taken_for_what_the_header_asks(checkpoint):
    limited = """
import resource, sys
from pcseg.model.checkpoint import load_model
from pcseg.errors import InputError
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
for path in sys.argv[1:]:
    try:
        load_model(path)
    except InputError as error:
        print(error)
"""
    paths = []
    for i, changes in enumerate((arguments(in_channels=10**6), arguments(channels=(10**5, 10**5)))):
        paths.append(edited(checkpoint, **changes).rename(checkpoint.with_name(f"{i}.safetensors")))
    done = subprocess.run([sys.executable, "-c", limited, *paths], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 2
    assert "the network has" in done.stdout.splitlines()[1]


def test_damaged_descriptions_are_read_or_refused_in_one_line(checkpoint):
    with safetensors.safe_open(checkpoint, framework="pt") as file:
        text = file.metadata()["pcseg"]
    tensors = safetensors.torch.load_file(checkpoint)
    draw = random.Random(4)
    values = [
        "null",
        "true",
        "-1",
        "0",
        "1e999",
        "1e300",
        "[]",
        "{}",
        '""',
        '"x"',
        "[[]]",
        "9" * 12,
        "NaN",
        '{"a": 1}',
        "[4, 4]",
    ]
    places = [match.span() for match in re.finditer(r'(?<=[ \[])("[^"]*"|[\d.]+|true|false|null)(?=[,\]}])', text)]
    path = checkpoint.with_name("damaged.safetensors")
    for _ in range(200):
        start, end = draw.choice(places)
        safetensors.torch.save_file(tensors, path, {"pcseg": text[:start] + draw.choice(values) + text[end:]})
        try:
            load_model(path)
        except InputError:
            refused(path)
