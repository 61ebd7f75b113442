"""tools/train.py where a run stands already: resume it, start over, begin from its weights."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
import torch

from pcseg.budgets.draw import draw_uniform
from pcseg.model.tensor_file import read_tensors, write_tensors
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene
from tests.tools._runs import (
    CLASSES,
    PROPAGATION,
    ROOT,
    curve,
    environment,
    failed,
    settings,
    tool,
    tool_here,
)


def test_kill_9_and_resume_end_as_if_never_stopped(rooms, tmp_path):
    arguments = [*PROPAGATION, "steps=24", "checkpoint_every=14", "evaluate_every=10"]
    whole = tool_here("train", *settings(rooms, tmp_path / "whole", *arguments))
    assert whole.returncode == 0, whole.stderr
    cut = settings(rooms, tmp_path / "cut", *arguments)
    process = subprocess.Popen(
        [sys.executable, "tools/train.py", *cut],
        cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    # In the second stage, past a checkpoint: step 29 of 30, of which 28 are kept.
    written = tmp_path / "cut" / "curve.jsonl"
    while process.poll() is None:
        if written.exists() and written.read_bytes().count(b"\n") >= 29:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert process.returncode == -signal.SIGKILL
    assert read_tensors(tmp_path / "cut" / "resume.safetensors", "state")[1]["step"] == 28
    # Nor does it matter that activations are computed twice from here on.
    resumed = tool("train", *cut, "resume=true", "network.activation_checkpointing=true")
    assert resumed.returncode == 0, resumed.stderr
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    for name in ("last", "best"):
        one, two = (read_tensors(tmp_path / run / f"{name}.safetensors", "model")[0] for run in ("cut", "whole"))
        assert {k: v.numpy().tobytes() for k, v in one.items()} == {k: v.numpy().tobytes() for k, v in two.items()}
    assert not [p.name for p in (tmp_path / "cut").iterdir() if p.name.startswith(".")]

    failed(tool_here("train", *cut), "holds a run", "resume=true")
    failed(
        tool_here("train", *cut, "resume=true", "seed=5"), "begun with other settings (seed was 0, now 5)", "resume: "
    )


def test_a_run_is_resumed_on_the_labels_it_began_with_only(rooms, tmp_path):
    folders = list_scenes(rooms, ["Area_1"])
    arguments = settings(rooms, tmp_path / "run", "steps=2", f"labels.file={tmp_path / 'l.npz'}")
    for fraction, more in ((0.05, []), (0.5, ["resume=true"])):
        scenes = (read_scene(f, CLASSES, with_labels=True) for f in folders)
        draw_uniform(scenes, CLASSES, fraction).save(tmp_path / "l.npz")
        done = tool_here("train", *arguments, *more)
    failed(done, "labels have sha256", "file it began with")


@pytest.mark.parametrize(
    "changed", [{"best": {"step": 1}}, {"best": {"step": 1, "miou": "x"}}, {"step": -1}, {"record": {}}]
)
def test_a_damaged_state_is_not_gone_on_from(rooms, tmp_path, changed):
    arguments = settings(rooms, tmp_path / "run", "steps=1")
    assert tool_here("train", *arguments).returncode == 0
    state = tmp_path / "run" / "resume.safetensors"
    tensors, header = read_tensors(state, "state")
    if "record" in changed:
        changed = {"record": {**header["record"], "labels": 5}}
    write_tensors(state, "state", tensors, {**header, **changed})
    failed(tool_here("train", *arguments, "resume=true"), "resume")


def test_a_run_is_started_over_only_when_asked_to(rooms, tmp_path):
    arguments = settings(rooms, tmp_path / "run", "steps=2", "experiment=simulated", "labels.file=null")
    assert tool_here("train", *arguments).returncode == 0
    failed(tool_here("train", *arguments, "steps=1"), "holds a run", "overwrite=true")
    assert len(curve(tmp_path / "run")) == 2
    before = sorted(p.name for p in (tmp_path / "run").rglob("*"))
    failed(tool_here("train", *arguments, "overwrite=true", "data.root=nowhere"), "nowhere")
    assert sorted(p.name for p in (tmp_path / "run").rglob("*")) == before
    assert tool_here("train", *arguments, "steps=1", "overwrite=true").returncode == 0
    assert len(curve(tmp_path / "run")) == 1
    labels = json.loads((tmp_path / "run" / "metrics.json").read_text())["labels"]
    assert (labels["count"], labels["fraction"]) == (1200, 1.0)


def test_a_run_may_begin_with_the_weights_of_another(rooms, tmp_path):
    assert tool_here("train", *settings(rooms, tmp_path / "one", "steps=3")).returncode == 0
    still = ["steps=1", "optim.optimizer.lr=0.0", "optim.optimizer.weight_decay=0"]
    for name, more, said in (
        ("same", [], "weights: from"),
        (
            "other",
            ["data.classes=[floor,chair]", "labels.file=null"],
            "the classifier keeps what it learned of floor, chair; without wall",
        ),
    ):
        begun = settings(rooms, tmp_path / name, *still, f"weights={tmp_path}/one", "seed=7", *more)
        done = tool_here("train", *begun)
        assert done.returncode == 0, done.stderr
        assert said in (tmp_path / name / "train.log").read_text()
        one, two = (read_tensors(tmp_path / run / "last.safetensors", "model")[0] for run in ("one", name))
        same = {key for key in one if one[key].shape == two[key].shape and torch.equal(one[key], two[key])}
        assert {key for key in one if key.endswith("conv1.weight")} <= same
        assert ("head.weight" in same) == (name == "same")
    # Once it is under way, it goes on from its own.
    (tmp_path / "one" / "last.safetensors").unlink()
    assert tool_here("train", *begun, "resume=true").returncode == 0
    failed(tool_here("train", *settings(rooms, tmp_path / "new", f"weights={tmp_path}/one")), "no such checkpoint")


def test_a_run_at_a_constant_rate_may_become_longer_than_planned(rooms, tmp_path):
    def arguments(output, *more):
        return settings(rooms, tmp_path / output, "optim=adamw_constant", "checkpoint_every=4", *more)

    for output, more in (("planned", ["steps=9"]), ("longer", ["steps=5"]), ("longer", ["steps=9", "resume=true"])):
        done = tool_here("train", *arguments(output, *more))
        assert done.returncode == 0, done.stderr
    assert curve(tmp_path / "planned") == curve(tmp_path / "longer")
    one, two = (read_tensors(tmp_path / run / "last.safetensors", "model")[0] for run in ("planned", "longer"))
    assert {k: v.numpy().tobytes() for k, v in one.items()} == {k: v.numpy().tobytes() for k, v in two.items()}
    failed(tool_here("train", *arguments("longer", "steps=6", "resume=true")), "steps are 6", "can only become longer")


@pytest.mark.parametrize(
    ("more", "words"), [([], "its rate follows OneCycle"), ([*PROPAGATION, "optim=adamw_constant"], "its 2 stages")]
)
def test_a_run_that_cannot_become_longer_says_how_to_go_on(rooms, tmp_path, more, words):
    arguments = settings(rooms, tmp_path / "run", *more)
    assert tool_here("train", *arguments, "steps=4").returncode == 0
    done = tool_here("train", *arguments, "steps=8", "resume=true")
    failed(done, "resume: the steps are ", "but the run in", " has ", words, f"weights={tmp_path}/run/last.safetensors")
