"""tools/train.py from the command line: what a run leaves, its choices, several runs and processes."""

from __future__ import annotations

import json

import pytest

from pcseg.budgets.weak_labels import WeakLabels
from pcseg.model.tensor_file import read_tensors
from tests.tools._runs import (
    CLASSES,
    PROPAGATION,
    curve,
    failed,
    settings,
    tool,
    tool_here,
    torchrun,
)


def test_a_run_that_holds_nothing_back_says_so(rooms, tmp_path):
    done = tool_here(
        "train", *(s for s in settings(rooms, tmp_path, "steps=2") if "data.test" not in s), "data.test=[]"
    )
    assert done.returncode == 0, done.stderr
    assert "evaluation: none, since data.test holds back no split" in done.stdout
    assert "mIoU" not in done.stdout
    assert json.loads((tmp_path / "metrics.json").read_text())["miou"] is None


def test_a_run_leaves_what_it_promises(rooms, tmp_path):
    done = tool("train", *settings(rooms, tmp_path, *PROPAGATION, "steps=8", "tensorboard=true", "augment.mix=0.5"))
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    budget = WeakLabels.load(rooms.parent / "labels.npz")
    assert metrics["labels"] == {"count": budget.count, "fraction": budget.fraction, "sha256": budget.sha256}
    assert list(metrics["iou"]) == list(CLASSES.names)
    assert metrics["miou"] == pytest.approx(sum(metrics["iou"].values()) / 3)
    assert 0 <= metrics["accuracy"] <= 1
    assert "voxel 0.2 m, 1 vote" in metrics["protocol"]
    assert metrics["seconds"] > 0
    assert metrics["peak_memory_gib"]["cpu"] > 0.05
    assert metrics["best"] == {"step": 10, "miou": metrics["miou"], "chosen_on": ["Area_5"]}
    assert "stages: cross 8 steps, intra 2 steps\n" in done.stdout
    assert [line["stage"] for line in curve(tmp_path)] == ["cross"] * 8 + ["intra"] * 2
    assert "propagated_cross_entropy" in curve(tmp_path)[-1]
    record = read_tensors(tmp_path / "last.safetensors", "model")[1]["record"]
    assert record["labels"] == metrics["labels"]
    assert record["step"] == 10
    assert record["config"]["stages"]["intra"]["rate"] == 0.1
    log = (tmp_path / "train.log").read_text()
    assert budget.sha256 in log
    assert "chair" in log
    assert budget.sha256 in done.stdout
    assert (tmp_path / "config.yaml").is_file()
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_control_trains_for_as_long_as_the_method_it_is_matched_with(rooms, tmp_path):
    matched = ("match=dense_propagation", "match.stages.intra.cost=2")
    done = tool_here("train", *settings(rooms, tmp_path, *matched, "steps=4"))
    assert done.returncode == 0, done.stderr
    assert "stages: cross 7 steps, intra 2 steps\n" in done.stdout
    assert [line["stage"] for line in curve(tmp_path)] == ["cross"] * 7 + ["intra"] * 2
    assert "consistency" not in curve(tmp_path)[-1]


def test_a_stage_may_begin_with_a_pass_that_labels_the_scenes(rooms, tmp_path):
    relabel = "{_target_: pcseg.engine.rounds.Relabel, confidence: 0.1}"
    done = tool_here("train", *settings(rooms, tmp_path, *PROPAGATION, f"+stages.intra.before={relabel}", "steps=8"))
    assert done.returncode == 0, done.stderr
    guessed = WeakLabels.load(tmp_path / "labels" / "intra.npz")
    assert guessed.rule == "pseudo"
    assert guessed.count > WeakLabels.load(rooms.parent / "labels.npz").count
    assert guessed.sha256[:12] in done.stdout


def test_sampler_and_tags_are_settings(rooms, tmp_path):
    name = "stages.main.sampler"
    chosen = (f"+{name}._target_=pcseg.feeding.samplers.ViewSampler", f"+{name}.views=4")
    arguments = settings(rooms, tmp_path, *chosen, "labels.tags=labels", "steps=2")
    failed(tool_here("train", *arguments), "batch_size=2", "groups of 4")
    done = tool_here("train", *arguments, "batch_size=4")
    assert done.returncode == 0, done.stderr


