"""Checkpoints come back bit for bit, and anything that is not one is refused in one line."""

from __future__ import annotations

import json
import pickle
import random
import re
import struct
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from pcseg.classes import Classes
from pcseg.engine.predict import Predictor
from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.model.optimizer_state import optimizer_tensors, restore_optimizer
from pcseg.model.tensor_file import read_tensors, write_tensors

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


@pytest.fixture
def checkpoint(tmp_path):
    save_model(tmp_path / "last.safetensors", model())
    return tmp_path / "last.safetensors"


def test_a_model_comes_back_whole(checkpoint):
    found, wanted = load_model(checkpoint), model()
    assert found.spec == NetworkSpec("MinkUNet", json.loads(json.dumps(SPEC.arguments)))
    assert (found.classes, found.inputs) == (CLASSES, VoxelInputs(0.05, ("color", "height")))
    assert found.record == wanted.record
    for name, tensor in wanted.network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], tensor)
    assert not found.network.training


def test_a_run_folder_stands_for_its_last_weights(checkpoint):
    assert load_model(checkpoint.parent).record == load_model(checkpoint).record


def test_the_same_model_makes_the_same_file(checkpoint, tmp_path):
    save_model(tmp_path / "again.safetensors", model())
    assert (tmp_path / "again.safetensors").read_bytes() == checkpoint.read_bytes()


def test_nothing_but_the_weights_of_the_network_is_in_it(checkpoint):
    assert read_tensors(checkpoint, "model")[0].keys() == model().network.state_dict().keys()


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(checkpoint, keep):
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_model(checkpoint)


class Exploit:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("exploited"),))


def test_a_pickle_is_refused_and_never_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.pth").write_bytes(pickle.dumps(Exploit()))
    torch.save({"state_dict": {"weight": torch.zeros(2)}}, "other.ckpt")
    for name, told in {
        "model.pth": "tools/convert_checkpoint.py",
        "other.ckpt": "not a whole safetensors file",
    }.items():
        with pytest.raises(InputError, match=told):
            load_model(name)
    assert not Path("exploited").exists()


def test_a_header_that_claims_gigabytes_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_model(tmp_path / "x.safetensors")


