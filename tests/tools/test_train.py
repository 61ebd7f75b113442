"""tools/train.py from the command line: what a run leaves, resuming after kill -9, two processes, and bad input."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pcseg.budgets.draw import draw_uniform, labeled
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE
from pcseg.model.tensor_file import read_tensors, write_tensors
from pcseg.scenes.scene import list_scenes, read_scene, write_scene
from tests.tools._runs import CLASSES, ROOT, TINY, building, environment, failed, room, tool, tool_here


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    return building(tmp_path_factory.mktemp("building"))


def settings(rooms: Path, output: Path, *more: str) -> list[str]:
    return [
        f"data.root={rooms}", "data.train=[Area_1]", "data.test=[Area_5]", f"labels.file={rooms.parent / 'labels.npz'}",
        f"output={output}", "batch_size=2", *TINY, *more,
    ]  # fmt: skip


PROPAGATION = ("method=dense_propagation", "stages.cross.method.stride=2", "stages.intra.method.stride=2")


def curve(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


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
    sampler = "{_target_: pcseg.feeding.samplers.ViewSampler, views: 4}"
    arguments = settings(rooms, tmp_path, f"+stages.main.sampler={sampler}", "labels.tags=labels", "steps=2")
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
    two = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", tmp_path / "tool.py",
         "--multirun", *settings(rooms, tmp_path / "two", "seed=0,1", *arguments)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert two.returncode == 0, two.stderr
    alone, together = (json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("one", "two/0"))
    assert sum(map(sum, together["confusion"])) == sum(map(sum, alone["confusion"])) == 1200
    assert together["miou"] == pytest.approx(alone["miou"], abs=0.05)
    assert together["labels"] == alone["labels"]
    losses = [[line["loss"] for line in curve(tmp_path / run)] for run in ("one", "two/0", "two/1")]
    assert len(losses[0]) == len(losses[1]) == len(losses[2]) == 20
    # Per-process means are averaged, whether or not the processes hold equally many labels: the same within noise.
    assert losses[1] == pytest.approx(losses[0], rel=0.25)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["batch_sise=3"], ["batch_sise"]),
        (["experiment=simulated_2pct"], ["experiment/simulated_2pct", "scannet simulated"]),
        (["data.root=nowhere"], ["nowhere: no such folder", "tools/prepare.py"]),
        (["labels.file=none.npz"], ["none.npz: no such label file"]),
        (["data.train=[Area_5]"], ["nothing is left"]),
        (["data.train=[Area_5]", "data.test=[Area_5/]"], ["nothing is left"]),
        (["workers=-1"], ["workers=-1", "0 (no process beside this one) or more"]),
        (["optim.optimizer.lr=abc"], ["optim.optimizer.lr=abc: is not a number"]),
        (["optim.optimizer.lr=null"], ["optim.optimizer.lr=None: is not a number"]),
        (["batch_size=0"], ["batch_size=0"]),
        (["steps=0"], ["stages.main: has 0 steps"]),
        (["device=tpu"], ["device=tpu"]),
        (["precision=8-mixed"], ["precision"]),
        (["augment.transforms.scale.low=-1"], ["Scale: low=-1"]),
        (["output=/dev/null/run"], ["/dev/null/run", "cannot write"]),
        (["network._target_=os.system"], ["chosen by its name", "write network=minkunet34c"]),
        (["+network._target_=pcseg.networks.MinkUNet"], ["chosen by its name", "network.name=MinkUNet"]),
        (["network.name=system"], ["network 'system' is not one of", "minkunet_small"]),
        (["stages.main.before={x: 1}"], ["stages.main.before", "to add a key, write +name=value"]),
        (["match=everything"], ["match/everything", "dense_propagation"]),
        (["method=dense_propagation", "match=dense_propagation"], ["match:", "cross, intra", "method=supervised"]),
        ([*PROPAGATION, "~stages.cross.sampler._target_"], ["needs", "PairSampler"]),
        (["labels.tags=labels", "labels.file=null"], ["labels.tags=labels", "tag file"]),
        (["optim.optimizer._target_=torch.optim.AdamWW"], ["optim.optimizer", "AdamWW"]),
        (["data.classes=[floor,wall,lamp]"], ["lamp"]),
    ],
)
def test_bad_settings_are_refused_in_one_line(rooms, tmp_path, change, words):
    failed(tool_here("train", *settings(rooms, tmp_path / "run"), *change), *words)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_labels_of_another_cloud_are_refused(rooms, tmp_path):
    other = building(tmp_path / "other")
    coord = other / "Area_1" / "a" / "coord.npy"
    coord.write_bytes((other / "Area_1" / "b" / "coord.npy").read_bytes())
    arguments = settings(other, tmp_path / "run", f"labels.file={rooms.parent / 'labels.npz'}")
    failed(tool_here("train", *arguments, "steps=2"), "another cloud")


def test_a_full_disk_stops_the_run_and_leaves_no_half_checkpoint(rooms, tmp_path):
    limit = 20_000  # bytes a file: enough for the curve, not for the weights
    done = subprocess.run(
        [sys.executable, "tools/train.py", *settings(rooms, tmp_path / "run", "steps=2")],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    failed(done, "cannot write", "File too large")
    assert not list((tmp_path / "run").glob("*.safetensors"))
    assert not list((tmp_path / "run").glob(".*"))


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
    two = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "tools/train.py",
         *settings(rooms, tmp_path / "two", "steps=12")],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert two.returncode == 0, two.stderr
    again = tool_here("evaluate", f"checkpoint={tmp_path}/two", f"output={tmp_path}/again", "device=cpu", "threads=1")
    assert again.returncode == 0, again.stderr
    first, second = (json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("two", "again"))
    assert first["confusion"] == second["confusion"]


def test_a_run_is_resumed_on_the_labels_it_began_with_only(rooms, tmp_path):
    folders = list_scenes(rooms, ["Area_1"])
    arguments = settings(rooms, tmp_path / "run", "steps=2", f"labels.file={tmp_path / 'l.npz'}")
    for fraction, more in ((0.05, []), (0.5, ["resume=true"])):
        scenes = (read_scene(f, CLASSES, with_labels=True) for f in folders)
        draw_uniform(scenes, CLASSES, fraction).save(tmp_path / "l.npz")
        done = tool_here("train", *arguments, *more)
    failed(done, "labels have sha256", "file it began with")


@pytest.mark.parametrize(
    "odd", [{"best": {"step": 1}}, {"best": {"step": 1, "miou": "x"}}, {"step": -1}, {"record": {}}]
)
def test_a_damaged_state_is_not_gone_on_from(rooms, tmp_path, odd):
    arguments = settings(rooms, tmp_path / "run", "steps=1")
    assert tool_here("train", *arguments).returncode == 0
    state = tmp_path / "run" / "resume.safetensors"
    tensors, header = read_tensors(state, "state")
    if "record" in odd:
        odd = {"record": {**header["record"], "labels": 5}}
    write_tensors(state, "state", tensors, {**header, **odd})
    failed(tool_here("train", *arguments, "resume=true"), "resume")


@pytest.mark.parametrize("given", ["threads=0", "checkpoint_every=-5", "max_voxels=0"])
def test_numbers_that_make_no_sense_are_refused_before_training(rooms, tmp_path, given):
    failed(tool_here("train", *settings(rooms, tmp_path / "run", given)), given)
    assert not (tmp_path / "run" / "curve.jsonl").exists()


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


def unlabeled(rooms, folder):
    """The building with no label in the scenes to train on."""
    for name in ("Area_1/a", "Area_1/b", "Area_5/c"):
        scene = read_scene(rooms / name, CLASSES, with_labels=True)
        segment = scene.segment if "Area_5" in name else np.full(len(scene), IGNORE)
        write_scene(folder, scene.having(segment=segment))
    return folder


def test_training_on_no_label_is_refused(rooms, tmp_path):
    scenes = [read_scene(f, CLASSES, with_labels=True) for f in list_scenes(rooms, ["Area_1"])]
    nothing = [labeled(s.having(segment=np.full(len(s), IGNORE)), CLASSES, np.arange(5)) for s in scenes]
    WeakLabels(CLASSES.names, "clicks", {}, None, tuple(nothing)).save(tmp_path / "none.npz")
    for root, file in ((rooms, tmp_path / "none.npz"), (unlabeled(rooms, tmp_path / "rooms"), "null")):
        done = tool_here("train", *settings(root, tmp_path / "run", f"labels.file={file}"))
        failed(done, "labels: 0 points of the 2 scenes to train on carry a class")
        assert not (tmp_path / "run" / "curve.jsonl").exists()


def test_scenes_that_cannot_be_scored_are_reported_before_training(rooms, tmp_path):
    for split, scene in (("Area_7", room("Area_7/x", 1)), ("Area_8", replace(room("Area_8/x", 1), attributes={}))):
        write_scene(tmp_path / "rooms", replace(scene, classes=("tree", "house", "lamp") if split == "Area_7" else ()))
        shutil.copytree(rooms / "Area_1", tmp_path / "rooms" / "Area_1", dirs_exist_ok=True)
        done = tool_here(
            "train", *settings(tmp_path / "rooms", tmp_path / "run", "labels.file=null", f"data.test=[{split}]")
        )
        failed(done, *(["tree, house, lamp"] if split == "Area_7" else ["Area_8/x: has no color"]))
        assert not (tmp_path / "run" / "curve.jsonl").exists()


def test_a_run_may_begin_with_the_weights_of_another(rooms, tmp_path):
    assert tool_here("train", *settings(rooms, tmp_path / "one", "steps=3")).returncode == 0
    still = ["steps=1", "optim.optimizer.lr=0.0", "optim.optimizer.weight_decay=0"]
    for name, more, said in (
        ("same", [], "weights: from"),
        (
            "other",
            ["data.classes=[floor,chair]", "labels.file=null"],
            "the classifier is made anew: it knew floor, wall, chair; now floor, chair",
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


def test_too_few_open_files_end_the_run_in_one_line(rooms, tmp_path):
    done = subprocess.run(
        [sys.executable, "tools/train.py", *settings(rooms, tmp_path / "run", "steps=4", "workers=2")],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24)),
    )  # fmt: skip
    failed(done, "ulimit -n")


def test_a_place_that_cannot_be_written_is_refused_first(rooms, tmp_path):
    failed(tool_here("train", *settings(rooms, "/proc/run", "data.root=nowhere")), "output=/proc/run: cannot write")


def test_help_tells_settings_and_choices():
    done = tool_here("train", "--help")
    assert done.returncode == 0
    words = (
        "resume",
        "go on from the last checkpoint",
        "experiment: custom, demo, s3dis",
        "match: dense_propagation",
        "torchrun",
        "stages.<name>.steps times",
    )
    for word in words:
        assert word in done.stdout
