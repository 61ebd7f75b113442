"""tools/train.py with bad input: one line, before the first step, and no half-written file."""

from __future__ import annotations

import resource
import shutil
from dataclasses import replace

import numpy as np
import pytest

from pcseg.budgets.draw import labeled
from pcseg.budgets.tags import Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene, write_scene
from tests.tools._runs import (
    CLASSES,
    PROPAGATION,
    building,
    failed,
    room,
    settings,
    tool,
    tool_here,
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["batch_sise=3"], ["batch_sise: no such setting; did you mean batch_size? a run has output, "]),
        (["voxel_size=1"], ["voxel_size: no such setting; did you mean data.voxel_size"]),
        (["metod=supervised"], ["metod: no such setting; did you mean method"]),
        (["stages.main.stepps=1"], ["stages.main.stepps: no such setting; did you mean steps or stages.<name>.steps"]),
        (["network.chanels=1"], ["network.chanels", "to add a key, write +name=value"]),
        (["experiment=simulated_2pct"], ["experiment/simulated_2pct", "scannet simulated"]),
        (["data.root=nowhere"], ["nowhere: no such folder", "tools/prepare.py"]),
        (["labels.file=none.npz"], ["none.npz: no such label file"]),
        (["data.train=[Area_5]"], ["nothing is left"]),
        (["data.test=[val]"], ["val: no scene folder", ": Area_1, Area_5); choose by 'data.test=[...]', where []"]),
        (["data.train=[train]"], ["train: no scene folder", ": Area_1, Area_5); choose by 'data.train=[...]'"]),
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
        (["data.images.scale=1"], ["data.images.scale: data.images is null here; choose an experiment=... or data="]),
        (["+data.images={scale: 1.0}"], ["data.images is null here"]),
        (["tune.rank=4"], ["tune.rank: tune is null here; choose an experiment=... or tune=... with one"]),
        (["augment=pictures"], ["augment.strong.jitter: Jitter takes pictures, ", "; choose augment=indoor"]),
        (["data.crop._target_=pcseg.feeding.pictures.WindowCrop", "~data.crop.radius"], ["crop: WindowCrop takes"]),
        (["method=unimatch", "augment=indoor_strong", "batch_size=3"], ["batch_size=3: is too small", "batch_size=4"]),
        (["method=pseudo_seg", "augment=indoor_strong", "batch_size=1"], ["batch_size=1: is too", "give batch_size=3"]),
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
    done = tool("train", *settings(rooms, tmp_path / "run", "steps=2"), limit=(resource.RLIMIT_FSIZE, limit))
    failed(done, "cannot write", "File too large")
    assert not list((tmp_path / "run").glob("*.safetensors"))
    assert not list((tmp_path / "run").glob(".*"))


@pytest.mark.parametrize("given", ["threads=0", "checkpoint_every=-5", "max_voxels=0"])
def test_numbers_that_make_no_sense_are_refused_before_training(rooms, tmp_path, given):
    failed(tool_here("train", *settings(rooms, tmp_path / "run", given)), given)
    assert not (tmp_path / "run" / "curve.jsonl").exists()


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
    found = "labels: 0 points of the 2 scenes to train on carry a class"
    for root, file, words in (
        (rooms, tmp_path / "none.npz", "no scene has a label"),
        (unlabeled(rooms, tmp_path / "rooms"), "null", found),
    ):
        done = tool_here("train", *settings(root, tmp_path / "run", f"labels.file={file}"))
        failed(done, words)
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


def test_too_few_open_files_end_the_run_in_one_line(rooms, tmp_path):
    arguments = settings(rooms, tmp_path / "run", "steps=4", "workers=2")
    done = tool("train", *arguments, limit=(resource.RLIMIT_NOFILE, 24))
    failed(done, "ulimit -n")


def test_a_place_that_cannot_be_written_is_refused_first(rooms, tmp_path):
    failed(tool_here("train", *settings(rooms, "/proc/run", "data.root=nowhere")), "output=/proc/run: cannot write")


def test_keys_added_by_mistake_are_refused(rooms, tmp_path):
    """``+key=value`` adds any key in Hydra; one that no setting has would be ignored."""
    for typed, found in (
        ("+step=1", "step: no such setting; did you mean steps"),
        ("+stages.main.pairs=true", "stages.main.pairs: no such setting; "),
        ("+stages.main.pairs=true", "stages.main has method, steps, "),
        ("+data.voxelsize=0.1", "data.voxelsize: no such setting; did you mean data.voxel_size"),
    ):
        failed(tool_here("train", *settings(rooms, tmp_path / "run", typed)), found)


def test_a_tag_file_is_no_label_file(rooms, tmp_path):
    labels = rooms.parent / "labels.npz"
    Tags.from_labels(WeakLabels.load(labels)).save(tmp_path / "tags.json")
    arguments = settings(rooms, tmp_path / "run")
    failed(tool_here("train", *arguments, f"labels.file={tmp_path / 'tags.json'}"), "give it as labels.tags")
    failed(tool_here("train", *arguments, f"labels.tags={labels}"), "give it as labels.file")