def test_safetensors_of_another_program_are_refused(tmp_path):
    safetensors.torch.save_file({"weight": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="no description by pcseg"):
        load_model(tmp_path / "x.safetensors")


def test_another_format_or_kind_is_refused(checkpoint, tmp_path):
    with pytest.raises(
        InputError, match=r"checkpoint format 0, this version reads 1 and 2; use the pcseg that wrote it"
    ):
        load_model(edited(checkpoint, format=0))
    write_tensors(tmp_path / "resume.safetensors", "state", {}, {})
    with pytest.raises(InputError, match="a 'state' file where a 'model' file is needed"):
        load_model(tmp_path / "resume.safetensors")


def test_a_checkpoint_of_format_1_is_read(checkpoint):
    """As pcseg 0.1 wrote them: the fields of the inputs stand beside the others."""
    with safetensors.safe_open(checkpoint, framework="pt") as file:
        header = json.loads(file.metadata()["pcseg"])
    header |= {"format": 1, **header.pop("inputs")}
    tensors = safetensors.torch.load_file(checkpoint)
    safetensors.torch.save_file(tensors, checkpoint, {"pcseg": json.dumps(header)})
    found = load_model(checkpoint)
    assert found.inputs == VoxelInputs(0.05, ("color", "height"))
    assert all(torch.equal(value, model().network.state_dict()[name]) for name, value in tensors.items())


def test_a_state_of_format_1_names_the_version_that_reads_it(tmp_path):
    path = tmp_path / "resume.safetensors"
    text = json.dumps({**STATE, "format": 1, "kind": "state"})
    safetensors.torch.save_file({"a": torch.zeros(2)}, path, {"pcseg": text})
    with pytest.raises(InputError, match=r"checkpoint format 1, this version reads 2; .*format 1: 0\.1"):
        read_tensors(path, "state")


@pytest.mark.parametrize("name", ["eval", "BLOCKS", "torch", "os.system", "unet"])
def test_only_the_networks_of_the_library_can_be_named(checkpoint, name):
    with pytest.raises(InputError, match=f"network '{name}' is not one of: MinkUNet"):
        load_model(edited(checkpoint, network={"name": name, "arguments": {}}))


def test_arguments_the_network_does_not_take_are_named(checkpoint):
    with pytest.raises(InputError, match="widht"):
        load_model(edited(checkpoint, network={"name": "MinkUNet", "arguments": {**SPEC.arguments, "widht": 3}}))


def test_weights_that_do_not_fit_are_named(checkpoint):
    other = {**SPEC.arguments, "n_classes": 5}
    with pytest.raises(InputError, match=r"weight head.bias is \(3,\), the network has \(5,\)"):
        load_model(edited(checkpoint, network={"name": "MinkUNet", "arguments": other}))


def test_a_wrong_number_of_classes_is_refused(checkpoint):
    classes = {"names": ["floor", "wall"], "colors": [[1, 2, 3], [4, 5, 6]]}
    with pytest.raises(InputError, match="3 outputs but 2 class names"):
        load_model(edited(checkpoint, classes=classes))


@pytest.mark.parametrize("changes", [{"classes": None}, {"voxel_size": "wide"}, {"network": {"title": 3}}])
def test_a_damaged_description_is_refused(checkpoint, changes):
    with pytest.raises(InputError, match="its description is damaged"):
        load_model(edited(checkpoint, **changes))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.safetensors: no such checkpoint"):
        load_model(tmp_path / "nowhere.safetensors")


def test_a_full_disk_leaves_the_old_file(checkpoint, monkeypatch):
    before = checkpoint.read_bytes()

    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as stream:
            stream.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        save_model(checkpoint, model())
    assert checkpoint.read_bytes() == before
    assert [p.name for p in checkpoint.parent.iterdir()] == ["last.safetensors"]


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_an_optimizer_goes_on_where_it_was(kind):
    def stepped(parameter: torch.Tensor, optimizer: torch.optim.Optimizer, steps: int) -> torch.Tensor:
        for _ in range(steps):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            optimizer.step()
        return parameter.detach().clone()

    extra = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    one = torch.nn.Parameter(torch.arange(3.0))
    first = kind([one], lr=0.1, **extra)
    half = stepped(one, first, 3)
    tensors, rest = optimizer_tensors(first)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    two = torch.nn.Parameter(half)
    second = kind([two], lr=99.0, **extra)
    restore_optimizer(second, tensors, json.loads(json.dumps(rest)))
    assert torch.equal(stepped(two, second, 3), stepped(one, first, 3))


def refused(path: Path) -> str:
    """The message with which a file is refused: one printable line that names it, of bounded length, soon."""
    started = time.perf_counter()
    with pytest.raises(InputError) as caught:
        load_model(path)
    message = str(caught.value)
    assert time.perf_counter() - started < 10
    assert message.startswith(str(path))
    assert message.isprintable()
    assert len(message) < 1000
    return message


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
        (arguments(in_channels=None), "in_channels is None"),
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


def test_codes_are_kept_and_may_be_absent(checkpoint, tmp_path):
    assert load_model(checkpoint).classes.codes == ()
    numbered = Classes(CLASSES.names, CLASSES.colors, ((2, 9), (0,), (255,)))
    save_model(tmp_path / "coded.safetensors", replace(model(), classes=numbered))
    assert load_model(tmp_path / "coded.safetensors").classes == numbered
    without = {"names": list(CLASSES.names), "colors": [list(color) for color in CLASSES.colors]}
    assert load_model(edited(checkpoint, classes=without)).classes == CLASSES


def test_what_the_disk_does_not_give_back_does_not_replace_a_file(checkpoint, monkeypatch):
    before, write = checkpoint.read_bytes(), Path.write_bytes
    for change in (lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: data + b"\0"):
        monkeypatch.setattr(Path, "write_bytes", lambda self, data, change=change: write(self, change(data)))
        with pytest.raises(InputError, match=r"could not be read back .*the disk gives back other bytes"):
            save_model(checkpoint, replace(model(), record={"step": 9}))
    assert checkpoint.read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir()] == ["last.safetensors"]


def test_voxel_sizes_out_of_range_are_told():
    for size in (0, -1, 1e-9, 1e9, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"voxel_size=.*: must be 0\.0001 to 1000, in meters"):
            VoxelInputs(size, ("color",))


@pytest.mark.parametrize(
    ("tensors", "rest"),
    [
        ({}, {}),
        ({"x.exp_avg": torch.zeros(3)}, {"values": {}, "groups": []}),
        ({}, {"values": {}, "groups": []}),
        ({}, {"values": [], "groups": None}),
        ({}, {"values": {}, "groups": [{"params": [0, 1, 2]}]}),
        ({}, {"values": {"1" * 5000 + ".a": 1}, "groups": []}),
        ({}, {"values": {}, "groups": [7]}),
    ],
)
def test_a_damaged_optimizer_state_is_one_line(tensors, rest):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(3))])
    with pytest.raises(InputError, match="resume: the optimizer's state does not fit") as caught:
        restore_optimizer(optimizer, tensors, rest)
    assert str(caught.value).isprintable()


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
