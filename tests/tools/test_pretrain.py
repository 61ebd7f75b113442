"""Pretraining without labels through the command line, and training from its weights: whole, frozen, LoRA."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pcseg.model.checkpoint import load_model
from pcseg.model.tensor_file import read_tensors
from pcseg.networks import MinkUNet
from tests.tools._runs import PROPAGATION, ROOT, TINY, building, curve, environment, failed, settings, tool_here

PRETRAINING = ("batch_size=4", "stages.main.method.pairs=64", *TINY)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return building(tmp_path_factory.mktemp("building"))


@pytest.fixture(scope="module")
def pretrained(rooms: Path) -> Path:
    """A run on Area 1, of which every file of labels is no file of labels while it runs."""
    hidden = {path: path.read_bytes() for path in rooms.rglob("segment.npy")}
    for path in hidden:
        path.write_bytes(b"poison")
    done = tool_here("pretrain", *on(rooms, "[Area_5]"), f"output={rooms.parent / 'pretrain'}", "steps=4")
    assert done.returncode == 0, done.stderr
    assert "labels: none, no label is read" in done.stdout
    assert "evaluation: none, since nothing is scored here" in done.stdout
    assert "mIoU" not in done.stdout
    for path, content in hidden.items():
        path.write_bytes(content)
    return rooms.parent / "pretrain"


def on(rooms: Path, test: str) -> list[str]:
    return [f"data.root={rooms}", "data.train=[Area_1,Area_5]", f"data.test={test}", *PRETRAINING]


def record(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_tensors(run / "last.safetensors", "model")[1]["record"]
    return found


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_tensors(run / "last.safetensors", "model")[0]


def train(rooms: Path, output: Path, *more: str) -> str:
    done = tool_here("train", *settings(rooms, output, *more))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_run_says_what_it_saw(rooms: Path, pretrained: Path) -> None:
    seen = {"root": str(rooms), "train": ["Area_1"], "test": ["Area_5"]}
    assert record(pretrained)["trained_on"] == seen
    assert record(pretrained)["labels"]["count"] == 0
    assert all({"contrast", "restoration"} <= set(line) for line in curve(pretrained))
    assert json.loads((pretrained / "metrics.json").read_text())["miou"] is None


def test_training_begins_from_it_and_says_what_was_seen(rooms: Path, pretrained: Path, tmp_path: Path) -> None:
    still = ["steps=1", "optim.optimizer.lr=0.0", "optim.optimizer.weight_decay=0", f"weights={pretrained}"]
    said = train(rooms, tmp_path / "one", *still)
    assert "the classifier is re-initialized: it was trained on no labels; now floor, wall, chair" in said
    assert "TRAINED" not in said
    before, after = weights(pretrained), weights(tmp_path / "one")
    kept = {name for name in after if torch.equal(after[name], before[name])}
    assert {name for name in after if not name.startswith("head") and name.endswith("weight")} <= kept
    assert record(tmp_path / "one")["began_from"] == [record(pretrained)["trained_on"]]

    # Weights that saw the scenes it is scored on, through a run between.
    all_of_it, between = tmp_path / "all", tmp_path / "between"
    done = tool_here("pretrain", *on(rooms, "[]"), f"output={all_of_it}", "steps=1")
    assert done.returncode == 0, done.stderr
    for begun, output in ((all_of_it, between), (between, tmp_path / "two")):
        said = train(rooms, output, "steps=1", f"weights={begun}")
        assert "the weights it began from were TRAINED on Area_5" in said
        assert "TRAINED on Area_5" in json.loads((output / "metrics.json").read_text())["protocol"]
    assert [run["train"] for run in record(tmp_path / "two")["began_from"]] == [["Area_1", "Area_5"], ["Area_1"]]
    done = tool_here("evaluate", f"checkpoint={tmp_path / 'two'}", f"output={tmp_path / 'e'}", "threads=1")
    assert "was TRAINED on Area_5" in done.stderr
    assert json.loads((tmp_path / "e" / "metrics.json").read_text())["trained_on"] == ["Area_5"]


def test_nothing_is_labeled_with_it(rooms: Path, pretrained: Path, tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("0 0 0\n1 1 1\n")
    arguments = {
        "predict": [f"input={tmp_path / 'a.xyz'}", f"output={tmp_path / 'b.xyz'}"],
        "evaluate": [f"output={tmp_path / 'scored'}"],
        "suggest_labels": [f"root={rooms}", "splits=[Area_1]", "budget=3", f"output={tmp_path / 'next.csv'}"],
    }
    for tool, more in arguments.items():
        said = f"{pretrained}: was trained without labels and knows no class; begin from it: weights={pretrained}"
        failed(tool_here(tool, f"checkpoint={pretrained}", *more), said)
    assert [path.name for path in tmp_path.iterdir()] == ["a.xyz"]


def test_frozen_trains_the_classifier_alone(rooms: Path, pretrained: Path, tmp_path: Path) -> None:
    train(rooms, tmp_path, "steps=3", f"weights={pretrained}", "tune=frozen", "evaluate_every=2")
    before, after = weights(pretrained), weights(tmp_path)
    assert {name for name in after if not torch.equal(after[name], before[name])} == {"head.weight", "head.bias"}


def test_lora_is_killed_resumed_and_merged(rooms: Path, pretrained: Path, tmp_path: Path) -> None:
    """With a method that keeps a teacher, which is tuned as its student is."""
    more = [f"weights={pretrained}", "tune=lora", "tune.rank=2", "method=view_consistency"]
    more += ["steps=8", "checkpoint_every=3"]
    train(rooms, tmp_path / "whole", *more)
    cut = settings(rooms, tmp_path / "cut", *more)
    process = subprocess.Popen(
        [sys.executable, "tools/train.py", *cut],
        cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    written = tmp_path / "cut" / "curve.jsonl"
    while process.poll() is None:
        if written.exists() and written.read_bytes().count(b"\n") >= 7:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert process.returncode == -signal.SIGKILL
    done = tool_here("train", *cut, "resume=true")
    assert done.returncode == 0, done.stderr
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    whole = weights(tmp_path / "whole")
    resumed = weights(tmp_path / "cut")
    assert whole.keys() == resumed.keys() == weights(pretrained).keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not torch.equal(whole["down.0.1.conv1.weight"], weights(pretrained)["down.0.1.conv1.weight"])
    assert record(tmp_path / "cut")["began_from"] == [record(pretrained)["trained_on"]]
    assert type(load_model(tmp_path / "whole").network) is MinkUNet


def test_what_does_not_go_together_is_refused(rooms: Path, pretrained: Path, tmp_path: Path) -> None:
    begun = settings(rooms, tmp_path / "run", "steps=1", f"weights={pretrained}")
    failed(tool_here("train", *begun[:-1], "tune=lora"), "tune: trains a part of given weights", "weights=<checkpoint>")
    failed(tool_here("train", *begun, "tune=lora", "tune.rank=0"), "rank=0")
    other = tool_here("train", *begun, "tune=frozen", "data.features=[height]")
    failed(other, "tune: ", "stem.conv.weight", "do not fit", "tune=null")
    unlabeled = [s for s in begun if not s.startswith("labels.file")]
    learns = tool_here("train", *unlabeled, "labels.unlabeled=true", "steps=4", *PROPAGATION)
    failed(learns, "CrossSamplePropagation needs", "give labels: a label budget", "scene_contrast")
    failed(tool_here("train", *begun, "labels.unlabeled=true"), "labels.unlabeled=true: no label is read; leave labels")
    assert not (tmp_path / "run" / "last.safetensors").exists()


def test_pretraining_goes_on_where_it_stopped(rooms: Path, pretrained: Path, tmp_path: Path) -> None:
    constant = [*on(rooms, "[Area_5]"), "optim=adamw_constant", f"output={tmp_path}"]
    for more in (["steps=3"], ["steps=5", "resume=true"]):
        done = tool_here("pretrain", *constant, *more)
        assert done.returncode == 0, done.stderr
    whole = [*constant[:-1], f"output={tmp_path / 'whole'}", "steps=5"]
    assert tool_here("pretrain", *whole).returncode == 0
    assert all(torch.equal(value, weights(tmp_path)[name]) for name, value in weights(tmp_path / "whole").items())


def test_help_tells_what_it_is() -> None:
    said = tool_here("pretrain", "--help").stdout
    assert "Pretrain a network on clouds alone" in said
    assert "scene_contrast" in said