def test_a_run_is_named_from_its_choices_in_a_fixed_order():
    for typed, name in (
        (["experiment=demo"], "demo"),
        (["method=dense_propagation", "labels=1pct", "experiment=s3dis"], "s3dis_1pct_dense_propagation"),
        (["network=minkunet18a", "seed=3"], "own_minkunet18a"),
        (
            ["experiment=simulated", "labels=20pts", "match=dense_propagation", "method=supervised"],
            "simulated_20pts_supervised_match_dense_propagation",
        ),
    ):
        done = tool_here("train", *typed, "--cfg", "job", "--resolve")
        assert f"output: outputs/{name}\n" in done.stdout, done.stderr


def test_two_processes_do_the_work_of_one(rooms, tmp_path):
    # Layer norm: batch norm would see half a batch in each process.
    arguments = ["steps=20", "batch_size=4", "network.norm=layer", "augment=none", "augment.mix=0"]
    one = tool_here("train", *settings(rooms, tmp_path / "one", *arguments))
    assert one.returncode == 0, one.stderr
    # A process group that is open at the end aborts the process now and then.
    (tmp_path / "tool.py").write_text(
        "import atexit, os, runpy, sys\n"
        "import torch.distributed as group\n"
        "atexit.register(lambda: group.is_initialized() and os._exit(3))\n"
        "sys.path.insert(0, 'tools')\n"
        "runpy.run_path('tools/train.py', run_name='__main__')\n"
    )
    two = torchrun(tmp_path / "tool.py", "--multirun", *settings(rooms, tmp_path / "two", "seed=0,1", *arguments))
    assert two.returncode == 0, two.stderr
    alone, together = (json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("one", "two/0"))
    assert sum(map(sum, together["confusion"])) == sum(map(sum, alone["confusion"])) == 1200
    assert together["miou"] == pytest.approx(alone["miou"], abs=0.05)
    assert together["labels"] == alone["labels"]
    losses = [[line["loss"] for line in curve(tmp_path / run)] for run in ("one", "two/0", "two/1")]
    assert len(losses[0]) == len(losses[1]) == len(losses[2]) == 20
    # Per-process means are averaged, whether or not the processes hold equally many labels: the same within noise.
    assert losses[1] == pytest.approx(losses[0], rel=0.25)


def test_a_multirun_gives_each_job_its_folder(rooms, tmp_path):
    done = tool_here(
        "train",
        "--multirun",
        *settings(rooms, tmp_path, "steps=1", "seed=1,2", "precision=bf16-mixed", f"hydra.sweep.dir={tmp_path}"),
    )
    assert done.returncode == 0, done.stderr
    records = [read_tensors(tmp_path / job / "last.safetensors", "model")[1]["record"] for job in ("0", "1")]
    assert [record["config"]["seed"] for record in records] == [1, 2]


def test_two_processes_score_the_network_that_they_save(rooms, tmp_path):
    """With batch norm, whose running statistics differ between processes until they are brought together."""
    two = torchrun("tools/train.py", *settings(rooms, tmp_path / "two", "steps=12"))
    assert two.returncode == 0, two.stderr
    again = tool_here("evaluate", f"checkpoint={tmp_path}/two", f"output={tmp_path}/again", "device=cpu", "threads=1")
    assert again.returncode == 0, again.stderr
    first, second = (json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("two", "again"))
    assert first["confusion"] == second["confusion"]


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("stepz=3", 2)])
def test_help_and_a_wrong_setting_do_not_wait_for_pytorch(argument, code):
    done = tool("train", argument, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == code
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "hydra" in loaded
    assert not loaded & {"torch", "lightning_fabric", "scipy"}


def test_help_tells_settings_and_choices():
    done = tool_here("train", "--help")
    assert done.returncode == 0
    words = (
        "resume",
        "go on from the last checkpoint",
        "experiment: als, camvid, custom, demo, frames, s3dis",
        "then: mars, tag_labels",
        "match: aux_seg, aux_seg_rounds, bas, cam, ccvc",
        "torchrun",
        "stages.<name>.steps times",
    )
    for word in words:
        assert word in done.stdout
